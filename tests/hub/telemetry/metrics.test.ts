// What applications measured, from the records of devices to the sums that telemetry shows.

import type { MetricSum, WindowReport } from '@roost/shared/protocol/records.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createIngest } from '../../../hub/telemetry/ingest.ts'
import { metricsByVersion } from '../../../hub/telemetry/metrics.ts'
import { aRecord, aWindow } from '../../builders/windows.ts'
import { aHub } from '../a-hub.ts'

const seed = 20261126
const epoch = '00000000000000aa'

const sumOf = (numbers: readonly number[]): MetricSum => ({
  count: numbers.length,
  sum: numbers.reduce((all, one) => all + one, 0),
  sumSquares: numbers.reduce((all, one) => all + one * one, 0),
  min: Math.min(...numbers),
  max: Math.max(...numbers),
})

async function anIngest() {
  const hub = await aHub()
  const ingest = createIngest({ database: hub.database, clock: hub.clock, log: hub.log, onEvent: () => [] })
  const taken = new Map<string, number>()
  const report = async (device: string, windows: readonly Partial<WindowReport>[]) => {
    const before = taken.get(device) ?? 0
    const records = windows.map((over, i) => aRecord(before + i + 1, aWindow({ counts: zero, ...over })))
    taken.set(device, before + windows.length)
    await ingest.take(device, { epoch, records })
    // an acknowledgement that was lost: the device sends the same again
    await ingest.take(device, { epoch, records })
  }
  return { hub, report, [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose]() }
}
const zero = { ok: 0, error: 0, refused: 0 }

test('sums are those of all numbers of all devices, each counted once, by version and name', async () => {
  const numbers = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 3 })
  const told = fc.record({
    device: fc.constantFrom('north-1', 'north-2'),
    version: fc.constantFrom(1, 2),
    values: fc.dictionary(fc.constantFrom('scrap', 'saved', 'constructor'), numbers, { maxKeys: 3 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(told, { minLength: 1, maxLength: 12 }), async (all) => {
      await using world = await anIngest()
      for (const { device, version, values } of all) {
        const metrics = Object.fromEntries(Object.entries(values).map(([name, some]) => [name, sumOf(some)]))
        const over = { version, manifest: (version === 1 ? 'a' : 'b').repeat(64) }
        await world.report(device, [{ ...over, metrics }, over])
      }
      const rows = all.flatMap(({ device, version, values }) =>
        Object.entries(values).map(([name, some]) => ({ device, version, name, some })),
      )
      const expected = [...Map.groupBy(rows, ({ version, name }) => `${9 - version} ${name}`)]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([, same]) => {
          const [{ version = 0, name = '' } = {}] = same
          const devices = new Set(same.map(({ device }) => device)).size
          const head = { model: 'vibration', version, deployment: 'vibration', name, devices }
          return [{ ...head, ...sumOf(same.flatMap(({ some }) => some)) }]
        })
      expect(await metricsByVersion(world.hub.database, { model: 'vibration' })).toEqual(expected)
      const ofOne = await metricsByVersion(world.hub.database, { devices: ['north-1'] })
      expect(ofOne.every(({ devices }) => devices === 1)).toBe(true)
    }),
    { seed, numRuns: 6 },
  )
})

test('a device that claims impossible numbers, or ever more names, costs the hub nothing', async () => {
  await using world = await anIngest()
  const huge = { count: Number.MAX_SAFE_INTEGER, sum: 9e306, sumSquares: 9e306, min: -9e306, max: 9e306 }
  for (let i = 0; i < 3; i++) await world.report('liar', [{ metrics: { scrap: huge } }])
  await world.report('liar', [{ metrics: { beyond: { ...huge, sum: 1e308 } } }])
  for (let i = 0; i < 8; i++) {
    const names = Array.from({ length: 16 }, (_, j) => [`m${i}-${j}`, sumOf([1])])
    await world.report('liar', [{ metrics: Object.fromEntries(names) }])
  }
  await world.report('liar', [{ metrics: { scrap: sumOf([1]) } }])
  const rows = await metricsByVersion(world.hub.database, {})
  expect(rows).toHaveLength(64)
  expect(rows.find(({ name }) => name === 'scrap')).toMatchObject({
    count: Number.MAX_SAFE_INTEGER,
    sum: 1e307,
    sumSquares: 1e307,
  })
})

test('what a shadow’s window claims is not what the primary brought', async () => {
  await using world = await anIngest()
  await world.report('north-1', [{ role: 'shadow', metrics: { scrap: sumOf([1]) } }])
  expect(await metricsByVersion(world.hub.database, {})).toEqual([])
})
