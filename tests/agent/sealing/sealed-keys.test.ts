// The keys of sealed bundles on a device: what opens is kept, over a restart too; what does not says why.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Manifest, manifestDigest, manifestPayload } from '@roost/shared/bundle/manifest.ts'
import { contentKeyId } from '@roost/shared/bundle/sealing.ts'
import { wrapContentKey } from '@roost/shared/trust/content-key.ts'
import nacl from 'tweetnacl'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SealedKeys } from '../../../agent/sealing/sealed-keys.ts'
import { aManifest } from '../../shared/trust/builders.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-sealed-keys-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const random = (size: number) => Uint8Array.from(randomBytes(size))
const digestOf = (manifest: Manifest) => manifestDigest(manifestPayload(manifest))
const device = nacl.box.keyPair()

function aSealed(version: number, to = device.publicKey) {
  const key = random(32)
  const manifest: Manifest = {
    ...aManifest({ version }),
    sealed: { cipher: 'chacha20-poly1305', key: contentKeyId(key) },
  }
  const digest = digestOf(manifest)
  return { key, manifest, digest, box: wrapContentKey(key, digest, to, random) }
}
const of = (...all: ReturnType<typeof aSealed>[]) => new Map(all.map(({ digest, manifest }) => [digest, manifest]))

test('a key that opens is there, also after a restart, in a file for nobody else that does not hold it', async () => {
  const one = aSealed(1)
  const keys = await SealedKeys.open(folder, device.secretKey)
  expect(keys.keyOf(one.digest, one.manifest)).toMatchObject({
    reason: 'sealed',
    detail: expect.stringMatching(/no key came/),
  })
  await keys.put([one.box], of(one))
  expect(keys.keyOf(one.digest, one.manifest)).toEqual(one.key)
  const path = join(folder, one.digest)
  expect(statSync(path).mode & 0o077).toBe(0)

  const later = await SealedKeys.open(folder, device.secretKey)
  expect(later.keyOf(one.digest, one.manifest)).toEqual(one.key)
  const thief = await SealedKeys.open(folder, nacl.box.keyPair().secretKey)
  expect(thief.keyOf(one.digest, one.manifest)).toMatchObject({ reason: 'sealed' })
  const keyless = await SealedKeys.open(folder, undefined)
  expect(keyless.keyOf(one.digest, one.manifest)).toMatchObject({ reason: 'sealed' })
})

test('a bundle that is not sealed needs none', async () => {
  const keys = await SealedKeys.open(folder, device.secretKey)
  const manifest = aManifest()
  expect(keys.keyOf(digestOf(manifest), manifest)).toBeUndefined()
})

test('the box of another device, a changed one, and one with another bundle’s key are of no use and not kept', async () => {
  const [one, other] = [aSealed(1), aSealed(2)]
  const foreign = aSealed(3, nacl.box.keyPair().publicKey)
  const changed = { ...one.box, box: one.box.box.map((byte, i) => (i === 20 ? byte ^ 1 : byte)) }
  const exchanged = { ...other.box, manifest: one.digest }
  for (const box of [foreign.box, changed, exchanged]) {
    const keys = await SealedKeys.open(folder, device.secretKey)
    const { digest, manifest } = box === foreign.box ? foreign : one
    await keys.put([box], of(one, other, foreign))
    expect(keys.keyOf(digest, manifest)).toMatchObject({
      reason: 'sealed',
      detail: expect.stringMatching(/not for this device/),
    })
    expect(readdirSync(folder)).toEqual([])
  }
})

test('boxes made anew are not written again, and those no longer needed go', async () => {
  const [one, other] = [aSealed(1), aSealed(2)]
  const keys = await SealedKeys.open(folder, device.secretKey)
  await keys.put([one.box], of(one))
  const { ino } = statSync(join(folder, one.digest))
  await keys.put([wrapContentKey(one.key, one.digest, device.publicKey, random), other.box], of(one, other))
  expect(statSync(join(folder, one.digest)).ino).toBe(ino)
  await keys.put([other.box], of(other))
  await keys.retain(new Set())
  expect(readdirSync(folder)).toEqual([other.digest])
  expect(keys.keyOf(one.digest, one.manifest)).toMatchObject({ reason: 'sealed' })
})

test('a damaged file counts as missing', async () => {
  const one = aSealed(1)
  writeFileSync(join(folder, one.digest), 'no box')
  const keys = await SealedKeys.open(folder, device.secretKey)
  expect(keys.keyOf(one.digest, one.manifest)).toMatchObject({ detail: expect.stringMatching(/no key came/) })
  await keys.put([one.box], of(one))
  expect(keys.keyOf(one.digest, one.manifest)).toEqual(one.key)
})
