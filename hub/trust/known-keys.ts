// Which keys there are and were: those that the chain of roots names, and the two that the hub has for itself. Pure.

import { verify } from 'node:crypto'
import { decodeBase64, decodeEnvelope, payloadTypes, preAuthenticationEncoding } from '@roost/shared/trust/envelope.ts'
import { encodePublicKey, publicKeyObject } from '@roost/shared/trust/keys.ts'
import { parseRoot, type Root, roles } from '@roost/shared/trust/root.ts'
import type { KeyDocument, Purpose } from './documents.ts'

/** A root of the chain, when its file was written, and who signed it. */
export type ChainedRoot = { root: Root; atMs: number; signers: readonly string[] }

/** @param envelope one that was verified already, as following `before`
 *  @throws TrustError */
export function readChained(envelope: Uint8Array, atMs: number, before: ChainedRoot | undefined): ChainedRoot {
  const { payload, payloadType, signatures } = decodeEnvelope(envelope, payloadTypes.root)
  const root = parseRoot(payload)
  const message = preAuthenticationEncoding(payloadType, payload)
  const keys = { ...before?.root.keys, ...root.keys }
  // beside those that were needed there may be some that are not good
  const signers = signatures
    .filter(({ keyid, sig }) => {
      const key = keys[keyid]
      return key !== undefined && verify(null, message, publicKeyObject(decodeBase64(key.public)), sig)
    })
    .map(({ keyid }) => keyid)
  return { root, atMs, signers }
}

/** Every key that a root of the chain names, role by role, those in use first, then by age.
 *  @param chain oldest first, not empty
 *  @param here ids of the keys whose private part lies at the hub */
export function keysOfChain(
  chain: readonly ChainedRoot[],
  here: ReadonlySet<string>,
  manifestsBy: ReadonlyMap<string, number>,
): KeyDocument[] {
  const newest = chain.at(-1)
  return roles.flatMap((role) => {
    const ids = new Set(chain.toReversed().flatMap(({ root }) => root.roles[role].keyids))
    return [...ids].map((id): KeyDocument => {
      const naming = chain.filter(({ root }) => root.roles[role].keyids.includes(id))
      const [first, last] = [naming[0], naming.at(-1)]
      const isUsed = last === newest
      const next = chain.find(({ root }) => root.version === (last?.root.version ?? 0) + 1)
      return {
        purpose: role,
        id,
        algorithm: 'ed25519',
        publicKey: encodePublicKey(decodeBase64(last?.root.keys[id]?.public ?? '')),
        state: isUsed ? 'in-use' : 'retired',
        here: here.has(id),
        since: isoTime(first?.atMs),
        until: isUsed ? null : isoTime(next?.atMs),
        expires: isUsed ? (last?.root.expires ?? null) : null,
        roots: { first: first?.root.version ?? 0, last: last?.root.version ?? 0 },
        signed: signedBy(role, id, chain, manifestsBy),
      }
    })
  })
}

function signedBy(
  role: Purpose,
  id: string,
  chain: readonly ChainedRoot[],
  manifestsBy: ReadonlyMap<string, number>,
): KeyDocument['signed'] {
  if (role === 'root') return { count: chain.filter(({ signers }) => signers.includes(id)).length, what: 'roots' }
  return role === 'release' ? { count: manifestsBy.get(id) ?? 0, what: 'manifests' } : null
}

export const isoTime = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString())
