// DSSE envelopes (github.com/secure-systems-lab/dsse v1.0.2): the exact bytes of a document, signed with their type.
// Signed and verified with node:crypto. tweetnacl makes the same bytes (RFC 8032 leaves nothing to chance) in 5 ms of the
// hub's one thread instead of 0.07, and takes signatures with S >= L, which node:crypto refuses. Nothing is ever
// identified by its signature bytes.

import { sign, verify } from 'node:crypto'
import { z } from 'zod'
import { TrustError } from './error.ts'
import { type KeyPair, keyIdOf, privateKeyObject, publicKeyObject } from './keys.ts'
import type { RoleName, Root } from './root.ts'
import { parseStrictJson } from './strict-json.ts'

export const payloadTypes = {
  root: 'application/vnd.roost.root+json',
  manifest: 'application/vnd.roost.manifest+json',
  assignment: 'application/vnd.roost.assignment+json',
} as const
export type PayloadType = (typeof payloadTypes)[keyof typeof payloadTypes]

/** Longest envelope of each type. A manifest with a model of 512 MiB and three parts of 64 MiB is 640 KB. */
export const envelopeBytesMax: Readonly<Record<PayloadType, number>> = {
  [payloadTypes.root]: 65_536,
  [payloadTypes.manifest]: 1_048_576,
  [payloadTypes.assignment]: 65_536,
}
/** More than all roles of one root can have together. */
export const signaturesMax = 64

export type Envelope = {
  payloadType: string
  payload: Uint8Array
  signatures: { keyid: string; sig: Uint8Array }[]
}

/** Signs the payload together with its type, once with each key. */
export function signEnvelope(payloadType: PayloadType, payload: Uint8Array, keyPairs: readonly KeyPair[]): Envelope {
  const message = preAuthenticationEncoding(payloadType, payload)
  const signatures = keyPairs.map((pair) => ({ keyid: pair.keyid, sig: sign(null, message, privateKeyObject(pair)) }))
  return { payloadType, payload, signatures }
}

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const { payloadType, payload, signatures } = envelope
  const json: z.infer<typeof EnvelopeJson> = {
    payloadType,
    payload: Buffer.from(payload).toString('base64'),
    signatures: signatures.map(({ keyid, sig }) => ({ keyid, sig: Buffer.from(sig).toString('base64') })),
  }
  return Buffer.from(JSON.stringify(json))
}

/** Takes an envelope apart without believing it.
 *  Base64 must be canonical (standard alphabet, padded, no stray bits), so that each document has one form.
 *  @throws TrustError `too-large` before anything is parsed, `payload-type`, `malformed` */
export function decodeEnvelope(bytes: Uint8Array, payloadType: PayloadType): Envelope {
  const limit = envelopeBytesMax[payloadType]
  if (bytes.length > limit) throw new TrustError('too-large', `${bytes.length} bytes, at most ${limit}`)
  const json = parseStrictJson(bytes, EnvelopeJson)
  if (json.payloadType !== payloadType)
    throw new TrustError('payload-type', `${JSON.stringify(json.payloadType)} where ${payloadType} is due`)
  const signatures = json.signatures.map(({ keyid, sig }) => ({ keyid, sig: decodeBase64(sig) }))
  return { payloadType, payload: decodeBase64(json.payload), signatures }
}

/** The payload, once a threshold of the keys that `root` names for `role` has signed it. A key counts once,
 *  signatures of unknown keys and wrong ones count nothing.
 *  @throws TrustError `too-large`, `malformed`, `payload-type`, `threshold`, `key` */
export function verifyEnvelope(bytes: Uint8Array, payloadType: PayloadType, root: Root, role: RoleName): Uint8Array {
  const envelope = decodeEnvelope(bytes, payloadType)
  assertThreshold(envelope, payloadType, root, role)
  return envelope.payload
}

/** @throws TrustError `threshold`, `key` */
export function assertThreshold(envelope: Envelope, payloadType: PayloadType, root: Root, role: RoleName): void {
  const message = preAuthenticationEncoding(payloadType, envelope.payload)
  const { keyids, threshold } = root.roles[role]
  const signers = new Set<string>()
  for (const { keyid, sig } of envelope.signatures) {
    const key = root.keys[keyid]
    if (key === undefined || !keyids.includes(keyid)) continue
    const raw = decodeBase64(key.public)
    if (keyIdOf(raw) !== keyid) throw new TrustError('key', `the key ${keyid} is not what its name says`)
    if (verify(null, message, publicKeyObject(raw), sig)) signers.add(keyid)
  }
  if (signers.size < threshold)
    throw new TrustError('threshold', `${signers.size} valid signatures of role ${role}, ${threshold} are due`)
}

/** What is signed: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body, lengths in bytes as decimal numbers. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const header = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `
  return Uint8Array.from(Buffer.concat([Buffer.from(header), payload]))
}

const EnvelopeJson = z.object({
  payloadType: z.string().max(256),
  payload: z.string(),
  signatures: z
    .array(z.object({ keyid: z.string().max(256), sig: z.string().max(1024) }))
    .min(1)
    .max(signaturesMax),
})

/** @throws TrustError `malformed` unless `text` is the one canonical base64 form of its bytes */
export function decodeBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new TrustError('malformed', 'not canonical base64')
  return bytes
}
