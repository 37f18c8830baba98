import type { DriftVerdict } from '@roost/shared/drift/verdict.ts'
import { WindowReport } from '@roost/shared/protocol/records.ts'
import { createLatencyRecorder } from '@roost/shared/sketch/latency.ts'
import { createColumnRecorder } from '@roost/shared/sketch/recorder.ts'
import { canMergeWindows, mergeWindows } from '@roost/shared/sketch/window.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aWindow } from '../../builders/windows.ts'

const seed = 20261124

function aColumn(values: readonly number[]) {
  const recorder = createColumnRecorder({ type: 'numeric', edges: [0, 1, 2] })
  for (const value of values) recorder.record(value)
  return recorder.snapshot()
}

function latencyOf(values: readonly number[]) {
  const recorder = createLatencyRecorder()
  for (const us of values) recorder.record(us)
  return recorder.snapshot()
}

function aMetric(values: readonly number[]) {
  return {
    count: values.length,
    sum: values.reduce((sum, value) => sum + value, 0),
    sumSquares: values.reduce((sum, value) => sum + value * value, 0),
    min: Math.min(...values),
    max: Math.max(...values),
  }
}

const count = fc.nat({ max: 1000 })
const moment = fc.integer({ min: 1_000, max: 100_000 })
const column = fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 8 }).map(aColumn)
const columns = fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor'), column, {
  maxKeys: 4,
  noNullPrototype: true,
})
const verdict = fc.record({
  state: fc.constantFrom('healthy' as const, 'drifted' as const),
  at: fc.integer({ min: 1_000, max: 1_003 }),
  evidence: fc.integer({ min: 0, max: 3 }),
  since: fc.constantFrom(null, 1_000),
  movements: fc.constant<DriftVerdict['movements']>([]),
})
const metrics = fc.dictionary(
  fc.constantFrom(...Array.from({ length: 24 }, (_, i) => `metric_${i}`), 'constructor'),
  fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 4 }).map(aMetric),
  { maxKeys: 16, noNullPrototype: true },
)
const whole = fc.integer({ min: -1000, max: 1000 })
const agreement = fc.record(
  {
    pairs: count,
    agreed: count,
    outputs: fc.dictionary(
      fc.constantFrom('a', '__proto__'),
      fc.record({ count, sum: whole, sumAbs: count, sumSquares: count }),
      { noNullPrototype: true },
    ),
    errors: fc.record({ both: count, onlyPrimary: count, onlyCandidate: count }),
    labels: fc.record({ bothRight: count, onlyPrimaryRight: count, onlyCandidateRight: count, bothWrong: count }),
    dropped: count,
  },
  { requiredKeys: ['pairs', 'agreed', 'outputs', 'errors'] },
)
const window = fc
  .record(
    {
      from: moment,
      to: moment,
      windows: fc.integer({ min: 1, max: 9 }),
      interrupted: fc.boolean(),
      counts: fc.record({ ok: count, error: count, refused: count }),
      latency: fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { maxLength: 10 }).map(latencyOf),
      features: columns,
      outputs: columns,
      agreement,
      labels: fc.record({ truePositive: count, falsePositive: count, trueNegative: count, falseNegative: count }),
      metrics,
      resources: fc.record({ rssBytes: count, cpuMs: fc.integer({ min: 0, max: 9999 }).map((steps) => steps / 1024) }),
      drift: verdict,
    },
    { requiredKeys: ['from', 'to', 'windows', 'interrupted', 'counts', 'latency', 'features', 'outputs'] },
  )
  .map((over) => aWindow(over))

