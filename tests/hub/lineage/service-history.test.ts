// What a device served, out of what it reported: by example, for any reports, and over HTTP.

import type { ProgressState } from '@roost/shared/protocol/progress.ts'
import { progressStates } from '@roost/shared/protocol/progress.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createApp } from '../../../hub/app.ts'
import { History } from '../../../hub/lineage/documents.ts'
import { lineageRoutes } from '../../../hub/lineage/routes.ts'
import { type Progress, serviceHistory } from '../../../hub/lineage/service-history.ts'
import { asStarted, readAs } from '../a-hub.ts'
import { aHistory } from './a-history.ts'

const seed = 42
console.log(`service history: seed ${seed}`)

const reports = (...said: readonly [manifest: string, state: ProgressState][]): Progress[] =>
  said.map(([manifest, state], i) => ({ at: 10 * (i + 1), deployment: 'main', manifest, state }))
const shown = (services: ReturnType<typeof serviceHistory>) =>
  services.map(({ manifest, from, to, ended }) => [manifest, from, to, ended])

describe('a service', () => {
  test('lasts from probation until another takes its place', () => {
    const said = reports(
      ['1', 'downloading'],
      ['1', 'probation'],
      ['1', 'succeeded'],
      ['2', 'staged'],
      ['2', 'probation'],
    )
    expect(shown(serviceHistory(said))).toEqual([
      ['1', 20, 50, 'replaced'],
      ['2', 50, null, null],
    ])
  })
  test('comes back where the one after it is rolled back', () => {
    const said = reports(['1', 'succeeded'], ['2', 'probation'], ['2', 'rolled_back'])
    expect(shown(serviceHistory(said))).toEqual([
      ['1', 10, 20, 'replaced'],
      ['2', 20, 30, 'rolled_back'],
      ['1', 30, null, null],
    ])
  })
  test('is none where a bundle failed before it served', () => {
    expect(serviceHistory(reports(['1', 'downloading'], ['1', 'failed']))).toEqual([])
  })
})

test('services of a deployment follow each other, whatever a device says', () => {
  const Report: fc.Arbitrary<Progress> = fc.record({
    at: fc.nat(1_000),
    deployment: fc.constantFrom('main', 'side'),
    manifest: fc.constantFrom('1', '2', '3'),
    state: fc.constantFrom(...progressStates),
  })
  fc.assert(
    fc.property(fc.array(Report, { maxLength: 60 }), (said) => {
      for (const ofOne of Map.groupBy(serviceHistory(said), ({ deployment }) => deployment).values()) {
        expect(ofOne.filter(({ to }) => to === null).length).toBeLessThanOrEqual(1)
        for (const [i, service] of ofOne.entries()) {
          expect(service.to ?? service.from).toBeGreaterThanOrEqual(service.from)
          expect(service.to === null).toBe(service.ended === null)
          if (i + 1 < ofOne.length) expect(service.to).not.toBeNull()
        }
      }
    }),
    { seed, numRuns: 500 },
  )
})

test('over HTTP it names versions, and what is left of services whose events have expired', async () => {
  await using hub = await aHistory()
  const event = (at: number, manifest: string, state: ProgressState) => ({
    sql: `INSERT INTO device_events (device, at, received_at, event, body) VALUES ('d-2', ?, ?, 'progress', ?)`,
    args: [at, at, JSON.stringify({ kind: 'event', event: 'progress', at, deployment: 'main', manifest, state })],
  })
  await hub.database.write([
    event(1_000, 'vibration-2-int8', 'probation'),
    event(2_000, 'vibration-2-int8', 'succeeded'),
    event(3_000, 'of-another-hub', 'probation'),
  ])
  const app = createApp(asStarted(hub), [lineageRoutes(hub)])
  const headers = { authorization: `Bearer ${await hub.tokenOf('viewer')}` }
  const history = await readAs(History, app.request('/v1/lineage/devices/d-2/history', { headers }))
  expect(history.services.map(({ version, variant, source, ended }) => [version, variant, source, ended])).toEqual([
    ['vibration/1', 'fp32', 'record', null],
    ['vibration/2', 'int8', 'events', 'replaced'],
    [null, null, 'events', null],
  ])
  expect((await app.request('/v1/lineage/devices/nobody/history', { headers })).status).toBe(404)
})
