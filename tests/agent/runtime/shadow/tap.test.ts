// The primary's side of a shadow: in order, complete or told, bounded whatever the shadow does, and never waiting.

import fc from 'fast-check'
import { Tensor } from 'onnxruntime-node'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Batch, TapSpec } from '../../../../agent/runtime/shadow/pairs.ts'
import { createTap, type Outcome, waitingDrawnMax, waitingMax } from '../../../../agent/runtime/shadow/tap.ts'

const seed = 20_261_126
const digest = 'a'.repeat(64)

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function aTap(spec: Partial<TapSpec> = {}, seed = 1) {
  const batches: Batch[] = []
  const task = { kind: 'binary-classification' as const, output: 'y', threshold: 0.5 }
  const bundle = { digest, manifest: { task } }
  const tap = createTap({ deployment: 'demo', sample: 1, tensors: true, ...spec }, bundle, {
    send: (batch) => batches.push(batch),
    seed,
  })
  const entries = () => batches.flatMap((batch) => batch.entries)
  return { tap, batches, entries, dropped: () => batches.reduce((sum, { dropped }) => sum + dropped, 0) }
}

const feeds = (value: number) => ({ x: new Tensor('float32', Float32Array.of(value), [1, 1]) })
const outputs = (value: number) => ({ y: new Tensor('float32', Float32Array.of(value), [1, 1]) })
const inputOf = (entry: Batch['entries'][number]) => Number(entry.feeds?.x?.data[0])

describe('what a tap hands over', () => {
  test('is in order, whole, with what the primary answered and decided', () => {
    const { tap, batches, entries } = aTap()
    const told = Array.from({ length: 5 }, (_, i) => tap.tensors(feeds(i)))
    // They end in another order than they began, and one fails.
    for (const i of [3, 0, 4, 2]) told[i]?.(outputs(i / 4), i === 2)
    told[1]?.(undefined)
    vi.runAllTimers()
    expect(batches).toMatchObject([{ deployment: 'demo', primary: digest, gap: true, dropped: 0 }])
    expect(entries().map(inputOf)).toEqual([0, 1, 2, 3, 4])
    expect(entries().map(({ answer }) => answer?.positive)).toEqual([false, undefined, true, true, true])
    expect(entries().map(({ answer }) => answer?.label)).toEqual([false, undefined, true, false, false])
    expect(entries()[1]?.answer).toEqual({})
  })

  test('waits for the inference before it, and for the shadow, and for nothing else', () => {
    const { tap, batches } = aTap()
    const first = tap.tensors(feeds(1))
    tap.tensors(feeds(2))?.(outputs(2))
    vi.runAllTimers()
    expect(batches).toHaveLength(0)
    first?.(outputs(1))
    vi.runAllTimers()
    expect(batches).toHaveLength(1)
    for (let i = 0; i < 500; i++) tap.tensors(feeds(i))?.(outputs(i))
    vi.runAllTimers()
    expect(batches).toHaveLength(1)
    tap.more()
    vi.runAllTimers()
    expect(batches).toHaveLength(2)
    expect(batches[1]?.entries).toHaveLength(64)
  })

  test('copies tensors that are used again, and none that are not', () => {
    const { tap, entries } = aTap()
    const reused = feeds(1)
    tap.record({ a: 1 }, reused)?.(outputs(1))
    reused.x.data[0] = 9
    vi.runAllTimers()
    expect(entries().map(inputOf)).toEqual([1])
  })

  test('of a record is what the features read, and all else is missing', () => {
    const { tap, batches, entries } = aTap({ records: ['a', 'b', 'c', 'd', '__proto__'] })
    const record = { a: 1, b: 'x'.repeat(300), c: { deep: 1 }, other: 2 }
    tap.record(record, feeds(0))?.(outputs(0))
    vi.runAllTimers()
    expect(entries()[0]?.record).toEqual([1, null, null, null, null])
    expect(batches[0]?.fields).toEqual(['a', 'b', 'c', 'd', '__proto__'])
  })
})

