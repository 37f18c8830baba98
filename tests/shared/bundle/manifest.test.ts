// P1 and P2, the manifest: named by its exact bytes, believed by the release key, and consistent in itself.

import { createHash } from 'node:crypto'
import {
  type BundleFile,
  type Manifest,
  manifestDigest,
  manifestPayload,
  parseManifest,
  signManifest,
  verifyManifest,
} from '@roost/shared/bundle/manifest.ts'
import { messageBytesMax } from '@roost/shared/protocol/messages.ts'
import { describe, expect, test } from 'vitest'
import { aKeyPair, aManifest, aRoot, assignmentKey, outcomeOf, releaseKey } from '../trust/builders.ts'

const root = aRoot()
const aFile = (changes: Partial<BundleFile> = {}): BundleFile => ({
  role: 'model',
  sha256: 'ab'.repeat(32),
  sizeBytes: 65_536 * 2,
  chunks: Buffer.alloc(64).toString('base64'),
  ...changes,
})

test('a manifest comes back as it went in, under the sha256 of its bytes', () => {
  const payload = manifestPayload(aManifest())
  const digest = createHash('sha256').update(payload).digest('hex')
  expect(verifyManifest(signManifest(payload, [releaseKey]), root)).toEqual({ manifest: aManifest(), digest })
  expect(manifestDigest(payload)).toBe(digest)
})

test('its name does not depend on who signed it, nor on how often', () => {
  const both = aRoot({ release: { keys: [releaseKey, aKeyPair('second')], threshold: 1 } })
  const payload = manifestPayload(aManifest())
  const digests = [[releaseKey], [aKeyPair('second')], [aKeyPair('second'), releaseKey]].map(
    (signers) => verifyManifest(signManifest(payload, signers), both).digest,
  )
  expect(new Set(digests).size).toBe(1)
})

test('its name does depend on every byte, white space too', () => {
  const payload = manifestPayload(aManifest())
  const spaced = Buffer.concat([payload, Buffer.from(' ')])
  expect(verifyManifest(signManifest(spaced, [releaseKey]), root).digest).not.toBe(manifestDigest(payload))
})

test('the hub alone cannot make one', () => {
  expect(outcomeOf(() => verifyManifest(signManifest(manifestPayload(aManifest()), [assignmentKey]), root))).toBe(
    'threshold',
  )
})

describe('refused though signed', () => {
  test.each<[string, Partial<Manifest>, string]>([
    ['two files of one role', { files: [aFile(), aFile()] }, 'manifest'],
    ['no model', { files: [aFile({ role: 'golden' })] }, 'manifest'],
    ['a chunk hash too few', { files: [aFile({ chunks: Buffer.alloc(32).toString('base64') })] }, 'manifest'],
    ['a chunk hash too many', { files: [aFile({ chunks: Buffer.alloc(96).toString('base64') })] }, 'manifest'],
    ['half a chunk hash', { files: [aFile({ chunks: Buffer.alloc(48).toString('base64') })] }, 'manifest'],
    ['one byte more than its chunks', { files: [aFile({ sizeBytes: 65_536 * 2 + 1 })] }, 'manifest'],
    ['an empty file', { files: [aFile({ sizeBytes: 0, chunks: '' })] }, 'malformed'],
    ['a file beyond the bound', { files: [aFile({ sizeBytes: 8192 * 65_536 + 1 })] }, 'malformed'],
    [
      'a part as large as a model',
      { files: [aFile(), aFile({ role: 'golden', sizeBytes: 1024 * 65_536 + 1 })] },
      'manifest',
    ],
    ['a path for a digest', { files: [aFile({ sha256: `../${'a'.repeat(61)}` })] }, 'malformed'],
    ['a counter of zero', { counter: 0 }, 'malformed'],
    ['a model with a slash', { model: 'a/b' }, 'malformed'],
  ])('%s', (_, changes, code) => {
    const bytes = signManifest(manifestPayload(aManifest(changes)), [releaseKey])
    expect(outcomeOf(() => verifyManifest(bytes, root))).toBe(code)
  })

  test('stray bits at the end of the hash list, which would give one list two names', () => {
    const chunks = Buffer.alloc(64).toString('base64')
    const bent = `${chunks.slice(0, -3)}B==`
    expect(Buffer.from(bent, 'base64').equals(Buffer.alloc(64))).toBe(true)
    expect(outcomeOf(() => parseManifest(manifestPayload(aManifest({ files: [aFile({ chunks: bent })] }))))).toBe(
      'malformed',
    )
  })

  test('the largest manifest there may be still fits its envelope', () => {
    const full = (chunks: number) => ({
      sizeBytes: chunks * 65_536,
      chunks: Buffer.alloc(chunks * 32).toString('base64'),
    })
    const parts = (['features', 'baseline', 'golden'] as const).map((role) => aFile({ role, ...full(1024) }))
    const files = [aFile(full(8192)), ...parts]
    const bytes = signManifest(manifestPayload(aManifest({ files })), [releaseKey])
    expect(outcomeOf(() => verifyManifest(bytes, root))).toBe('accepted')
    // beside an assignment and a root
    expect(bytes.length).toBeLessThan(messageBytesMax - 2 * 65_536)
  })
})
