// The signed head of the audit log: which row was last, with which hash, in a file beside the keys and signed by a key
// of its own. Who can change the database alone can recompute a chain, but not this.

import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { preAuthenticationEncoding } from '@roost/shared/trust/envelope.ts'
import { encodePrivateKey, generateKeyPair } from '@roost/shared/trust/keys.ts'
import { z } from 'zod'
import type { Random } from '../hub.ts'
import { unlessMissing, writeDurably } from '../storage/files.ts'
import type { Head } from './audit-chain.ts'

/** `open`: the hub may have written further rows. `closed`: it stopped in order, there are none.
 *  `broken`: it found a fault and signs no more until the file is moved away. */
export const HeadState = z.enum(['open', 'closed', 'broken'])
export type HeadState = z.infer<typeof HeadState>

export const SignedHead = z.object({
  seq: z.number().int().nonnegative(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  at: z.iso.datetime(),
  state: HeadState,
  /** Why it is broken. */
  reason: z.string().max(2000).nullable(),
  /** Ed25519 over the other members, as DSSE signs. */
  signature: z.base64(),
})
export type SignedHead = z.infer<typeof SignedHead>

export const headFile = (folder: string): string => join(folder, 'audit-head.json')
export const headKeyFile = (folder: string): string => join(folder, 'audit.pem')

/** The private key in `folder`, PEM; made where there is none. */
export async function openHeadKey(folder: string, random: Random): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const present = await unlessMissing(readFile(headKeyFile(folder), 'utf8'), undefined)
  if (present !== undefined) return present
  const made = encodePrivateKey(generateKeyPair(random))
  await writeDurably(headKeyFile(folder), made)
  return made
}

export async function writeHead(
  folder: string,
  key: string,
  head: Head,
  { at, state, reason }: { at: number; state: HeadState; reason: string | null },
): Promise<SignedHead> {
  const said = {
    seq: head.seq,
    hash: Buffer.from(head.hash).toString('hex'),
    at: new Date(at).toISOString(),
    state,
    reason,
  }
  const signature = sign(null, signedBytes(said), createPrivateKey(key)).toString('base64')
  const signed = { ...said, signature }
  await writeDurably(headFile(folder), `${JSON.stringify(signed)}\n`)
  return signed
}

export type FoundHead = SignedHead | 'no-head' | 'bad-head'

/** The head in `folder`, if the key beside it has signed it. */
export async function readHeadFile(folder: string): Promise<FoundHead> {
  const text = await unlessMissing(readFile(headFile(folder), 'utf8'), undefined)
  if (text === undefined) return 'no-head'
  const key = await unlessMissing(readFile(headKeyFile(folder), 'utf8'), undefined)
  const head = parseHead(text)
  if (key === undefined || head === undefined) return 'bad-head'
  return isSignedBy(key, head) ? head : 'bad-head'
}

export const placeOf = ({ seq, hash }: Pick<SignedHead, 'seq' | 'hash'>): Head => ({
  seq,
  hash: Buffer.from(hash, 'hex'),
})

/** The public half, PEM (SPKI), for those who keep heads elsewhere. */
export const headPublicKey = (key: string): string =>
  createPublicKey(key).export({ format: 'pem', type: 'spki' }).toString()

function isSignedBy(key: string, { signature, ...said }: SignedHead): boolean {
  try {
    return verify(null, signedBytes(said), createPublicKey(key), Buffer.from(signature, 'base64'))
  } catch {
    // a damaged key signs nothing
    return false
  }
}

function parseHead(text: string): SignedHead | undefined {
  try {
    return SignedHead.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

function signedBytes({ seq, hash, at, state, reason }: Omit<SignedHead, 'signature'>): Uint8Array {
  const payload = Buffer.from(JSON.stringify({ seq, hash, at, state, reason }))
  return preAuthenticationEncoding('application/vnd.roost.audit-head+json', payload)
}