describe('merging window reports', () => {
  test('gives the same report in any order and grouping', () => {
    fc.assert(
      fc.property(fc.array(window, { minLength: 2, maxLength: 6 }), fc.infiniteStream(fc.nat()), (windows, picks) => {
        const inOrder = windows.reduce(mergeWindows)
        const heap = [...windows]
        while (heap.length > 1) {
          const [a] = heap.splice((picks.next().value ?? 0) % heap.length, 1)
          const [b] = heap.splice((picks.next().value ?? 0) % heap.length, 1)
          if (a !== undefined && b !== undefined) heap.push(mergeWindows(a, b))
        }
        expect(JSON.stringify(heap[0])).toBe(JSON.stringify(inOrder))
        expect(WindowReport.safeParse(inOrder).success).toBe(true)
      }),
      { seed, numRuns: 500 },
    )
  })

  test('adds what is counted and spans both times', () => {
    const a = aWindow({
      from: 5,
      to: 10,
      counts: { ok: 3, error: 1, refused: 2 },
      features: { x: aColumn([0.5]) },
      windows: 2,
    })
    const b = aWindow({
      from: 1,
      to: 7,
      counts: { ok: 10, error: 0, refused: 1 },
      features: { y: aColumn([9]) },
      interrupted: true,
    })
    expect(mergeWindows(a, b)).toMatchObject({
      from: 1,
      to: 10,
      windows: 3,
      interrupted: true,
      counts: { ok: 13, error: 1, refused: 3 },
      latency: { count: 13 },
      features: { x: aColumn([0.5]), y: aColumn([9]) },
    })
  })

  test('sums a metric as if all its numbers had come in one window', () => {
    const numbers = fc.array(fc.integer({ min: -9999, max: 9999 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(numbers, numbers, (first, second) => {
        const merged = mergeWindows(
          aWindow({ metrics: { scrap: aMetric(first) } }),
          aWindow({ metrics: { scrap: aMetric(second), other: aMetric([1]) } }),
        )
        expect(merged.metrics).toEqual({ other: aMetric([1]), scrap: aMetric([...first, ...second]) })
      }),
      { seed, numRuns: 200 },
    )
  })

  test('keeps no more names of metrics than a report may have', () => {
    const named = (prefix: string) =>
      Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`${prefix}${i}`, aMetric([i])]))
    const merged = mergeWindows(aWindow({ metrics: named('b') }), aWindow({ metrics: named('a') }))
    expect(Object.keys(merged.metrics ?? {})).toEqual(Object.keys(named('a')).sort())
    expect(WindowReport.safeParse(merged).success).toBe(true)
  })

  test('adds the agreement of a shadow, and never that with one primary to that with another', () => {
    const anAgreement = (primary: string) => ({
      pairs: 3,
      agreed: 2,
      outputs: { score: { count: 3, sum: -1, sumAbs: 5, sumSquares: 9 } },
      errors: { both: 0, onlyPrimary: 1, onlyCandidate: 2 },
      labels: { bothRight: 1, onlyPrimaryRight: 1, onlyCandidateRight: 0, bothWrong: 1 },
      dropped: 4,
      primary,
    })
    const a = aWindow({ role: 'shadow', agreement: anAgreement('a'.repeat(64)) })
    const b = aWindow({ role: 'shadow', agreement: anAgreement('b'.repeat(64)) })
    expect(mergeWindows(a, a).agreement).toEqual({
      pairs: 6,
      agreed: 4,
      outputs: { score: { count: 6, sum: -2, sumAbs: 10, sumSquares: 18 } },
      errors: { both: 0, onlyPrimary: 2, onlyCandidate: 4 },
      labels: { bothRight: 2, onlyPrimaryRight: 2, onlyCandidateRight: 0, bothWrong: 2 },
      dropped: 8,
      primary: 'a'.repeat(64),
    })
    expect(canMergeWindows(a, b)).toBe(false)
    expect(() => mergeWindows(a, b)).toThrow(RangeError)
  })

  test('keeps the later verdict, also past a window that has none', () => {
    const drift = (at: number, evidence: number) => ({
      state: 'healthy' as const,
      at,
      evidence,
      since: null,
      movements: [],
    })
    const early = aWindow({ from: 1, to: 2, drift: drift(1, 50) })
    const late = aWindow({ from: 3, to: 4, drift: drift(3, 2) })
    const interrupted = aWindow({ from: 5, to: 6, interrupted: true })
    const merged = mergeWindows(mergeWindows(early, interrupted), late)
    expect(merged.drift).toEqual(drift(3, 2))
    expect(mergeWindows(early, mergeWindows(late, interrupted)).drift).toEqual(drift(3, 2))
  })

  test('invents no labels, metrics, resources or verdict', () => {
    const merged = mergeWindows(aWindow(), aWindow())
    expect(Object.keys(merged)).not.toEqual(expect.arrayContaining(['labels']))
    expect('resources' in merged || 'drift' in merged || 'labels' in merged || 'metrics' in merged).toBe(false)
  })

  test.each<[string, Partial<WindowReport>]>([
    ['deployment', { deployment: 'other' }],
    ['role', { role: 'shadow' }],
    ['manifest', { manifest: 'cd'.repeat(32) }],
    ['generation', { generation: 2 }],
    ['scale of a feature', { features: { x: createColumnRecorder({ type: 'numeric', edges: [0] }).snapshot() } }],
  ])('is refused across another %s', (_, over) => {
    const a = aWindow({ features: { x: aColumn([1]) } })
    const b = aWindow({ features: { x: aColumn([1]) }, ...over })
    expect(canMergeWindows(a, a)).toBe(true)
    expect(canMergeWindows(a, b)).toBe(false)
    expect(() => mergeWindows(a, b)).toThrow(RangeError)
  })
})
