// What is drawn at random: the same for the same seed, and as likely as it should be. Bootstrap intervals, permutation
// importance and Shapley values against what is known exactly.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compare, takeRows } from '../../../hub/evaluation/measure.ts'
import { drawWeights, figureOf } from '../../../hub/evaluation/metrics/bootstrap.ts'
import { drawPermutations, importanceOf } from '../../../hub/evaluation/metrics/importance.ts'
import { drawWalks, readWalks, walkRows } from '../../../hub/evaluation/metrics/shapley.ts'
import { uniformFrom } from '../../../hub/seeded-random.ts'

const seeds = fc.integer({ min: 0, max: 0xffff_ffff })

describe('the bootstrap', () => {
  test('draws as many rows as there are, or whole clusters', () => {
    fc.assert(
      fc.property(seeds, fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 40 }), (seed, of) => {
        const total = (weights: Uint16Array) => weights.reduce((sum, weight) => sum + weight, 0)
        expect(total(drawWeights(uniformFrom(seed), of.length))).toBe(of.length)
        const weights = drawWeights(uniformFrom(seed), of.length, { of, count: 5 })
        for (const [row, cluster] of of.entries()) expect(weights[row]).toBe(weights[of.indexOf(cluster)])
      }),
      { seed: 13 },
    )
  })

  test('covers the truth about as often as it says: 95 % intervals of a mean, 200 samples', () => {
    let covered = 0
    for (let seed = 1; seed <= 200; seed++) {
      const uniform = uniformFrom(seed, 5)
      // the error of predicting 0 is uniform on [0, 1): 0.5 in the mean
      const targets = Float64Array.from({ length: 60 }, uniform)
      const answers = { kind: 'regression' as const, targets, predicted: new Float64Array(60), latencies: undefined }
      const { mae } = compare(answers, undefined, [], undefined, uniform).figures
      if (mae !== undefined && mae.low <= 0.5 && mae.high >= 0.5) covered += 1
    }
    expect(covered / 200).toBeGreaterThan(0.89)
    expect(covered / 200).toBeLessThan(0.99)
  })

  test('compares on the same rows: a champion that is always worse by as much differs by exactly that', () => {
    const uniform = uniformFrom(3)
    const targets = Float64Array.from({ length: 50 }, uniform)
    const offBy = (error: number) => ({
      kind: 'regression' as const,
      targets,
      predicted: targets.map((target) => target + error * (1 + target)),
      latencies: undefined,
    })
    const { difference, figures } = compare(offBy(1), offBy(2), [], undefined, uniform)
    expect(difference.mae?.low).toBeCloseTo(-(figures.mae?.high ?? 0), 12)
    expect(difference.mae?.high).toBeCloseTo(-(figures.mae?.low ?? 0), 12)
    const same = compare(offBy(1), offBy(1), [], undefined, uniform)
    expect(same.difference.rmse).toEqual({ value: 0, low: 0, high: 0 })
  })

  test('gives no interval where more than half of the resamples give no value', () => {
    expect(figureOf(1, [1, 2, undefined, 3])).toEqual({ value: 1, low: 1.05, high: 2.95 })
    expect(figureOf(1, [1, undefined, undefined])).toBeUndefined()
    expect(figureOf(1, [])).toBeUndefined()
  })

  test('takes rows with everything that belongs to them', () => {
    const answers = takeRows(
      {
        kind: 'classification',
        classes: ['a', 'b'],
        labels: Int32Array.of(0, 1, 1),
        predicted: Int32Array.of(1, 1, 0),
        probabilities: [Float64Array.of(0.1, 0.2, 0.3), Float64Array.of(0.9, 0.8, 0.7)],
        scores: Float64Array.of(0.9, 0.8, 0.7),
        latencies: Float64Array.of(1, 2, 3),
      },
      [2, 0],
    )
    expect(answers).toMatchObject({
      labels: Int32Array.of(1, 0),
      predicted: Int32Array.of(0, 1),
      probabilities: [Float64Array.of(0.3, 0.1), Float64Array.of(0.7, 0.9)],
      latencies: Float64Array.of(3, 1),
    })
  })
})

