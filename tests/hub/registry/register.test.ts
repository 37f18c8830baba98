// Registering as CI does: what a good upload becomes, and what is wrong with a bad one.

import { Golden } from '@roost/shared/bundle/golden.ts'
import { manifestDigest, parseManifest, signManifest, verifyManifest } from '@roost/shared/bundle/manifest.ts'
import { Baseline } from '@roost/shared/drift/baseline.ts'
import { generateKeyPair } from '@roost/shared/trust/keys.ts'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../hub/app.ts'
import { ModelDocument, VersionDocument } from '../../../hub/registry/documents.ts'
import { createRegistrar } from '../../../hub/registry/registrar.ts'
import { registryRoutes } from '../../../hub/registry/routes.ts'
import { manifestByDigest, releasedVersion } from '../../../hub/registry/store.ts'
import { aHub, readAs, type TestHub } from '../a-hub.ts'
import { aForm, aSample, doubling, post, twoFeatures } from './an-upload.ts'

const Page = z.object({
  versions: z.array(VersionDocument).optional(),
  models: z.array(ModelDocument).optional(),
  next: z.string().nullable(),
})

async function anApp(hub: TestHub) {
  return {
    app: createApp(hub, [registryRoutes(hub, createRegistrar(hub, doubling))]),
    ci: await hub.tokenOf('ci'),
    viewer: await hub.tokenOf('viewer'),
  }
}

async function readPart(
  hub: TestHub,
  files: { role: string; sha256: string; sizeBytes: number }[],
  role: string,
): Promise<unknown> {
  const file = files.find((file) => file.role === role)
  if (file === undefined) throw new Error(`no ${role}`)
  return JSON.parse(Buffer.from(await hub.blobs.read(file.sha256, 0, file.sizeBytes)).toString())
}

test('an upload becomes a signed version with baseline and golden vectors', async () => {
  await using hub = await aHub()
  const { app, ci, viewer } = await anApp(hub)
  const metadata = {
    features: twoFeatures,
    metrics: { accuracy: 0.98 },
    commit: 'abc123',
    window: { rows: 10, seconds: 3600 },
  }
  const response = await post(app, ci, aForm({ metadata, sample: aSample() }))
  expect(response.status).toBe(201)
  expect(response.headers.get('location')).toBe('/v1/models/scale/versions/1')
  const version = await readAs(VersionDocument, response)
  expect(version).toMatchObject({
    model: 'scale',
    version: 1,
    counter: 1,
    state: 'released',
    metrics: { accuracy: 0.98 },
    commit: 'abc123',
    baseline: { source: 'sample', rows: 400, rowsLeftOut: 0, windows: 40, columns: 4, noVerdict: null },
    onnx: { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }] },
  })

  const released = await releasedVersion(hub.database, 'scale', 1, 'generic-x64')
  expect(released?.digest).toBe(version.manifest)
  const { envelope } = (await manifestByDigest(hub.database, version.manifest)) ?? {}
  const { manifest } = verifyManifest(envelope ?? new Uint8Array(), hub.keys.root)
  expect(manifest.files.map(({ role }) => role)).toEqual(['model', 'features', 'baseline', 'golden'])
  for (const { sha256, sizeBytes } of manifest.files) expect(await hub.blobs.sizeBytes(sha256)).toBe(sizeBytes)

  const baseline = Baseline.parse(await readPart(hub, manifest.files, 'baseline'))
  expect(Object.keys(baseline.columns)).toEqual(['temperature', 'temperature_mean', 'y[0]', 'y[1]'])
  // y = 2 x: the output's mean is twice the feature's
  expect(baseline.columns['y[0]']?.mean).toBeCloseTo(2 * (baseline.columns.temperature?.mean ?? 0), 4)

  const golden = Golden.parse(await readPart(hub, manifest.files, 'golden'))
  expect(golden.vectors).toHaveLength(8)
  for (const { inputs, outputs } of golden.vectors) {
    expect(outputs.y?.data).toEqual(inputs.x?.data.map((value) => 2 * Math.fround(Number(value))))
  }

  const bytes = await (
    await app.request('/v1/models/scale/versions/1/manifest', { headers: { authorization: `Bearer ${viewer}` } })
  ).bytes()
  expect(manifestDigest(bytes)).toBe(version.manifest)
})

test('versions and counters grow, another model starts at one, and pages list them', async () => {
  await using hub = await aHub()
  const { app, ci, viewer } = await anApp(hub)
  for (let i = 0; i < 5; i++) {
    expect((await post(app, ci, aForm({ metadata: { window: { seconds: 60 + i } } }))).status).toBe(201)
  }
  expect((await post(app, ci, aForm(), 'other')).status).toBe(201)
  const get = (path: string) => readAs(Page, app.request(path, { headers: { authorization: `Bearer ${viewer}` } }))
  const first = await get('/v1/models/scale/versions?limit=3')
  expect(first.versions?.map(({ version, counter }) => [version, counter])).toEqual([
    [5, 5],
    [4, 4],
    [3, 3],
  ])
  const second = await get(`/v1/models/scale/versions?limit=3&cursor=${first.next}`)
  expect(second).toMatchObject({ versions: [{ version: 2 }, { version: 1 }], next: null })
  const models = await get('/v1/models?limit=1')
  expect(models).toMatchObject({ models: [{ name: 'other', latestVersion: 1 }] })
  expect(await get(`/v1/models?limit=1&cursor=${models.next}`)).toMatchObject({
    models: [{ name: 'scale', latestVersion: 5 }],
    next: null,
  })
})

