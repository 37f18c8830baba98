// A token for some models, at routes that are not of one model: what a device runs and reports of the others is not in
// the answers, nor are the bytes of their bundles.

import { DeviceEvent } from '@roost/shared/protocol/records.ts'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../hub/app.ts'
import { storeWishes } from '../../../hub/fleet/desired.ts'
import { progressStatements } from '../../../hub/fleet/progress.ts'
import { fleetRoutes } from '../../../hub/fleet/routes.ts'
import { insertToken, makeToken } from '../../../hub/governance/tokens.ts'
import { createRegistrar } from '../../../hub/registry/registrar.ts'
import { registryRoutes } from '../../../hub/registry/routes.ts'
import { createIngest } from '../../../hub/telemetry/ingest.ts'
import { telemetryRoutes } from '../../../hub/telemetry/routes.ts'
import { aRecord, aWindow } from '../../builders/windows.ts'
import { aFleet, aFleetHub, anEnrolledDevice, aRelease } from '../fleet/a-fleet.ts'
import { doubling } from '../registry/an-upload.ts'

/** A device that runs, shall run, and reports one model of `mine` and one of `theirs`. */
async function aSharedDevice() {
  const hub = await aFleetHub()
  const fleet = await aFleet(hub)
  const app = createApp(hub, [
    fleetRoutes(hub, fleet),
    telemetryRoutes(hub),
    registryRoutes(hub, createRegistrar(hub, doubling)),
  ])
  const { device } = await anEnrolledDevice(hub, 'gw-1', { labels: { site: 'north' } })
  const releases = {
    mine: await aRelease(hub, 'press-mine', new Uint8Array(1000).fill(1)),
    theirs: await aRelease(hub, 'theirs', new Uint8Array(1000).fill(2)),
  }
  const ingest = createIngest({
    database: hub.database,
    clock: hub.clock,
    log: hub.log,
    onEvent: (device, event) => progressStatements(device, event, hub.clock()),
  })
  const bodies = Object.entries(releases).flatMap(([deployment, { manifest, version }]) => [
    DeviceEvent.parse({
      kind: 'event',
      event: 'progress',
      at: 1,
      deployment,
      manifest,
      generation: 1,
      attempt: 1,
      state: 'succeeded',
    }),
    aWindow({
      deployment,
      manifest,
      version,
      model: deployment === 'mine' ? 'press-mine' : 'theirs',
      metrics: { scrap: { count: 1, sum: 1, sumSquares: 1, min: 1, max: 1 } },
    }),
  ])
  await ingest.take(device, { epoch: '00000000000000aa', records: bodies.map((body, i) => aRecord(i + 1, body)) })
  const wishes = Object.entries(releases).map(([deployment, { manifest }]) => ({
    device,
    deployment,
    manifest,
    by: 'test',
  }))
  await storeWishes(hub.database, wishes, hub.clock())
  await hub.database.write([
    {
      sql: `INSERT INTO device_groups (name, query, description, created_by, created_at, changed_at)
            VALUES ('north', 'site = north', '', 'test', 0, 0)`,
    },
  ])
  const asking = async (models: string[] | null) => {
    const made = makeToken(hub.random)
    const row = { name: 'test', role: 'operator' as const, createdBy: 'test', createdAt: 0, expiresAt: undefined }
    await hub.database.write([insertToken(made, { ...row, models })])
    return async (path: string, init: RequestInit = {}) => {
      const headers = { authorization: `Bearer ${made.token}`, 'content-type': 'application/json' }
      const response = await app.request(path, { ...init, headers })
      return { status: response.status, text: await response.text() }
    }
  }
  return { releases, asking }
}

const shared = [
  '/v1/devices/gw-1',
  '/v1/devices/gw-1/telemetry',
  '/v1/devices/gw-1/events',
  '/v1/groups/north/telemetry',
  '/v1/groups/north/devices',
]