describe('permutation importance', () => {
  test('is the mean loss with its deviation over the repeats, as numpy has it', () => {
    // numpy: np.mean([.1, .3, .2]), np.std([.1, .3, .2])
    const { mean, deviation } = importanceOf('x', 0.9, [0.8, 0.6, 0.7])
    expect(mean).toBeCloseTo(0.2, 12)
    expect(deviation).toBeCloseTo(0.08164965809277261, 12)
  })

  test('draws another order for every input and repeat', () => {
    const orders = drawPermutations(uniformFrom(1), 3, 100)
      .flat()
      .map((order) => order.join())
    expect(new Set(orders).size).toBe(15)
  })
})

describe('sampled Shapley values', () => {
  /** Runs a function in the place of a model. */
  function attribute(
    f: (row: Float64Array) => number,
    row: number[],
    background: number[][],
    walkCount: number,
    seed: number,
    groups = row.map((_, i) => [i]),
  ) {
    const walks = drawWalks(uniformFrom(seed), walkCount, groups.length, background.length)
    const rows = walkRows(Float64Array.from(row), (i) => Float64Array.from(background[i] ?? []), groups, walks)
    return readWalks(Float64Array.from(rows, f), walks, groups.length)
  }
  const rowOf = fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 4, maxLength: 4 })

  test('add up to the prediction, whatever the model; an input it does not use gets exactly nothing', () => {
    fc.assert(
      fc.property(seeds, rowOf, fc.array(rowOf, { minLength: 1, maxLength: 6 }), (seed, row, background) => {
        const f = ([a = 0, b = 0, c = 0]: Float64Array) => a * b + Math.sin(c) + (a > 0 ? c : 1)
        const { inputs, background: start } = attribute(f, row, background, 20, seed)
        const sum = inputs.reduce((total, { value }) => total + value, start.value)
        expect(sum).toBeCloseTo(f(Float64Array.from(row)), 9)
        expect(inputs[3]).toEqual({ value: 0, standardError: 0 })
      }),
      { seed: 14 },
    )
  })

  test('are exact for one background row and a sum', () => {
    const { inputs } = attribute(([a = 0, b = 0]) => 3 * a - 2 * b, [4, 5], [[1, 2]], 10, 1)
    expect(inputs).toEqual([
      { value: 9, standardError: 0 },
      { value: -6, standardError: 0 },
    ])
  })

  test('lie within four of their standard errors of the exact values, which all orders and rows give', () => {
    const f = ([a = 0, b = 0, c = 0]: Float64Array) => a * b * 2 + b * c - (a > c ? 3 : 0)
    const row = [2, -1, 1]
    const background = [
      [0, 0, 0],
      [1, 2, 3],
      [-2, 1, 0],
    ]
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ].map((order) => Uint32Array.from(order))
    const all = background.flatMap((_, i) => orders.map((order) => ({ background: i, order })))
    const rows = walkRows(Float64Array.from(row), (i) => Float64Array.from(background[i] ?? []), [[0], [1], [2]], all)
    const exact = readWalks(Float64Array.from(rows, f), all, 3)
    for (let seed = 1; seed <= 20; seed++) {
      const sampled = attribute(f, row, background, 400, seed)
      for (const [i, { value, standardError }] of sampled.inputs.entries()) {
        expect(Math.abs(value - (exact.inputs[i]?.value ?? Number.NaN)), `seed ${seed}`).toBeLessThan(4 * standardError)
      }
    }
  })

  test('take the columns of an input together', () => {
    const { inputs } = attribute(([a = 0, b = 0, c = 0]) => a * b + c, [2, 3, 4], [[0, 0, 0]], 5, 1, [[0, 1], [2]])
    expect(inputs.map(({ value }) => value)).toEqual([6, 4])
  })
})
