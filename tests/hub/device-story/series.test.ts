// A device's series: nothing is counted twice or lost within the time that is shown.

import { createLatencyRecorder } from '@roost/shared/sketch/latency.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type SeriesWindow, seriesOf } from '../../../hub/device-story/series.ts'

const seed = 20_261_126

function aSeriesWindow(over: Partial<SeriesWindow> = {}, latenciesUs: readonly number[] = []): SeriesWindow {
  const recorder = createLatencyRecorder()
  for (const us of latenciesUs) recorder.record(us)
  return {
    deployment: 'main',
    role: 'primary',
    model: 'm',
    version: 1,
    from: 0,
    to: 10,
    ok: latenciesUs.length,
    error: 0,
    refused: 0,
    latency: recorder.snapshot(),
    resources: undefined,
    ...over,
  }
}

test('adds up what lies within the time, step by step, version by version', () => {
  const window = fc
    .record({
      version: fc.integer({ min: 1, max: 3 }),
      role: fc.constantFrom('primary' as const, 'shadow' as const),
      to: fc.integer({ min: -50, max: 250 }),
      ok: fc.nat(100),
      error: fc.nat(5),
      resources: fc.option(fc.record({ rssBytes: fc.nat(1e6), cpuMs: fc.nat(10) }), { nil: undefined }),
    })
    .map((over) => aSeriesWindow({ ...over, from: over.to - 10 }))
  const scale = { from: 0, stepMs: 20, steps: 10 }
  fc.assert(
    fc.property(fc.array(window, { maxLength: 40 }), (windows) => {
      const series = seriesOf(windows, scale)
      const within = windows.filter(({ to }) => to >= 0 && to < 200)
      for (const key of ['ok', 'error', 'refused'] as const) {
        const shown = series.flatMap(({ points }) => points).reduce((sum, point) => sum + point[key], 0)
        expect(shown).toBe(within.reduce((sum, one) => sum + one[key], 0))
      }
      expect(new Set(series.map(({ role, version }) => `${role} ${version}`)).size).toBe(series.length)
      for (const { points } of series) {
        expect(points.map(({ at }) => at)).toEqual([...new Set(points.map(({ at }) => at))].sort((a, b) => a - b))
        for (const { at, cpuRatio } of points) {
          expect(at % 20).toBe(0)
          expect(cpuRatio === null || (cpuRatio >= 0 && cpuRatio <= 1)).toBe(true)
        }
      }
    }),
    { seed },
  )
})

test('latencies of a step are one distribution, memory its highest, processor time over the time that was told', () => {
  const [series] = seriesOf(
    [
      aSeriesWindow({ to: 10, resources: { rssBytes: 5, cpuMs: 5 } }, [100, 100, 100]),
      aSeriesWindow({ from: 10, to: 20, resources: { rssBytes: 9, cpuMs: 0 } }, [1_000]),
      aSeriesWindow({ from: 10, to: 15 }),
    ],
    { from: 0, stepMs: 100, steps: 1 },
  )
  const [point] = series?.points ?? []
  expect(point).toMatchObject({ at: 0, ok: 4, rssBytes: 9, cpuRatio: 0.25 })
  expect(Math.round((point?.p50Us ?? 0) / 10)).toBe(10)
  expect(seriesOf([aSeriesWindow()], { from: 0, stepMs: 100, steps: 1 })[0]?.points[0]).toMatchObject({
    p50Us: null,
    p99Us: null,
    rssBytes: null,
    cpuRatio: null,
  })
})
