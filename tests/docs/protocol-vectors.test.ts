// docs/protocol-vectors.json: as the code makes it now, and what the hub and the agent of this repository read in it. An
// agent in another language is held against the same file.

import { verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { applyPatch } from '@roost/shared/bundle/delta/apply.ts'
import type { Source } from '@roost/shared/bundle/delta/format.ts'
import { verifyManifest } from '@roost/shared/bundle/manifest.ts'
import { openFile } from '@roost/shared/bundle/sealing.ts'
import { Profile } from '@roost/shared/profiles/profile.ts'
import { EnrolRequest, enrolmentClaim } from '@roost/shared/protocol/enrolment.ts'
import * as schemas from '@roost/shared/protocol/messages.ts'
import { RecordBody } from '@roost/shared/protocol/records.ts'
import { chunkTopic, parseUpTopic } from '@roost/shared/protocol/topics.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import { unwrapContentKey } from '@roost/shared/trust/content-key.ts'
import { publicKeyObject } from '@roost/shared/trust/keys.ts'
import { verifyRoot } from '@roost/shared/trust/root.ts'
import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { readChunkMessage } from '../../agent/download/chunk-message.ts'
import { type PinnedState, pinFirstRoot } from '../../agent/identity/pinned-state.ts'
import { acceptAssign } from '../../agent/reconcile/accept.ts'
import { accepts, refuses } from '../../scripts/protocol-vectors/assigns.ts'
import * as bundles from '../../scripts/protocol-vectors/bundles.ts'
import { type MessageVector, messages, records } from '../../scripts/protocol-vectors/conversation.ts'
import { currentVectors, vectorsFile } from '../../scripts/protocol-vectors/main.ts'
import {
  device,
  deviceKey,
  nonce,
  rootEnvelopes,
  roots,
  sealPair,
  sha256,
} from '../../scripts/protocol-vectors/parties.ts'
import { patch } from '../../scripts/protocol-vectors/patch.ts'
import { enrolment } from '../../scripts/protocol-vectors/vectors.ts'

const profileFile = new URL('../../firmware-profiles/generic-x64.json', import.meta.url)
const profile = Profile.parse(JSON.parse(readFileSync(profileFile, 'utf8')))

test('the file is as `npm run docs:vectors` writes it', () => {
  expect(readFileSync(vectorsFile, 'utf8')).toBe(currentVectors())
})

test('the enrolment is one, and its proof holds', () => {
  const request = EnrolRequest.parse(enrolment.request)
  expect(Buffer.from(enrolmentClaim(request)).toString()).toBe(enrolment.claim)
  const key = publicKeyObject(deviceKey.publicKey)
  expect(verify(null, Buffer.from(enrolment.claim), key, Buffer.from(request.proof, 'base64'))).toBe(true)
  expect(Buffer.from(request.signKey, 'base64')).toEqual(Buffer.from(deviceKey.publicKey))
})

describe('what a device makes of an assign', () => {
  const judge = (pinned: PinnedState, message: Uint8Array) =>
    acceptAssign(pinned, message, {
      device,
      profile,
      nonce,
      timeMs: 0,
      held: (digest) => (pinned.generation > 0 && digest === bundles.next.digest ? bundles.next.envelope : undefined),
    })
  const enrolled = pinFirstRoot(rootEnvelopes[0])
  const afterFirst = accepts.slice(0, 1).reduce((pinned, { message }) => judge(pinned, message).pinned, enrolled)

  test.each(accepts)('accepted: $name', ({ after, message, says, rootVersion, expired }) => {
    const { accepted, refused, pinned } = judge(after === 'first' ? afterFirst : enrolled, message)
    expect(refused).toBeUndefined()
    expect(accepted).toMatchObject({ assignment: says, expired })
    expect(pinned).toMatchObject({ generation: says.generation, rootVersion })
  })

  test.each(refuses)('$code: $name', ({ code, message, rootVersion }) => {
    const { refused, pinned } = judge(afterFirst, message)
    expect(refused?.code).toBe(code)
    expect(pinned.rootVersion).toBe(rootVersion)
  })

  test('the box of the sealed shadow opens, and the file with what is in it', () => {
    const box = accepts.map(({ message }) => judge(afterFirst, message).accepted?.keys.at(0)).find((key) => key)
    const key = box && unwrapContentKey(box, bundles.sealed.manifest.sealed?.key ?? '', sealPair.secretKey)
    expect(key).toEqual(bundles.contentKey)
    for (const [role, ciphertext, plain] of [
      ['golden', bundles.sealedGolden, bundles.goldenBytes],
      ['model', bundles.sealedModel, bundles.modelBytes],
    ] as const) {
      const opened = openFile(bundles.contentKey, role, Uint8Array.from(ciphertext))
      expect(opened && sha256(opened)).toBe(sha256(plain))
    }
  })
})

test('roots and manifests are signed', () => {
  const [first, second] = roots
  expect(verifyRoot(rootEnvelopes[0])).toEqual(first)
  expect(verifyRoot(rootEnvelopes[1], first)).toEqual(second)
  for (const { envelope, manifest, digest } of [bundles.open, bundles.next, bundles.sealed]) {
    expect(verifyManifest(envelope, first)).toEqual({ manifest, digest })
  }
})

describe('messages', () => {
  const schemaOf: Record<MessageVector['kind'], z.ZodType> = {
    hello: schemas.Hello,
    reports: schemas.Reports,
    want: schemas.Want,
    presence: schemas.Presence,
    ack: schemas.Ack,
    command: schemas.Command,
    chunk: schemas.Chunk,
  }

  test.each(messages)('$kind at $topic', ({ kind, topic, says, message }) => {
    expect(decode(schemaOf[kind], message)).toEqual({ ok: true, message: says })
    const isOfDevice = ['hello', 'reports', 'want', 'presence'].includes(kind)
    expect(parseUpTopic(topic)).toEqual(isOfDevice ? { device, kind } : undefined)
  })

  test('each record inside the reports', () => {
    const reports = messages.find(({ kind }) => kind === 'reports')
    const bodies = schemas.Reports.parse(reports?.says).records.map(({ body }) => decode(RecordBody, body))
    expect(bodies).toEqual(records.map((message) => ({ ok: true, message })))
  })

  test('the chunks make the model', () => {
    const file = bundles.fileOf('model', bundles.modelBytes)
    const chunks = messages.filter(({ kind }) => kind === 'chunk')
    const read = chunks.map(({ topic, message }) => readChunkMessage(file, topic, message))
    expect(chunks.map(({ topic }) => topic)).toEqual([0, 1].map((index) => chunkTopic(file.sha256, index)))
    expect(sha256(Buffer.concat(read.map((chunk) => chunk?.bytes ?? Buffer.alloc(0))))).toBe(file.sha256)
  })
})

test('the patch makes the new file, by every kind of operation', async () => {
  const made: Uint8Array[] = []
  const files = { base: bundles.fileOf('model', patch.old), target: bundles.fileOf('model', patch.new) }
  const pieces = applyPatch(source(patch.patch), source(patch.old), { base: files.base.sha256, target: files.target })
  for await (const piece of pieces) made.push(piece)
  expect(Buffer.concat(made)).toEqual(patch.new)
  expect(new Set(patch.operations.map(({ kind }) => kind)).size).toBe(5)
})

const source = (bytes: Uint8Array): Source => ({
  sizeBytes: bytes.length,
  read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
})