test('the same content again is refused with the version that has it, also when both come at once', async () => {
  await using hub = await aHub()
  const { app, ci } = await anApp(hub)
  const answers = await Promise.all([post(app, ci, aForm()), post(app, ci, aForm())])
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
  const again = await post(app, ci, aForm({ metadata: { description: 'other words, same thing' } }))
  expect(again.status).toBe(409)
  expect(await again.json()).toMatchObject({ code: 'repeat', model: 'scale', version: 1 })
  expect((await post(app, ci, aForm({ metadata: { variant: 'int8' } }))).status).toBe(201)
})

test('a lost answer can be asked for again with the same Idempotency-Key', async () => {
  await using hub = await aHub()
  const { app, ci } = await anApp(hub)
  const key = { 'idempotency-key': 'run-17' }
  const first = await post(app, ci, aForm(), 'scale', key)
  const second = await post(app, ci, aForm(), 'scale', key)
  expect([first.status, second.status]).toEqual([201, 201])
  expect(second.headers.get('idempotency-replayed')).toBe('true')
  expect(await second.json()).toEqual(await first.json())
})

describe('signing elsewhere', () => {
  test('a manifest awaits its signature, takes it, and no device sees it before', async () => {
    await using hub = await aHub()
    const { app, ci, viewer } = await anApp(hub)
    const version = await readAs(VersionDocument, post(app, ci, aForm({ metadata: { sign: false } })))
    expect(version.state).toBe('awaiting_signature')
    expect(await releasedVersion(hub.database, 'scale', 1, 'any')).toBeUndefined()
    expect(await manifestByDigest(hub.database, version.manifest)).toBeUndefined()

    const path = '/v1/models/scale/versions/1'
    const payload = await (
      await app.request(`${path}/manifest`, { headers: { authorization: `Bearer ${viewer}` } })
    ).bytes()
    const release = hub.keys.release
    if (release === undefined) throw new Error('the test hub has a release key')
    const put = (body: Uint8Array) =>
      app.request(`${path}/signature`, {
        method: 'PUT',
        body: Uint8Array.from(body),
        headers: { authorization: `Bearer ${ci}` },
      })

    const forged = await put(signManifest(payload, [generateKeyPair(hub.random)]))
    expect([forged.status, await forged.json()]).toMatchObject([
      422,
      { code: 'signature-refused', reason: 'threshold' },
    ])
    const byAssignment = await put(signManifest(payload, [hub.keys.assignment]))
    expect(await byAssignment.json()).toMatchObject({ code: 'signature-refused', reason: 'threshold' })
    const garbage = await put(Buffer.from('{}'))
    expect(await garbage.json()).toMatchObject({ code: 'signature-refused', reason: 'malformed' })
    const other = signManifest(Buffer.from(JSON.stringify({ ...parseManifest(payload), version: 2 })), [release])
    expect(await (await put(other)).json()).toMatchObject({ code: 'other-manifest' })
    expect(await releasedVersion(hub.database, 'scale', 1, 'any')).toBeUndefined()

    const envelope = signManifest(payload, [release])
    for (let i = 0; i < 2; i++) {
      const signed = await put(envelope)
      expect([signed.status, await signed.json()]).toMatchObject([200, { state: 'released' }])
    }
    expect((await manifestByDigest(hub.database, version.manifest))?.envelope).toEqual(Uint8Array.from(envelope))
    const given = await app.request(`${path}/signature`, { headers: { authorization: `Bearer ${viewer}` } })
    expect(await given.bytes()).toEqual(Uint8Array.from(envelope))
  })

  test('a hub without a release key signs nothing', async () => {
    await using hub = await aHub()
    const keyless: TestHub = { ...hub, keys: { ...hub.keys, release: undefined } }
    const app = createApp(keyless, [registryRoutes(keyless, createRegistrar(keyless, doubling))])
    const response = await post(app, await hub.tokenOf('ci'), aForm())
    expect([response.status, await response.json()]).toMatchObject([
      201,
      { state: 'awaiting_signature', signedAt: null },
    ])
  })
})

describe('without feature definitions', () => {
  test('the sample names the input columns themselves', async () => {
    await using hub = await aHub()
    const { app, ci } = await anApp(hub)
    const sample = `x[0],x[1],ignored\n${Array.from({ length: 50 }, (_, i) => `${i / 3},${i},z`).join('\n')}`
    const version = await readAs(
      VersionDocument,
      post(app, ci, aForm({ sample, metadata: { window: { rows: 2, seconds: 60 } } })),
    )
    expect(version.baseline).toMatchObject({ source: 'sample', rows: 50, windows: 25, columns: 4, noVerdict: null })
  })

  test('golden vectors give scales, and the answer says that no verdict will come', async () => {
    await using hub = await aHub()
    const { app, ci } = await anApp(hub)
    const golden = { vectors: [{ inputs: { x: { datatype: 'FP32', shape: [1, 2], data: [1, 2] } } }] }
    const version = await readAs(VersionDocument, post(app, ci, aForm({ golden })))
    expect(version.baseline).toMatchObject({
      source: 'golden',
      rows: 1,
      columns: 4,
      noVerdict: expect.stringContaining('no sample'),
    })
    const none = await readAs(VersionDocument, post(app, ci, aForm(), 'bare'))
    expect(none.baseline).toMatchObject({
      source: 'none',
      rows: 0,
      columns: 0,
      noVerdict: expect.stringContaining('no sample'),
    })
    expect(none.files.map(({ role }) => role)).toEqual(['model'])
  })

  test('a short sample says so', async () => {
    await using hub = await aHub()
    const { app, ci } = await anApp(hub)
    const version = await readAs(VersionDocument, post(app, ci, aForm({ sample: 'x[0],x[1]\n1,2\n3,4\n5,6\n' })))
    expect(version.baseline.noVerdict).toMatch(/of the 20 that a drift verdict needs/)
  })
})