test('what is of other models is left out, and all is there for who may see all', async () => {
  const { releases, asking } = await aSharedDevice()
  const all = await asking(null)
  const some = await asking(['press-*'])
  const none = await asking(['elsewhere'])
  const { mine, theirs } = releases
  for (const path of shared.slice(0, 4)) {
    const [full, part, nothing] = [await all(path), await some(path), await none(path)]
    expect([full.status, part.status, nothing.status], path).toEqual([200, 200, 200])
    for (const digest of [mine.manifest, theirs.manifest]) expect(full.text, path).toContain(digest)
    expect(part.text, path).toContain(mine.manifest)
    expect(part.text, path).not.toMatch(new RegExp(`theirs|${theirs.manifest}`))
    expect(nothing.text, path).not.toMatch(new RegExp(`mine|theirs|${mine.manifest}|${theirs.manifest}`))
  }
  for (const path of shared) expect((await some(path)).text, path).not.toContain('theirs')
  const totals = async (ask: typeof all) => JSON.parse((await ask('/v1/devices/gw-1/telemetry')).text).totals.ok
  expect([await totals(all), await totals(some), await totals(none)]).toEqual([200, 100, 0])
})

test('the fleet is told by model to who may see the model, and names what serves there', async () => {
  const { asking } = await aSharedDevice()
  const [all, some] = [await asking(null), await asking(['press-*'])]
  const Told = z.object({ total: z.number(), serving: z.array(z.object({ model: z.string(), devices: z.number() })) })
  const told = async (ask: typeof all, path: string) => Told.parse(JSON.parse((await ask(path)).text))
  expect(await told(all, '/v1/fleet?model=theirs')).toEqual({ total: 1, serving: [{ model: 'theirs', devices: 1 }] })
  expect(await told(some, '/v1/fleet?model=press-mine&version=1')).toEqual({
    total: 1,
    serving: [{ model: 'press-mine', devices: 1 }],
  })
  expect(await told(all, '/v1/fleet?model=press-mine&version=2')).toEqual({ total: 0, serving: [] })
  expect((await some('/v1/fleet?model=theirs')).status).toBe(403)
})

test('drift is judged of the models that may be seen, whatever reported last', async () => {
  const { asking } = await aSharedDevice()
  for (const subject of ['devices/gw-1', 'groups/north']) {
    const answer = await (await asking(['elsewhere']))(`/v1/${subject}/drift`)
    expect(answer).toMatchObject({ status: 404, text: expect.stringContaining('no-drift-yet') })
  }
})

test('what a change answers of a device leaves it out, too', async () => {
  const { releases, asking } = await aSharedDevice()
  const some = await asking(['press-*'])
  const body = JSON.stringify({ model: 'press-mine', version: releases.mine.version })
  const put = await some('/v1/devices/gw-1/desired/mine', { method: 'PUT', body })
  expect(put.status).toBe(200)
  expect(put.text).toContain(releases.mine.manifest)
  expect(put.text).not.toContain('theirs')
  expect((await some('/v1/devices/gw-1/desired/theirs', { method: 'PUT', body })).status).toBe(403)
})

test('a blob is there for who may see a model whose bundle carries it, and is not there for others', async () => {
  const { releases, asking } = await aSharedDevice()
  const [all, some] = [await asking(null), await asking(['press-*'])]
  const at = ({ blob }: { blob: string }) => `/v1/blobs/${blob}`
  expect((await all(at(releases.theirs))).status).toBe(200)
  expect((await some(at(releases.mine))).status).toBe(200)
  const hidden = await some(at(releases.theirs))
  const missing = await some(at({ blob: 'f'.repeat(64) }))
  expect([hidden.status, missing.status]).toEqual([404, 404])
  // not even that it is there
  const told = ({ text }: { text: string }) => ({ ...JSON.parse(text), requestId: '', detail: '' })
  expect(told(hidden)).toEqual(told(missing))
})
