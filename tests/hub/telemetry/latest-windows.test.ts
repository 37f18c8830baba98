// The newest windows, as they are found by seeks, are those that reading them all finds.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createIngest } from '../../../hub/telemetry/ingest.ts'
import { type LatestLimits, type LatestRange, latestWindows } from '../../../hub/telemetry/latest-windows.ts'
import { StoredWindowRow, type WindowFilter, windowOf } from '../../../hub/telemetry/windows.ts'
import { aRecord, aWindow } from '../../builders/windows.ts'
import { aHub } from '../a-hub.ts'

const devices = ['d-1', 'd-2', 'd-3', 'd-4', 'd-5']
const bundles = [
  { model: 'm', version: 1, manifest: 'a'.repeat(64), deployment: 'm' },
  { model: 'm', version: 2, manifest: 'b'.repeat(64), deployment: 'm' },
  { model: 'm', version: 2, manifest: 'b'.repeat(64), deployment: 'second' },
  { model: 'n', version: 1, manifest: 'c'.repeat(64), deployment: 'm' },
  // a device may claim what it likes
  { model: 'n', version: 2, manifest: 'a'.repeat(64), deployment: 'm' },
] as const
const firstMs = 1_000_000
const count = 300

const one = <T>(of: readonly T[]) => fc.constantFrom(...of)
const filter = fc
  .record(
    {
      role: one(['primary', 'shadow'] as const),
      devices: fc.subarray([...devices, 'nobody']),
      deployment: one(['m', 'second', 'none']),
      model: one(['m', 'n', 'none']),
      models: fc.subarray(['m', 'n']),
      version: one([1, 2, 3]),
      manifest: one(['a', 'b', 'd'].map((letter) => letter.repeat(64))),
    },
    { requiredKeys: [] },
  )
  .map((filter): WindowFilter => filter)
const range = fc
  .record(
    {
      before: fc.integer({ min: 1, max: count + 1 }),
      sinceMs: fc.integer({ min: firstMs - 5, max: firstMs + count + 5 }),
    },
    { requiredKeys: [] },
  )
  .chain((range) => fc.integer({ min: 1, max: 20 }).map((limit): LatestRange => ({ ...range, limit })))
const limits = fc.record({ fewDevices: fc.integer({ min: 0, max: 6 }), walkedMax: fc.integer({ min: 1, max: 40 }) })

const fits = (wanted: WindowFilter, { device, report }: ReturnType<typeof windowOf>): boolean =>
  (wanted.devices?.includes(device) ?? true) &&
  (wanted.models?.includes(report.model) ?? true) &&
  (['role', 'deployment', 'model', 'version', 'manifest'] as const).every(
    (key) => wanted[key] === undefined || wanted[key] === report[key],
  )

test('they are those that reading all finds, newest first, however they are looked for', async () => {
  await using hub = await aHub()
  let now = firstMs
  const ingest = createIngest({ database: hub.database, clock: () => now, log: hub.log, onEvent: () => [] })
  const draws = fc.sample(fc.record({ device: one(devices), bundle: one(bundles), shadow: fc.boolean() }), {
    seed: 11,
    numRuns: count,
  })
  const seqs = new Map<string, number>()
  for (const { device, bundle, shadow } of draws) {
    now += 1
    const seq = (seqs.get(device) ?? 0) + 1
    seqs.set(device, seq)
    const window = aWindow({ ...bundle, role: shadow ? 'shadow' : 'primary', from: now - 2, to: now - 1 })
    await ingest.take(device, { epoch: '00000000000000aa', records: [aRecord(seq, window)] })
  }
  const rows = await hub.database.all(StoredWindowRow, 'SELECT id, device, received_at, body FROM window_reports')
  const stored = rows.map(windowOf).sort((a, b) => b.id - a.id)
  expect(stored).toHaveLength(count)

  const holds = async (wanted: WindowFilter, asked: LatestRange, bounds: LatestLimits) => {
    const { before = count + 1, sinceMs = 0, limit } = asked
    const expected = stored
      .filter((window) => window.id < before && window.receivedAt >= sinceMs && fits(wanted, window))
      .slice(0, limit)
    const found = await latestWindows(hub.database, wanted, asked, bounds)
    expect(found.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
    expect(found).toEqual(expected)
  }
  await fc.assert(fc.asyncProperty(filter, range, limits, holds), { seed: 12, numRuns: 400 })
  // each device is asked, and more of them than reports are wanted
  const asked = fc.integer({ min: 1, max: 4 }).map((limit) => ({ limit }))
  const some = fc.record({ devices: fc.subarray([...devices, 'nobody'], { minLength: 2 }) })
  await fc.assert(fc.asyncProperty(some, asked, fc.constant({ fewDevices: 6, walkedMax: 1 }), holds), {
    seed: 13,
    numRuns: 40,
  })
})