describe('a label that comes later', () => {
  test('is handed over after its own input, by a number that no other tap uses', () => {
    const numbers = [1, 2].flatMap((seed) => {
      const { tap, entries } = aTap({}, seed)
      const later = [0, 1].map((i) => tap.tensors(feeds(i))?.(outputs(i)))
      expect(tap.tensors(feeds(2))?.(outputs(2), true)).toBeUndefined()
      expect(tap.tensors(feeds(3))?.(undefined)).toBeUndefined()
      later[1]?.(true)
      vi.runAllTimers()
      tap.more()
      vi.runAllTimers()
      const pairs = entries().flatMap(({ answer }) => answer?.pair ?? [])
      expect(pairs).toHaveLength(2)
      expect(entries().at(-1)).toEqual({ late: { pair: pairs[1], label: true } })
      return pairs
    })
    expect(new Set(numbers).size).toBe(4)
  })

  test('finds no more room than anything else, and none in a tap that is closed', () => {
    const { tap, batches, entries } = aTap()
    const later = tap.tensors(feeds(0))?.(outputs(0))
    vi.runAllTimers()
    for (let i = 0; i < waitingMax + 500; i++) later?.(true)
    for (let i = 0; i < 200; i++) {
      tap.more()
      vi.runAllTimers()
    }
    expect(entries().filter(({ late }) => late !== undefined).length).toBe(waitingMax)
    const before = batches.length
    tap.close()
    later?.(true)
    tap.more()
    vi.runAllTimers()
    expect(batches).toHaveLength(before)
  })
})

describe('a tap whose shadow never asks for more', () => {
  test('holds no more than it may, and tells all it dropped once it is asked', () => {
    const { tap, entries, dropped } = aTap()
    const asked = 5_000
    for (let i = 0; i < asked; i++) tap.tensors(feeds(i))?.(outputs(i))
    vi.runAllTimers()
    for (let i = 0; i < 100; i++) {
      tap.more()
      vi.runAllTimers()
    }
    tap.tensors(feeds(0))?.(outputs(0))
    vi.runAllTimers()
    expect(entries().length + dropped()).toBe(asked + 1)
    expect(entries().length).toBeLessThanOrEqual(waitingDrawnMax + 64 + 1)
  })

  test('gives up drawn records before it loses one; then all before are of no use', () => {
    const { tap, batches, entries, dropped } = aTap({ records: ['a'], sample: 1 })
    vi.runAllTimers()
    const asked = 2_000
    for (let i = 0; i < asked; i++) tap.record({ a: i }, feeds(i))?.(outputs(i))
    for (let i = 0; i < 100; i++) {
      tap.more()
      vi.runAllTimers()
    }
    // None is missing, in order, though most of them were not to be repeated any more.
    expect(entries().map(({ record }) => record?.[0])).toEqual(Array.from({ length: asked }, (_, i) => i))
    const repeated = entries().filter(({ answer }) => answer !== undefined).length
    expect(repeated + dropped()).toBeGreaterThanOrEqual(asked - 1)
    expect(batches.slice(1).map(({ gap }) => gap)).not.toContain(true)
    const before = batches.length
    for (let i = 0; i < waitingMax + 500; i++) tap.record({ a: i }, feeds(i))?.(outputs(i))
    for (let i = 0; i < 200; i++) {
      vi.runAllTimers()
      tap.more()
    }
    expect(batches.slice(before).filter(({ gap }) => gap)).toHaveLength(1)
    const afterGap = batches.slice(batches.findLastIndex(({ gap }) => gap)).flatMap((batch) => batch.entries)
    const values = afterGap.map(({ record }) => Number(record?.[0]))
    expect(values).toEqual(Array.from({ length: values.length }, (_, i) => (values[0] ?? 0) + i))
  })
})

test('whatever comes in whatever order: every drawn input is handed over once or told as dropped', () => {
  const step = fc.constantFrom('ask', 'answer', 'fail', 'more', 'time')
  fc.assert(
    fc.property(fc.array(step, { maxLength: 2_000, size: 'max' }), fc.boolean(), (steps, isRecords) => {
      const { tap, entries, dropped } = aTap({ sample: 0.5, ...(isRecords && { records: ['a'] }) })
      const open: Outcome[] = []
      let asked = 0
      let drawn = 0
      for (const kind of steps) {
        if (kind === 'ask') {
          const outcome = isRecords ? tap.record({ a: asked }, feeds(asked)) : tap.tensors(feeds(asked))
          asked += 1
          if (outcome !== undefined) {
            drawn += 1
            open.push(outcome)
          }
        } else if (kind === 'answer') open.shift()?.(outputs(1))
        else if (kind === 'fail') open.pop()?.(undefined)
        else if (kind === 'more') tap.more()
        else vi.advanceTimersByTime(30)
      }
      for (const outcome of open) outcome(outputs(1))
      for (let i = 0; i < 100; i++) {
        tap.more()
        vi.runAllTimers()
      }
      const handed = entries().filter(({ answer }) => answer !== undefined).length
      // What was drawn and found no room had no outcome to tell.
      expect(handed).toBeLessThanOrEqual(drawn)
      expect(handed + dropped()).toBeGreaterThanOrEqual(drawn)
      if (isRecords)
        expect(entries().map(({ record }) => record?.[0])).toEqual(Array.from({ length: asked }, (_, i) => i))
    }),
    { seed, numRuns: 200 },
  )
})
