// The manifests of a device: a disk that does not give one back costs that one, and none that is wished gets lost.

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Manifests } from '@roost/agent/control/manifests.ts'
import { type Manifest, manifestDigest, manifestPayload, signManifest } from '@roost/shared/bundle/manifest.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aManifest, releaseKey } from '../../shared/trust/builders.ts'
import { silentLog } from '../download/builders.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-manifests-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const digestOf = (manifest: Manifest) => manifestDigest(manifestPayload(manifest))
const a = aManifest({ version: 1 })
const b = aManifest({ version: 2 })
const c = aManifest({ version: 3 })

const put = (manifests: Manifests, ...wished: Manifest[]) =>
  manifests.put(
    new Map(wished.map((one) => [digestOf(one), one])),
    new Map(wished.map((one) => [digestOf(one), signManifest(manifestPayload(one), [releaseKey])])),
  )

test('one that the disk does not give back counts as missing, and the others are there', async () => {
  await put(await Manifests.open(folder, silentLog), a, b)
  rmSync(join(folder, digestOf(a)))
  mkdirSync(join(folder, digestOf(a)))
  const manifests = await Manifests.open(folder, silentLog)
  expect(manifests.get(digestOf(a))).toBeUndefined()
  expect(manifests.get(digestOf(b))).toEqual(b)
})

test('what is wished while others are being forgotten stays, whether it is new or was about to go', async () => {
  const manifests = await Manifests.open(folder, silentLog)
  await put(manifests, a)
  await put(manifests, b)
  const forgotten = manifests.retain(new Set())
  await put(manifests, b, c)
  await forgotten
  await manifests.retain(new Set())
  expect([b, c].map((one) => manifests.get(digestOf(one)))).toEqual([b, c])
  expect(readdirSync(folder).sort()).toEqual([digestOf(b), digestOf(c)].sort())
})
