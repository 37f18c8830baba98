// What is drawn at random: the same for the same seed, and as likely as it should be.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { below, bitsBelow, permutation, seededRandom, uniformFrom } from '../../hub/seeded-random.ts'

const seeds = fc.integer({ min: 0, max: 0xffff_ffff })

describe('random numbers', () => {
  test('are the same for the same seed and stream, and others for another', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 2000 }), (seed, stream) => {
        const draw = (...from: [number, number]) => Array.from({ length: 8 }, uniformFrom(...from))
        expect(draw(seed, stream)).toEqual(draw(seed, stream))
        expect(draw(seed, stream)).not.toEqual(draw(seed, stream + 1))
        expect(draw((seed + 1) >>> 0, stream)).not.toEqual(draw(seed, stream))
        for (const number of draw(seed, stream)) expect(number >= 0 && number < 1).toBe(true)
      }),
      { seed: 11 },
    )
  })

  test('fall evenly: chi-square over 64 cells stays below its 99.9 % point', () => {
    for (let seed = 0; seed < 20; seed++) {
      const uniform = uniformFrom(seed)
      const counts = new Float64Array(64)
      for (let i = 0; i < 64_000; i++) {
        const cell = below(uniform, 64)
        counts[cell] = (counts[cell] ?? 0) + 1
      }
      const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
      expect(chiSquare, `seed ${seed}`).toBeLessThan(103.4)
    }
  })

  test('permutations hold every number once', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 50 }), (seed, count) => {
        expect([...permutation(uniformFrom(seed), count)].sort((a, b) => a - b)).toEqual([...Array(count).keys()])
      }),
      { seed: 12 },
    )
  })

  test('are those of before: what was stored is drawn again', () => {
    const random = seededRandom('r-1/0/2/3')
    const words = new Uint32Array(5)
    random.fill(words)
    expect([...words]).toEqual([3855500111, 2385667349, 944454903, 2702093927, 3082501813])
    expect(random.bits()).toBe(2904762942)
    const drawn = Array.from({ length: 70 }, uniformFrom(42, 3)).map((number) => number * 2 ** 32)
    expect(drawn.slice(0, 3)).toEqual([1594340059, 3646619537, 3155579203])
    expect(drawn.slice(67)).toEqual([2283754533, 3917869911, 1887326964])
    expect([...permutation(uniformFrom(7), 8)]).toEqual([4, 6, 7, 5, 0, 2, 3, 1])
  })

  test('come the same one by one and all at once', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 300 }), (seed, count) => {
        const [one, all] = [seededRandom(seed), seededRandom(seed)]
        const words = new Uint32Array(count)
        all.fill(words)
        expect(Array.from({ length: count }, one.bits)).toEqual([...words])
        expect(one.bits()).toBe(all.bits())
      }),
      { seed: 14 },
    )
  })

  test('whole numbers below a bound reach both ends and nothing else', () => {
    for (const bound of [1, 2, 7, 10_000, 2 ** 31]) {
      expect(bitsBelow(0, bound)).toBe(0)
      expect(bitsBelow(2 ** 32 - 1, bound)).toBe(bound - 1)
    }
  })
})
