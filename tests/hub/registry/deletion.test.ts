// Deleting hides a version, or a model, unless somebody uses it; numbers are never given out again.

import { expect, test } from 'vitest'
import { deleteVersion } from '../../../hub/registry/deletion.ts'
import { releasedVersion } from '../../../hub/registry/store.ts'
import { aHub } from '../a-hub.ts'
import { aFleet, aFleetHub, anEnrolledDevice } from '../fleet/a-fleet.ts'
import { aRegistry, recorded } from './a-registry.ts'

const one = '/v1/models/scale/versions/1'
const other = { metadata: { window: { seconds: 7 } } }

test('a deleted version is nowhere, its number stays taken, and it comes back as it was but for its aliases', async () => {
  await using hub = await aHub()
  const { ask, register } = await aRegistry(hub)
  await register({ metadata: { tags: { a: 'b' } } })
  await ask('ci', 'PUT', '/v1/models/scale/aliases/champion', { version: 1 })
  expect((await ask('ci', 'DELETE', one)).status).toBe(204)
  expect((await ask('ci', 'DELETE', one)).status).toBe(404)
  for (const path of [one, `${one}/manifest`, `${one}/signature`, '/v1/models/scale/versions/@champion']) {
    expect((await ask('viewer', 'GET', path)).status).toBe(404)
  }
  expect((await ask('ci', 'PATCH', one, {}, { 'if-match': '*' })).status).toBe(404)
  expect((await ask('ci', 'PUT', '/v1/models/scale/aliases/champion', { version: 1 })).status).toBe(404)
  expect((await ask('viewer', 'GET', '/v1/models/scale/versions')).body).toMatchObject({ versions: [] })
  expect((await ask('viewer', 'GET', '/v1/models/scale/versions?deleted=true')).body).toMatchObject({
    versions: [{ version: 1, deletedAt: expect.any(String) }],
  })
  expect(await releasedVersion(hub.database, 'scale', 1, 'any')).toBeUndefined()
  await expect(register({ metadata: { tags: { a: 'b' } } })).rejects.toThrow()
  expect(await register(other)).toMatchObject({ version: 2, counter: 2 })
  expect(await ask('ci', 'POST', `${one}/restore`)).toMatchObject({
    status: 200,
    body: { version: 1, tags: { a: 'b' }, aliases: [], deletedAt: null },
  })
  expect((await ask('ci', 'POST', `${one}/restore`)).status).toBe(404)
  expect((await releasedVersion(hub.database, 'scale', 1, 'any'))?.manifest.version).toBe(1)
  expect((await recorded(hub)).map(([action]) => action)).toEqual([
    'version.register',
    'alias.set',
    'version.delete',
    'version.register',
    'version.restore',
  ])
})

test('a deleted model is nowhere, its name stays taken, and it comes back whole', async () => {
  await using hub = await aHub()
  const { ask, register } = await aRegistry(hub)
  await register()
  await ask('ci', 'PUT', '/v1/models/scale/aliases/champion', { version: 1 })
  expect((await ask('ci', 'DELETE', '/v1/models/scale')).status).toBe(204)
  for (const path of ['/v1/models/scale', one, '/v1/models/scale/versions', '/v1/models/scale/aliases']) {
    expect((await ask('viewer', 'GET', path)).status).toBe(404)
  }
  expect((await ask('viewer', 'GET', '/v1/models')).body).toMatchObject({ models: [] })
  expect((await ask('viewer', 'GET', '/v1/models?deleted=true')).body).toMatchObject({ models: [{ name: 'scale' }] })
  expect(await releasedVersion(hub.database, 'scale', 1, 'any')).toBeUndefined()
  await expect(register(other)).rejects.toThrow()
  expect(await ask('ci', 'POST', '/v1/models', { name: 'scale' })).toMatchObject({ body: { code: 'deleted' } })
  expect(await ask('ci', 'POST', '/v1/models/scale/restore')).toMatchObject({ status: 200 })
  expect((await ask('viewer', 'GET', '/v1/models/scale/versions/@champion')).body).toMatchObject({ version: 1 })
  expect(await register(other)).toMatchObject({ version: 2 })
})

test('what a device should run, does run, or a rollout moves to or from is not deleted; who uses it is said', async () => {
  const hub = await aFleetHub()
  const fleet = await aFleet(hub)
  const { ask, register } = await aRegistry(hub)
  const { manifest } = await register()
  const { device } = await anEnrolledDevice(hub, 'd-1')
  const inUse = async (members: object) => {
    for (const path of [one, '/v1/models/scale']) {
      expect(await ask('ci', 'DELETE', path)).toMatchObject({ status: 409, body: { code: 'in-use', ...members } })
    }
  }
  await fleet.desire([{ device, deployment: 'scale', manifest, by: 'test' }])
  await inUse({ devices: { count: 1, names: ['d-1'] }, rollouts: { count: 0 } })
  await fleet.desire([{ device, deployment: 'scale', manifest: null, by: 'test' }])
  await hub.database.write([
    {
      sql: `INSERT INTO device_deployments (device, deployment, manifest, attempt, state, running, changed_at)
        VALUES ('d-1', 'scale', ?, 1, 'succeeded', 1, 0)`,
      args: [manifest],
    },
  ])
  await inUse({ devices: { count: 1, names: ['d-1'] } })
  await hub.database.write([{ sql: 'UPDATE device_deployments SET running = 0' }])

  const rollout = (id: string, target: string, previous: string | null) => [
    {
      sql: `INSERT INTO rollouts (id, model, version, deployment, group_name, query, plan, state, reason, created_by,
          created_at, changed_at) VALUES (?, 'scale', 1, 'scale', 'g', '', '{}', 'running', '', 'test', 0, 0)`,
      args: [id],
    },
    {
      sql: `INSERT INTO rollout_devices (rollout, device, deployment, stage, stratum, rank, target, previous, state)
        VALUES (?, 'd-1', 'scale', 0, '', 0, ?, ?, 'pending')`,
      args: [id, target, previous],
    },
  ]
  const end = { sql: 'UPDATE rollout_devices SET active = 0' }
  await hub.database.write(rollout('r-1', manifest, null))
  await inUse({ devices: { count: 0 }, rollouts: { count: 1, names: ['r-1'] } })
  await hub.database.write([end, ...rollout('r-2', 'f'.repeat(64), manifest)])
  await inUse({ rollouts: { count: 1, names: ['r-2'] } })
  // who may not see its model learns that there is one
  const byStranger = deleteVersion(hub.database, 'scale', 1, 0, { actor: 'test', requestId: 'r' }, () => false)
  await expect(byStranger).rejects.toMatchObject({ code: 'in-use', members: { rollouts: { count: 1, names: [] } } })
  await expect(byStranger).rejects.not.toThrow('r-2')
  await hub.database.write([end])
  expect((await ask('ci', 'DELETE', one)).status).toBe(204)
})
