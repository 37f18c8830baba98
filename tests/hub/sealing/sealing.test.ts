// Sealed models at the hub: who decides, what lies where, and who gets which key.

import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Golden } from '@roost/shared/bundle/golden.ts'
import { parseManifest } from '@roost/shared/bundle/manifest.ts'
import { Assign } from '@roost/shared/protocol/messages.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import { unwrapContentKey } from '@roost/shared/trust/content-key.ts'
import nacl from 'tweetnacl'
import { expect, test } from 'vitest'
import { uploadFile } from '../../../hub/cli/upload.ts'
import { createAssigner } from '../../../hub/fleet/assign.ts'
import { VersionDocument } from '../../../hub/registry/documents.ts'
import { findVersion, readManifest } from '../../../hub/registry/store.ts'
import { openModelFile, readPart, removeOpened } from '../../../hub/sealing/bundle-content.ts'
import { contentKeyOf, lockContentKey, unlockContentKey } from '../../../hub/sealing/content-keys.ts'
import { aModel, floats, node } from '../../builders/onnx.ts'
import { aHub, type TestHub } from '../a-hub.ts'
import { aTrackingServer } from '../experiments/a-tracking-server.ts'
import { aRegistry, recorded } from '../registry/a-registry.ts'
import { aForm } from '../registry/an-upload.ts'
import { desired, enrolled } from './a-sealed-fleet.ts'

/** Of two chunks, with bytes that are found again where they lie in the open. */
function aMarkedModel() {
  const noise = randomBytes(100_000)
  for (let i = 3; i < noise.length; i += 4) noise[i] = 0x3f // no NaN
  const onnx = aModel({
    node: [node('Mul', ['x', 'factor'], ['y'])],
    initializer: [
      floats('factor', [], [2]),
      floats('weights', [25_000], new Float32Array(Uint8Array.from(noise).buffer)),
    ],
  })
  const marker = noise.subarray(60_000, 60_048)
  expect(Buffer.from(onnx).includes(marker)).toBe(true)
  return { onnx, marker }
}

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
const holding = (folder: string, marker: Uint8Array) =>
  filesBelow(folder).filter((path) => readFileSync(path).includes(Buffer.from(marker)))

const golden = {
  vectors: [{ inputs: { x: { datatype: 'FP32', shape: [1, 2], data: [1234.5, 2] } } }],
}

async function bundleOf(hub: TestHub, version: number) {
  const row = await findVersion(hub.database, 'scale', version)
  if (row === undefined) throw new Error(`no version ${version}`)
  return { digest: row.digest, manifest: readManifest(row.payload), payload: row.payload }
}

test('an approver seals a model, once, on the record; then no version of it is registered in the open', async () => {
  await using hub = await aHub()
  const registry = await aRegistry(hub)
  const put = (role: 'ci' | 'approver', sealed: boolean) =>
    registry.ask(role, 'PUT', '/v1/models/scale/sealing', { sealed })
  expect((await put('approver', true)).status).toBe(404)
  await registry.ask('ci', 'POST', '/v1/models', { name: 'scale' })
  expect((await put('ci', true)).status).toBe(403)
  expect(await put('approver', true)).toMatchObject({ status: 200, body: { model: 'scale', sealed: true } })
  await put('approver', true)
  expect((await registry.ask('viewer', 'GET', '/v1/models/scale/sealing')).body).toEqual({
    model: 'scale',
    sealed: true,
  })

  const refused = await registry.app.request('/v1/models/scale/versions', {
    method: 'POST',
    body: aForm({ metadata: { sealed: false } }),
    headers: { authorization: `Bearer ${await hub.tokenOf('ci')}` },
  })
  expect([refused.status, await refused.json()]).toMatchObject([
    422,
    { code: 'sealed-model', field: 'metadata.sealed' },
  ])
  const version = await registry.register()
  expect(version).toMatchObject({ sealed: true, state: 'released' })

  await put('approver', false)
  expect((await registry.register({ metadata: { variant: 'other' } })).sealed).toBe(false)
  expect((await registry.register({ metadata: { sealed: true, variant: 'third' } })).sealed).toBe(true)
  const log = (await recorded(hub)).filter(([action]) => /seal|register/.test(action))
  expect(log.map(([action, , , after]) => [action, after])).toMatchObject([
    ['model.seal', { sealed: true }],
    ['version.register', { sealed: true }],
    ['model.unseal', { sealed: false }],
    ['version.register', { signed: true }],
    ['version.register', { sealed: true }],
  ])
})

test('only ciphertext is kept; the hub opens it for itself, for as long as it needs, and nobody gets it by its name', async () => {
  await using hub = await aHub()
  const registry = await aRegistry(hub)
  const { onnx, marker } = aMarkedModel()
  const version = await registry.register({ model: onnx, golden, metadata: { sealed: true } })
  const { digest, manifest, payload } = await bundleOf(hub, 1)
  // what devices check of it holds
  expect(parseManifest(payload)).toEqual(manifest)
  expect(manifest.files.map(({ role }) => role)).toEqual(['model', 'baseline', 'golden'])
  expect(holding(hub.folder, marker)).toEqual([])
  expect(holding(hub.folder, Buffer.from('1234.5'))).toEqual([])

  const viewer = { authorization: `Bearer ${await hub.tokenOf('viewer')}` }
  for (const { sha256, plain } of version.files) {
    expect((await registry.app.request(`/v1/blobs/${plain?.sha256}`, { headers: viewer })).status).toBe(404)
    const bytes = await (await registry.app.request(`/v1/blobs/${sha256}`, { headers: viewer })).bytes()
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256)
  }

  const golden_ = await readPart(hub, digest, manifest, 'golden')
  expect(Golden.parse(JSON.parse(Buffer.from(golden_ ?? []).toString())).vectors[0]?.inputs.x?.data).toEqual([
    1234.5, 2,
  ])
  {
    await using opened = await openModelFile(hub, digest, manifest)
    expect(readFileSync(opened.path).equals(Buffer.from(onnx))).toBe(true)
    expect(statSync(opened.path).mode & 0o077).toBe(0)
  }
  expect(holding(hub.folder, marker)).toEqual([])
  // a hub that was killed while it evaluated
  await openModelFile(hub, digest, manifest)
  expect(holding(hub.folder, marker)).toHaveLength(1)
  await removeOpened(hub.folder)
  expect(holding(hub.folder, marker)).toEqual([])
})

