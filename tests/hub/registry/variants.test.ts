// Further variants of a version: which devices get which, and when a version is closed to more.

import { verifyManifest } from '@roost/shared/bundle/manifest.ts'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { findDevice } from '../../../hub/fleet/devices.ts'
import { wishByHand } from '../../../hub/fleet/operate.ts'
import { releasedVersion } from '../../../hub/registry/store.ts'
import { prepareRollout } from '../../../hub/rollouts/start.ts'
import { aScaleModel } from '../../builders/onnx.ts'
import { aHub } from '../a-hub.ts'
import { aFleet, aFleetHub, anEnrolledDevice } from '../fleet/a-fleet.ts'
import { aRegistry, recorded } from './a-registry.ts'

const small = { model: aScaleModel({ factor: 3 }), metadata: { variant: 'int8', profiles: ['gateway-small'] } }

test('each profile gets its own variant, the rest the one for any', async () => {
  await using hub = await aHub()
  const { app, ask, register, addVariant } = await aRegistry(hub)
  const first = await register()
  const both = await addVariant(1, small)
  expect(both).toMatchObject({
    status: 201,
    body: {
      version: 1,
      state: 'released',
      manifest: first.manifest,
      variants: [
        { variant: 'fp32', counter: 1, profiles: [] },
        { variant: 'int8', counter: 2, profiles: ['gateway-small'] },
      ],
    },
  })
  const forGateway = await releasedVersion(hub.database, 'scale', 1, 'gateway-small')
  expect(forGateway?.manifest).toMatchObject({ version: 1, variant: 'int8', counter: 2 })
  expect((await releasedVersion(hub.database, 'scale', 1, 'generic-x64'))?.manifest.variant).toBe('fp32')
  // the next version counts on
  expect(await register({ metadata: { window: { seconds: 7 } } })).toMatchObject({ version: 2, counter: 3 })

  const headers = { authorization: `Bearer ${await hub.tokenOf('viewer')}` }
  const envelope = await app.request('/v1/models/scale/versions/1/signature?variant=int8', { headers })
  expect(verifyManifest(await envelope.bytes(), hub.keys.root).digest).toBe(forGateway?.digest)
  const manifest = await app.request('/v1/models/scale/versions/1/manifest?variant=int8', { headers })
  expect(await manifest.json()).toMatchObject({ variant: 'int8' })
  expect((await ask('viewer', 'GET', '/v1/models/scale/versions/1/manifest?variant=none')).status).toBe(404)
  expect((await recorded(hub)).map(([action]) => action)).toEqual([
    'version.register',
    'version.add-variant',
    'version.register',
  ])
})

test.each([
  ['a variant of that name', 'variant-exists', { model: aScaleModel({ factor: 3 }), metadata: { profiles: ['a'] } }],
  ['its very content', 'repeat', {}],
  ['a second one for any profile', 'profile-taken', { metadata: { variant: 'int8' } }],
  ['another width', 'interface-differs', { ...small, model: aScaleModel({ width: 3 }) }],
  ['another input', 'interface-differs', { ...small, model: aScaleModel({ input: 'z' }) }],
  ['a description', 'not-of-a-variant', { metadata: { ...small.metadata, description: 'mine' } }],
  ['metrics', 'not-of-a-variant', { metadata: { ...small.metadata, metrics: { loss: 1 } } }],
])('a variant with %s is refused: %s', async (_, code, parts) => {
  await using hub = await aHub()
  const { ask, register, addVariant } = await aRegistry(hub)
  await register()
  expect((await addVariant(1, parts)).body).toMatchObject({ code })
  expect((await ask('viewer', 'GET', '/v1/models/scale/versions/1')).body).toMatchObject({
    variants: [{ variant: 'fp32' }],
  })
})

test('of variants for one profile, or sent at the same moment, one is taken', async () => {
  await using hub = await aHub()
  const { register, addVariant } = await aRegistry(hub)
  await register()
  const answers = await Promise.all([
    addVariant(1, small),
    addVariant(1, { ...small, model: aScaleModel({ factor: 4 }), metadata: { ...small.metadata, variant: 'int4' } }),
    addVariant(9, small),
  ])
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 404, 409])
})

test('a version is closed once it has left development, or a device has it', async () => {
  const hub = await aFleetHub()
  const fleet = await aFleet(hub)
  const { ask, register, addVariant } = await aRegistry(hub)
  await register()
  await ask('approver', 'PUT', '/v1/models/scale/versions/1/stage', { stage: 'staging' })
  expect(await addVariant(1, small)).toMatchObject({ status: 409, body: { code: 'not-in-development' } })
  await ask('approver', 'PUT', '/v1/models/scale/versions/1/stage', { stage: 'development' })
  const { device } = await anEnrolledDevice(hub, 'd-1')
  const released = await releasedVersion(hub.database, 'scale', 1, 'generic-x64')
  await fleet.desire([{ device, deployment: 'scale', manifest: released?.digest ?? '', by: 'test' }])
  expect(await addVariant(1, small)).toMatchObject({ status: 409, body: { code: 'in-use', devices: ['d-1'] } })
})

test('one variant that awaits its signature holds back only the devices that need it', async () => {
  await using hub = await aHub()
  const { ask, register, addVariant } = await aRegistry(hub)
  await register()
  await addVariant(1, { ...small, metadata: { ...small.metadata, sign: false } })
  expect((await ask('viewer', 'GET', '/v1/models/scale/versions/1')).body).toMatchObject({
    state: 'awaiting_signature',
    variants: [{ state: 'released' }, { state: 'awaiting_signature', signedAt: null }],
  })
  expect((await releasedVersion(hub.database, 'scale', 1, 'generic-x64'))?.manifest.variant).toBe('fp32')
})

test('a wish by hand and a rollout give each device the variant of its profile', async () => {
  const hub = await aFleetHub()
  const fleet = await aFleet(hub)
  const { register, addVariant } = await aRegistry(hub)
  await register()
  await addVariant(1, small)
  const profiles = { gateway: 'gateway-small', server: 'generic-x64' }
  const wanted = new Map<string, string | undefined>()
  for (const [id, profile] of Object.entries(profiles)) {
    await anEnrolledDevice(hub, id, { profile })
    wanted.set(id, (await releasedVersion(hub.database, 'scale', 1, profile))?.digest)
  }
  expect(new Set(wanted.values()).size).toBe(2)

  await hub.database.write([
    {
      sql: `INSERT INTO device_groups (name, query, description, created_by, created_at, changed_at)
        VALUES ('everywhere', 'all', '', 'test', 0, 0)`,
    },
  ])
  const rollout = { model: 'scale', version: 1, group: 'everywhere', supersede: false }
  const { members } = await prepareRollout(hub, hub.database, rollout, { actor: 'test' }, fleet)
  expect(new Map(members.map(({ device, target }) => [device, target]))).toEqual(wanted)

  for (const id of Object.keys(profiles)) {
    const device = await findDevice(hub.database, id)
    if (device === undefined) throw new Error(`no ${id}`)
    const change = { actor: 'test', action: 'device.desire', subject: `device:${id}` }
    await wishByHand(
      hub,
      fleet,
      device,
      { deployment: 'scale', role: 'primary' },
      { model: 'scale', version: 1 },
      change,
    )
  }
  const Desired = z.object({ device: z.string(), manifest: z.string() })
  const desired = await hub.database.all(Desired, 'SELECT device, manifest FROM desired')
  expect(new Map(desired.map(({ device, manifest }) => [device, manifest]))).toEqual(wanted)
})
