// Telemetry and drift over HTTP: a real database, real baselines, reports taken in as devices send them.

import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DriftReport } from '../../../hub/telemetry/drift/report.ts'
import { createIngest } from '../../../hub/telemetry/ingest.ts'
import { expire } from '../../../hub/telemetry/retention.ts'
import { Totals, totals } from '../../../hub/telemetry/windows.ts'
import { aRecord, aWindow } from '../../builders/windows.ts'
import { aHub } from '../a-hub.ts'
import { aWatchingHub, report, rowsPerWindow } from './a-watching-hub.ts'

const Telemetry = z.object({
  metrics: z.array(z.unknown()),
  totals: Totals,
  versions: z.array(z.looseObject({ version: z.number(), ok: z.number() })),
  windows: z.array(z.looseObject({ device: z.string() })),
  next: z.string().nullable(),
})

test('a device, a group and a model are judged by their own data, pooled', async () => {
  await using watching = await aWatchingHub()
  const { hub, digest, get } = watching
  for (const device of ['north-1', 'north-2']) await report(hub, digest, device, 20, 0)
  for (const device of ['south-1', 'south-2']) await report(hub, digest, device, 20, 1)
  const verdictOf = async (path: string) => DriftReport.parse((await get(path)).body)

  expect((await verdictOf('/v1/devices/north-1/drift')).verdict).toMatchObject({ state: 'healthy', movements: [] })
  const south = await verdictOf('/v1/devices/south-1/drift')
  expect(south).toMatchObject({
    model: 'vibration',
    version: 1,
    devices: 1,
    windows: 20,
    verdict: { state: 'drifted' },
  })
  const place = south.verdict.movements.find(({ chart }) => chart === 'place')
  expect(place).toMatchObject({ column: 'x', direction: 'up' })
  expect(place?.size).toBeGreaterThan(0.6)
  expect(south.columns[0]?.psi).toBeGreaterThan(0.2)
  expect(south.columns[0]?.current.bins.reduce((sum, count) => sum + count, 0)).toBe(20 * rowsPerWindow)

  expect((await verdictOf('/v1/groups/north/drift')).verdict.state).toBe('healthy')
  expect(await verdictOf('/v1/groups/south/drift')).toMatchObject({
    devices: 2,
    windows: 40,
    verdict: { state: 'drifted' },
  })
  expect(await verdictOf('/v1/models/vibration/drift')).toMatchObject({ devices: 4, windows: 80 })
})

test.each([
  ['at 1970', () => 0],
  ['at 2100', () => Date.UTC(2100, 0, 1)],
  ['a hundred days late', (now: number) => now - 100 * 86_400_000],
])('a gateway whose clock is %s hides nothing of what the others see', async (_, clockOf) => {
  await using watching = await aWatchingHub()
  const { hub, digest, get } = watching
  const now = hub.clock()
  const firstMs = now - 60 * 60_000
  // half a standard deviation, in the last ten minutes of an hour
  const late = (window: number) => (window < 50 ? 0 : 0.5)
  for (const device of ['south-1', 'south-2', 'north-2']) await report(hub, digest, device, 60, late, firstMs)
  const driftOf = async () => DriftReport.parse((await get('/v1/models/vibration/drift')).body)
  const { verdict: before } = await driftOf()
  expect(before.state).toBe('drifted')
  const drifts = firstMs + 50 * 60_000
  expect(Math.abs((before.since ?? 0) - drifts)).toBeLessThanOrEqual(60_000)

  await report(hub, digest, 'north-1', 60, 0, clockOf(now))
  const { verdict: after } = await driftOf()
  expect(after.state).toBe('drifted')
  expect(Math.abs((after.since ?? 0) - drifts)).toBeLessThanOrEqual(2 * 60_000)
})

test('counts add up over pages and stay when the reports expire', async () => {
  await using watching = await aWatchingHub()
  const { hub, digest, get } = watching
  await report(hub, digest, 'north-1', 7, 0)
  await report(hub, digest, 'south-1', 4, 0)
  const page = async (path: string) => Telemetry.parse((await get(path)).body)

  const expected = { ok: 11 * rowsPerWindow, error: 11, refused: 22, windows: 11, devices: 2, falsePositive: 22 }
  let cursor: string | null = ''
  let seen = 0
  while (cursor !== null) {
    const found: z.infer<typeof Telemetry> = await page(
      `/v1/models/vibration/telemetry?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`,
    )
    expect(found.totals).toMatchObject(expected)
    seen += found.windows.length
    cursor = found.next
  }
  expect(seen).toBe(11)
  expect((await page('/v1/groups/north/telemetry')).totals).toMatchObject({ ok: 7 * rowsPerWindow, devices: 1 })

  await expire({ ...hub, clock: () => hub.clock() + hub.config.windowsKeptMs + 1_000 })
  const after = await page('/v1/models/vibration/telemetry')
  expect(after.windows).toEqual([])
  expect(after.totals).toMatchObject(expected)
})

