// The files of bundles: fetched one bundle after the other, damage noticed and repaired, nothing kept that nobody needs.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BundleFiles } from '@roost/agent/control/bundle-files.ts'
import { Manifests } from '@roost/agent/control/manifests.ts'
import { BlobStore } from '@roost/agent/download/blob-store.ts'
import type { DownloadWays } from '@roost/agent/download/download.ts'
import type { Bundle } from '@roost/agent/reconcile/bundle-set.ts'
import { chunkCount } from '@roost/shared/bundle/chunks.ts'
import { type Manifest, manifestDigest, manifestPayload, signManifest } from '@roost/shared/bundle/manifest.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aManifest, releaseKey } from '../../shared/trust/builders.ts'
import { aBlob, aFakeHub, carryRightly, silentLog, waysOf } from '../download/builders.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-bundle-files-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const model = aBlob(200_000, 'model')
const features = aBlob(900, 'features')
const later = aBlob(300_000, 'later')
const digestOf = (manifest: Manifest) => manifestDigest(manifestPayload(manifest))
const bundleOf = (manifest: Manifest): Bundle => ({
  deployment: 'line-1',
  manifest: digestOf(manifest),
  attempt: 1,
  model: manifest.model,
  version: manifest.version,
})
const wanted = aManifest({
  files: [
    { role: 'model', ...model.file },
    { role: 'features', ...features.file },
  ],
})

async function aDevice(contents = [model.content, features.content], ways: Partial<DownloadWays> = {}) {
  const hub = aFakeHub(contents, carryRightly)
  const blobs = await BlobStore.open(join(folder, 'blobs'), 10_000_000)
  const manifests = await Manifests.open(join(folder, 'manifests'), silentLog)
  const put = (manifest: Manifest) =>
    manifests.put(
      new Map([[digestOf(manifest), manifest]]),
      new Map([[digestOf(manifest), signManifest(manifestPayload(manifest), [releaseKey])]]),
    )
  await put(wanted)
  let changed: () => void = () => undefined
  const sealedKeys = { keyOf: () => undefined, retain: async () => undefined }
  const files = new BundleFiles({
    blobs,
    manifests,
    sealedKeys,
    ways: waysOf(hub, ways),
    log: silentLog,
    changed: () => changed(),
    onPatchFailed: () => undefined,
  })
  /** Fetches and waits until none of these is being fetched any more. */
  const fetched = async (...bundles: Bundle[]) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const isOver = () => bundles.every(({ manifest }) => files.stateOf(manifest).state !== 'fetching')
    changed = () => isOver() && resolve()
    files.fetch(bundles)
    if (!isOver()) await promise
  }
  return { files, blobs, hub, put, fetched }
}

test('a bundle is missing, being fetched, present, and then lies where it is said to lie', async () => {
  const { files, fetched } = await aDevice()
  const { manifest } = bundleOf(wanted)
  expect(files.stateOf(manifest)).toEqual({ state: 'missing' })
  const done = fetched(bundleOf(wanted), bundleOf(wanted))
  expect([files.stateOf(manifest), files.fetching()]).toEqual([{ state: 'fetching' }, [manifest]])
  await done
  expect(files.stateOf(manifest)).toEqual({ state: 'present' })
  const located = files.locate(bundleOf(wanted)).files
  expect(readFileSync(located.model).equals(model.content)).toBe(true)
  expect(readFileSync(located.features ?? '').equals(features.content)).toBe(true)
})

test('two bundles that share a file fetch it once', async () => {
  const { hub, fetched, put } = await aDevice()
  const other = aManifest({ version: 8, files: [{ role: 'model', ...model.file }] })
  await put(other)
  await fetched(bundleOf(wanted), bundleOf(other))
  expect(hub.wanted).toHaveLength(chunkCount(model.file) + 1)
})

test('a bundle the hub does not have fails with the reason, until that is forgotten', async () => {
  const { files, fetched } = await aDevice([features.content])
  const { manifest } = bundleOf(wanted)
  await fetched(bundleOf(wanted))
  expect(files.stateOf(manifest)).toMatchObject({ state: 'failed', failure: { reason: 'download' } })
  files.forgetFailure(manifest)
  expect(files.stateOf(manifest)).toEqual({ state: 'missing' })
})

test('a download that is cancelled leaves the bundle missing, without blame', async () => {
  const { files, fetched, hub } = await aDevice()
  hub.setConnected(false)
  const done = fetched(bundleOf(wanted))
  files.cancel([digestOf(wanted)])
  // It takes a while to end. Were it told as being fetched until then, the reconciler would cancel it again and again
  // without ever letting it.
  expect([files.stateOf(digestOf(wanted)), files.fetching()]).toEqual([{ state: 'fetching' }, []])
  await done
  expect(files.stateOf(digestOf(wanted))).toEqual({ state: 'missing' })
})

test('a bundle whose manifest is not here says so, and fetching it does nothing', async () => {
  const { files, fetched } = await aDevice()
  const unknown = bundleOf(aManifest({ version: 99 }))
  await fetched(unknown)
  expect(files.stateOf(unknown.manifest)).toMatchObject({ state: 'failed', failure: { reason: 'download' } })
})

test('a file that rotted on disk is found by its hash, and only that one is fetched again', async () => {
  const { files, fetched, blobs, hub } = await aDevice()
  await fetched(bundleOf(wanted))
  const path = blobs.pathOf(features.file.sha256)
  writeFileSync(path, Buffer.alloc(features.content.length))
  await files.recheck(digestOf(wanted))
  expect(files.stateOf(digestOf(wanted))).toEqual({ state: 'missing' })
  const before = hub.wanted.length
  await fetched(bundleOf(wanted))
  expect(readFileSync(path).equals(features.content)).toBe(true)
  expect(hub.wanted.slice(before)).toEqual([0])
})

/** Nobody signs patches: whoever owns the network may say anything of them. */
test.each([
  ['another file that is here', features.file.sha256],
  ['the file it starts from', model.file.sha256],
  ['the file it makes', later.file.sha256],
])('a patch by the name of %s takes no file away', async (_, blob) => {
  const { files, fetched, put } = await aDevice([model.content, features.content, later.content])
  await fetched(bundleOf(wanted))
  const newer = aManifest({ version: 8, files: [{ role: 'model', ...later.file }] })
  await put(newer)
  const chunks = Buffer.alloc(32).toString('base64')
  files.offer([{ from: model.file.sha256, to: later.file.sha256, blob, sizeBytes: 1, chunks }])
  await fetched(bundleOf(newer))
  const states = [wanted, newer].map((manifest) => files.stateOf(digestOf(manifest)).state)
  expect(states).toEqual(['present', 'present'])
})

test('whatever the system says no to while a bundle is fetched fails that bundle, and nothing else', async () => {
  const refused = () => Promise.reject(Object.assign(new Error('EIO: read'), { code: 'EIO' }))
  const { files, fetched } = await aDevice([], { way: 'http', http: { fetch: refused } })
  await fetched(bundleOf(wanted))
  expect(files.stateOf(digestOf(wanted))).toMatchObject({ state: 'failed', failure: { reason: 'download' } })
})

test('manifests that nobody needs any more go from the disk', async () => {
  const { files, put } = await aDevice()
  const other = aManifest({ version: 8 })
  await put(other)
  await files.keep(new Set([digestOf(other)]))
  expect(readdirSync(join(folder, 'manifests'))).toEqual([digestOf(other)])
})