test('the same bytes sealed twice are two ciphertexts under two keys', async () => {
  await using hub = await aHub()
  const registry = await aRegistry(hub)
  await registry.register({ metadata: { sealed: true } })
  await registry.register({ metadata: { sealed: true, variant: 'other' } })
  const [one, other] = [await bundleOf(hub, 1), await bundleOf(hub, 2)]
  expect(one.manifest.sealed?.key).not.toBe(other.manifest.sealed?.key)
  const digests = [...one.manifest.files, ...other.manifest.files].map(({ sha256 }) => sha256)
  expect(new Set(digests).size).toBe(digests.length)
  expect(one.manifest.files[0]?.plain).toEqual(other.manifest.files[0]?.plain)
})

test('each device gets the key in a box of its own, for what it is assigned and nothing else', async () => {
  await using hub = await aHub()
  const registry = await aRegistry(hub)
  await registry.register({ metadata: { sealed: true } })
  await registry.register({ metadata: { variant: 'open' } })
  const [sealed, open] = [await bundleOf(hub, 1), await bundleOf(hub, 2)]
  const [north, south] = [nacl.box.keyPair(), nacl.box.keyPair()]
  await enrolled(hub, { north: north.publicKey, south: south.publicKey, idle: nacl.box.keyPair().publicKey })
  await desired(hub, 'north', 'a', sealed.digest)
  await desired(hub, 'north', 'b', open.digest)
  await desired(hub, 'south', 'a', sealed.digest)
  const assigner = createAssigner(hub, async () => [])
  const keysOf = async (device: string) => {
    const asked = {
      nonce: new Uint8Array(16),
      rootVersion: 1,
      held: new Set<string>(),
      running: new Map<string, string>(),
    }
    const message = decode(Assign, (await assigner.answer(device, asked)) ?? new Uint8Array())
    if (!message.ok) throw new Error(message.reason)
    return message.message.keys
  }
  const keyId = sealed.manifest.sealed?.key ?? ''
  const content = await contentKeyOf(hub, sealed.digest)
  const [box] = (await keysOf('north')) ?? []
  if (box === undefined) throw new Error('no key came')
  expect(await keysOf('north')).toHaveLength(1)
  expect(box.manifest).toBe(sealed.digest)
  expect(unwrapContentKey(box, keyId, north.secretKey)).toEqual(Uint8Array.from(content ?? []))
  expect(unwrapContentKey(box, keyId, south.secretKey)).toBeUndefined()
  const [theirs] = (await keysOf('south')) ?? []
  expect(theirs && unwrapContentKey(theirs, keyId, south.secretKey)).toEqual(Uint8Array.from(content ?? []))
  expect(theirs?.sender).not.toEqual(box.sender)
  expect(await keysOf('idle')).toBeUndefined()
})

test('the database alone does not open a bundle, nor does the key of another hub or another bundle', async () => {
  await using hub = await aHub()
  const registry = await aRegistry(hub)
  await registry.register({ metadata: { sealed: true } })
  const { digest } = await bundleOf(hub, 1)
  const key = await contentKeyOf(hub, digest)
  if (key === undefined) throw new Error('it has a key')
  expect(holding(hub.folder, key)).toEqual([])
  expect(statSync(join(hub.folder, 'keys', 'seal.key')).mode & 0o077).toBe(0)
  const locked = lockContentKey(hub.keys.seal, digest, key, hub.random)
  expect(Buffer.compare(unlockContentKey(hub.keys.seal, digest, locked), key)).toBe(0)
  expect(() => unlockContentKey(hub.random(32), digest, locked)).toThrow(/seal.key/)
  expect(() => unlockContentKey(hub.keys.seal, 'ab'.repeat(32), locked)).toThrow(/seal.key/)
})

test('an upload in pieces leaves nothing in the open once its version is sealed', async () => {
  await using server = await aTrackingServer()
  const { url, adminToken: token = '', hub } = server.running
  const { onnx, marker } = aMarkedModel()
  const upload = await uploadFile({ url, token }, new Blob([Uint8Array.from(onnx)]))
  expect(holding(hub.config.dataDir, marker)).toHaveLength(1)
  const form = new FormData()
  form.set('metadata', new Blob([JSON.stringify({ upload, sealed: true })]))
  const answer = await fetch(`${url}/v1/models/scale/versions`, {
    method: 'POST',
    body: form,
    headers: { authorization: `Bearer ${token}` },
  })
  expect(VersionDocument.parse(await answer.json()).sealed).toBe(true)
  expect(holding(hub.config.dataDir, marker)).toEqual([])
  const uri = await server.refused('model-versions/get-download-uri?name=scale&version=1', undefined)
  expect(uri).toMatchObject([400, 'INVALID_PARAMETER_VALUE', expect.stringContaining('sealed')])
})
