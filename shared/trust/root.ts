// root.json: which keys hold which role, with what threshold, until when (TUF 1.0.34 §5.3, reduced to three roles).
// A root is pinned once; from then on a new one must follow the old by exactly one and be signed by both.

import { z } from 'zod'
import {
  assertThreshold,
  decodeBase64,
  decodeEnvelope,
  encodeEnvelope,
  payloadTypes,
  signEnvelope,
} from './envelope.ts'
import { TrustError } from './error.ts'
import { KeyId, type KeyPair, keyIdOf, PublicKey, publicKeyObject } from './keys.ts'
import { parseStrictJson } from './strict-json.ts'

export const roles = ['root', 'release', 'assignment'] as const
export type RoleName = (typeof roles)[number]

export const Role = z.object({ keyids: z.array(KeyId).min(1).max(16), threshold: z.number().int().positive().max(16) })
export type Role = z.infer<typeof Role>

export const Root = z.object({
  type: z.literal('root'),
  formatVersion: z.literal(1),
  version: z.number().int().positive(),
  expires: z.iso.datetime(),
  keys: z.record(KeyId, PublicKey),
  roles: z.object({ root: Role, release: Role, assignment: Role }),
})
export type Root = z.infer<typeof Root>

export type RootSpec = {
  version: number
  expires: Date
  roles: Record<RoleName, { publicKeys: readonly Uint8Array[]; threshold: number }>
}

/** Lays out a root; `signRoot` signs it.
 *  @throws TrustError `key` or `malformed` for one that no device would take */
export function makeRoot(spec: RootSpec): Root {
  const publicKeys = roles.flatMap((role) => spec.roles[role].publicKeys)
  const roleOf = ({ publicKeys, threshold }: RootSpec['roles'][RoleName]): Role => ({
    keyids: publicKeys.map(keyIdOf),
    threshold,
  })
  const root: Root = {
    type: 'root',
    formatVersion: 1,
    version: spec.version,
    expires: spec.expires.toISOString(),
    keys: Object.fromEntries(
      publicKeys.map((raw) => [keyIdOf(raw), { scheme: 'ed25519', public: Buffer.from(raw).toString('base64') }]),
    ),
    roles: {
      root: roleOf(spec.roles.root),
      release: roleOf(spec.roles.release),
      assignment: roleOf(spec.roles.assignment),
    },
  }
  return parseRoot(rootPayload(root))
}

/** The envelope's bytes. A root that follows another is signed by a threshold of the old root's keys and of its own. */
export function signRoot(root: Root, keyPairs: readonly KeyPair[]): Uint8Array {
  return encodeEnvelope(signEnvelope(payloadTypes.root, rootPayload(root), keyPairs))
}

const rootPayload = (root: Root): Uint8Array => Buffer.from(JSON.stringify(root))

/** Without `pinned`, a first pin: signed by a threshold of its own root keys. With it, a successor: version one higher,
 *  and signed by a threshold of the pinned root's keys too. Does not look at `expires`: see `isExpired`.
 *  @throws TrustError `too-large`, `malformed`, `payload-type`, `threshold`, `key`, `root-version` */
export function verifyRoot(bytes: Uint8Array, pinned?: Root): Root {
  const envelope = decodeEnvelope(bytes, payloadTypes.root)
  if (pinned !== undefined) assertThreshold(envelope, payloadTypes.root, pinned, 'root')
  // A root's own keys stand inside it, so at a first pin it is read before it is verified: bounded, strictly.
  const root = parseRoot(envelope.payload)
  assertThreshold(envelope, payloadTypes.root, root, 'root')
  if (pinned !== undefined && root.version !== pinned.version + 1)
    throw new TrustError('root-version', `version ${root.version} does not follow ${pinned.version}`)
  return root
}

export type Advanced = { root: Root; envelope: Uint8Array | undefined; expired: boolean }

/** Follows a chain of root envelopes, oldest first, one version a step. Those not newer than the pinned root are passed
 *  over unread, so that a repeated message does no harm; only the last one's expiry counts (TUF 5.3.10), and it is told,
 *  not enforced. `envelope`: of the root arrived at, undefined if that is the pinned one still.
 *  @throws TrustError as `verifyRoot`; nothing of the chain is to be kept then */
export function advanceRoot(pinned: Root, envelopes: readonly Uint8Array[], timeMs: number): Advanced {
  let root = pinned
  let envelope: Uint8Array | undefined
  for (const bytes of envelopes) {
    if (claimedVersion(bytes) <= root.version) continue
    root = verifyRoot(bytes, root)
    envelope = bytes
  }
  return { root, envelope, expired: isExpired(root, timeMs) }
}

/** For root, assignment, and whatever else expires. Time is the signed time known to the caller, ms since 1970. */
export const isExpired = (signed: { expires: string }, timeMs: number): boolean => timeMs > Date.parse(signed.expires)

/** Believed only in order to pass over an envelope, as if it had not come. */
function claimedVersion(bytes: Uint8Array): number {
  return parseRoot(decodeEnvelope(bytes, payloadTypes.root).payload).version
}

/** A root out of its payload, sound in itself; whether it is signed is `verifyRoot`'s to say.
 *  @throws TrustError `malformed`, `key` */
export function parseRoot(payload: Uint8Array): Root {
  const root = parseStrictJson(payload, Root)
  assertKeysSound(root)
  assertRolesSound(root)
  return root
}

function assertKeysSound(root: Root): void {
  for (const [keyid, key] of Object.entries(root.keys)) {
    const raw = decodeBase64(key.public)
    publicKeyObject(raw)
    if (keyIdOf(raw) !== keyid) throw new TrustError('key', `the key ${keyid} is not what its name says`)
  }
}

/** One key, one role: else whoever holds one key could sign both halves of what installs a model. */
function assertRolesSound(root: Root): void {
  const held = new Set<string>()
  for (const name of roles) {
    const { keyids, threshold } = root.roles[name]
    if (threshold > keyids.length) throw new TrustError('malformed', `role ${name} can never reach its threshold`)
    for (const keyid of keyids) {
      if (root.keys[keyid] === undefined) throw new TrustError('key', `role ${name} names a key that is not there`)
      if (held.has(keyid)) throw new TrustError('key', `the key ${keyid} is named twice`)
      held.add(keyid)
    }
  }
}
