// The heat map of drift and the devices that differ, over HTTP: a real database, reports taken in as devices send them.

import { expect, test } from 'vitest'
import { DriftDevices } from '../../../../hub/telemetry/drift/devices.ts'
import { DriftHeatMap } from '../../../../hub/telemetry/drift/heat-map.ts'
import { DriftReport } from '../../../../hub/telemetry/drift/report.ts'
import { aWatchingHub, report, rowsPerWindow } from '../a-watching-hub.ts'

const hourMs = 3_600_000
const iso = (ms: number) => new Date(ms).toISOString()

/** An hour of windows, one a minute, up to now; one device at a site moves by a deviation after the first half. */
async function aDriftingHub() {
  const watching = await aWatchingHub()
  const firstMs = watching.hub.clock() - hourMs - 1_000
  const { hub, digest } = watching
  await report(hub, digest, 'north-1', 60, 0, firstMs)
  await report(hub, digest, 'south-1', 60, 0, firstMs)
  await report(hub, digest, 'south-2', 60, (window) => (window < 30 ? 0 : 1), firstMs)
  const mapOf = async (path: string) => DriftHeatMap.parse((await watching.get(path)).body)
  return { ...watching, firstMs, mapOf, [Symbol.asyncDispose]: () => watching[Symbol.asyncDispose]() }
}

test('a heat map has every window once, its verdict is the one without time, and no data is no zero', async () => {
  await using watching = await aDriftingHub()
  const { get, mapOf, firstMs } = watching
  for (const subject of ['devices/north-1', 'devices/south-2', 'groups/south', 'models/vibration']) {
    const map = await mapOf(`/v1/${subject}/drift/heat-map`)
    const now = DriftReport.parse((await get(`/v1/${subject}/drift`)).body)
    expect(map.verdict).toEqual(now.verdict)
    expect(map.isSample).toBe(false)
    expect(map.windows).toBe(now.windows)
    expect(map.steps.reduce((sum, { windows }) => sum + windows, 0)).toBe(now.windows)
    const [x] = map.columns
    expect(x?.present.reduce((sum, count) => sum + count, 0)).toBe(now.windows * rowsPerWindow)
    expect(map.steps.reduce((sum, { labels }) => sum + labels.falsePositive, 0)).toBe(2 * now.windows)
  }
  const moved = await mapOf('/v1/devices/south-2/drift/heat-map')
  const states = moved.steps.map(({ verdict }) => verdict?.state)
  expect(states.slice(0, states.length / 3)).not.toContain('drifted')
  expect(states.at(-1)).toBe('drifted')
  expect(moved.columns[0]?.psi.at(-1)).toBeGreaterThan(0.5)
  expect(moved.columns[0]?.psi[0]).toBeLessThan(0.2)

  // two hours before anything was reported: drawn as nothing, not as healthy
  const from = iso(firstMs - 2 * hourMs)
  const wide = await mapOf(`/v1/groups/south/drift/heat-map?from=${from}&stepSeconds=600`)
  expect(wide.steps[0]).toMatchObject({
    from: iso(Math.floor((firstMs - 2 * hourMs) / 600_000) * 600_000),
    windows: 0,
    verdict: null,
  })
  expect(wide.columns[0]).toMatchObject({ column: 'x', kind: 'feature' })
  expect(wide.columns[0]?.psi[0]).toBeNull()
  expect(wide.columns[0]?.present[0]).toBe(0)
})

test('a step’s distributions are the report of that stretch of time, and all steps add up to the whole', async () => {
  await using watching = await aDriftingHub()
  const { get, mapOf } = watching
  const map = await mapOf('/v1/groups/south/drift/heat-map?stepSeconds=600')
  const [x] = map.columns
  const reportOf = async (from: string, to: string) =>
    DriftReport.parse((await get(`/v1/groups/south/drift?from=${from}&to=${to}`)).body)
  const parts = await Promise.all(
    map.steps.map(({ from }) => reportOf(from, iso(Date.parse(from) + map.stepSeconds * 1_000))),
  )
  for (const [n, part] of parts.entries()) {
    expect(part.windows).toBe(map.steps[n]?.windows)
    expect(part.columns[0]?.psi).toBeCloseTo(x?.psi[n] ?? Number.NaN, 3)
  }
  const whole = await reportOf(map.from, map.to)
  const bins = parts.map(({ columns }) => columns[0]?.current.bins ?? [])
  expect(whole.columns[0]?.current.bins).toEqual(
    whole.columns[0]?.current.bins.map((_, i) => bins.reduce((sum, part) => sum + (part[i] ?? 0), 0)),
  )
})

test('the device that differs comes first, apart from the baseline and from the others', async () => {
  await using watching = await aDriftingHub()
  const { get, firstMs } = watching
  const [from, to] = [iso(firstMs + 40 * 60_000), iso(firstMs + hourMs)]
  const found = DriftDevices.parse(
    (await get(`/v1/models/vibration/drift/devices?column=x&from=${from}&to=${to}&measure=wasserstein`)).body,
  )
  expect(found.devices).toEqual({ ran: 3, read: 3, told: 3, drifted: 0 })
  expect(found.ranked.map(({ device }) => device)[0]).toBe('south-2')
  const [first, second] = found.ranked
  expect(first?.wasserstein).toBeGreaterThan(0.7)
  expect(first?.fromOthers).toBeGreaterThan(2 * (second?.jensenShannon ?? 1))
  const before = DriftDevices.parse(
    (await get(`/v1/groups/south/drift/devices?column=x&from=${iso(firstMs)}&to=${iso(firstMs + 25 * 60_000)}`)).body,
  )
  for (const { psi } of before.ranked) expect(psi).toBeLessThan(0.1)
  expect(before.devices).toMatchObject({ ran: 2, told: 2 })
})

test.each([
  ['/v1/groups/south/drift/heat-map?stepSeconds=1', 422, 'too-many-steps'],
  ['/v1/groups/south/drift/heat-map?stepSeconds=0', 422, 'invalid-request'],
  ['/v1/groups/south/drift/heat-map?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 422, 'invalid-request'],
  ['/v1/groups/south/drift?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 422, 'invalid-request'],
  ['/v1/groups/south/drift?from=2020-01-02T00:00:00Z&to=2020-01-03T00:00:00Z', 404, 'no-drift-yet'],
  ['/v1/devices/north-2/drift/heat-map', 404, 'no-drift-yet'],
  ['/v1/groups/nobody/drift/heat-map', 404, 'not-found'],
  ['/v1/groups/south/drift/devices?column=x', 422, 'invalid-request'],
  [
    '/v1/groups/south/drift/devices?column=__proto__&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z',
    404,
    'no-drift-yet',
  ],
  [
    '/v1/groups/south/drift/devices?column=x&limit=51&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z',
    422,
    'invalid-request',
  ],
])('%s is answered with %i %s', async (path, status, code) => {
  await using watching = await aWatchingHub()
  await report(watching.hub, watching.digest, 'south-1', 40, 0)
  expect(await watching.get(path)).toMatchObject({ status, body: { code } })
})