describe('a device that reports what it likes', () => {
  const epoch = '00000000000000bb'
  const most = Number.MAX_SAFE_INTEGER

  test('cannot keep the reports of others out, nor their sums from being read', async () => {
    await using watching = await aWatchingHub()
    const { hub, digest, get } = watching
    const ingest = createIngest({ database: hub.database, clock: hub.clock, log: hub.log, onEvent: () => [] })
    const latency = { bins: [[7, most] satisfies [number, number]], count: most, sumUs: Number.MAX_VALUE }
    const counts = { ok: most, error: most, refused: most }
    // enough of them that a sum of 64 bits would not hold it
    const huge = Array.from({ length: 1_024 }, (_, i) =>
      aRecord(i + 1, { ...aWindow({ manifest: digest }), counts, latency, windows: most }),
    )
    const batches = [
      ingest.take('north-1', { epoch, records: huge }),
      ingest.take('north-2', { epoch, records: [aRecord(1, aWindow({ manifest: digest }))] }),
      ingest.take('south-1', { epoch, records: huge }),
    ]
    expect(await Promise.allSettled(batches)).toEqual([
      { status: 'fulfilled', value: 1_024 },
      { status: 'fulfilled', value: 1 },
      { status: 'fulfilled', value: 1_024 },
    ])
    const totalsAt = async (path: string) => Telemetry.parse((await get(path)).body).totals
    expect(await totalsAt('/v1/devices/north-2/telemetry')).toMatchObject({ ok: 100, windows: 1 })
    expect(await totalsAt('/v1/devices/north-1/telemetry')).toMatchObject({ ok: most, windows: most })
    expect(await totalsAt('/v1/models/vibration/telemetry')).toMatchObject({ ok: most, error: most, devices: 3 })
  })

  test('and cannot be committed costs the others in the same commit nothing', async () => {
    await using hub = await aHub()
    const onEvent = (device: string) => (device === 'north-1' ? [{ sql: 'INSERT INTO no_such_table VALUES (1)' }] : [])
    const ingest = createIngest({ database: hub.database, clock: hub.clock, log: hub.log, onEvent })
    const started = { kind: 'event', event: 'started', at: 1, detail: '' } as const
    const batches = ['north-2', 'north-1', 'south-1'].map((device) =>
      ingest.take(device, { epoch, records: [aRecord(1, aWindow()), aRecord(2, started)] }),
    )
    expect(await Promise.allSettled(batches)).toMatchObject([
      { status: 'fulfilled', value: 2 },
      { status: 'rejected' },
      { status: 'fulfilled', value: 2 },
    ])
    expect((await totals(hub.database, {})).ok).toBe(200)
    expect(await ingest.highWaterMark('north-1', epoch)).toBe(0)
  })

  test('gets no time past that of a Date into the events', async () => {
    await using watching = await aWatchingHub()
    const { hub, get } = watching
    const ingest = createIngest({ database: hub.database, clock: hub.clock, log: hub.log, onEvent: () => [] })
    const at = (time: number) => ({ kind: 'event', event: 'started', at: time, detail: '' }) as const
    const times = [8_640_000_000_000_000, 8_640_000_000_000_001, most]
    await ingest.take('north-1', { epoch, records: times.map((time, i) => aRecord(i + 1, at(time))) })
    expect(await get('/v1/devices/north-1/events')).toMatchObject({
      status: 200,
      body: { events: [{ event: 'unreadable' }, { event: 'unreadable' }, { event: 'started' }] },
    })
  })

  test('cannot keep a model from being judged by the others', async () => {
    await using watching = await aWatchingHub()
    const { hub, digest, get } = watching
    for (const device of ['south-1', 'south-2']) await report(hub, digest, device, 20, 1)
    const before = DriftReport.parse((await get('/v1/models/vibration/drift')).body)
    const column = { bins: [1, 2, 3], missing: 0, min: 0, max: 1, sum: 1, sumSquares: 1 }
    const lies: Partial<WindowReport>[] = [
      { features: { x: column } },
      { features: { y: column, constructor: column }, outputs: { x: column } },
      { features: Object.fromEntries([['__proto__', column]]) },
      { manifest: 'ff'.repeat(32), version: 99 },
    ]
    const ingest = createIngest({ database: hub.database, clock: hub.clock, log: hub.log, onEvent: () => [] })
    const records = lies.map((lie, i) =>
      aRecord(i + 1, aWindow({ manifest: digest, from: 1_000_000, to: 1_000_001, ...lie })),
    )
    await ingest.take('north-1', { epoch, records })
    const after = DriftReport.parse((await get('/v1/models/vibration/drift')).body)
    expect(after.verdict).toEqual(before.verdict)
    expect(after.columns).toEqual(before.columns)
  })
})

test.each([
  ['/v1/devices/nobody/telemetry', 404, 'not-found'],
  ['/v1/devices/nobody/events', 404, 'not-found'],
  ['/v1/groups/nobody/drift', 404, 'not-found'],
  ['/v1/models/nothing/drift', 404, 'not-found'],
  ['/v1/devices/north-1/drift', 404, 'no-drift-yet'],
  ['/v1/devices/north-1/telemetry?limit=0', 422, 'invalid-request'],
  ['/v1/devices/north-1/telemetry?cursor=rubbish', 422, 'invalid-request'],
  ['/v1/devices/..%2fx/telemetry', 404, 'not-found'],
])('%s is answered with %i %s', async (path, status, code) => {
  await using watching = await aWatchingHub()
  expect(await watching.get(path)).toMatchObject({ status, body: { code } })
})
