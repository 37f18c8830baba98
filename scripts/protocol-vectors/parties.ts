// Who the test vectors are about: keys of everybody, out of seeds that anybody can repeat, and two roots of trust.

import { createHash } from 'node:crypto'
import { type KeyPair, keyPairFromSeed } from '@roost/shared/trust/keys.ts'
import { makeRoot, type Root, type RootSpec, signRoot } from '@roost/shared/trust/root.ts'
import nacl from 'tweetnacl'

/** Device and nonce of all vectors. */
export const device = 'gateway-7'
export const nonce: Uint8Array = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')

const seedOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)

export const seeds = { root: 1, release: 2, assignment: 3, nextAssignment: 4, stranger: 5, device: 7 } as const
export const rootKey = keyPairFromSeed(seedOf(seeds.root))
export const releaseKey = keyPairFromSeed(seedOf(seeds.release))
export const assignmentKey = keyPairFromSeed(seedOf(seeds.assignment))
export const nextAssignmentKey = keyPairFromSeed(seedOf(seeds.nextAssignment))
export const strangerKey = keyPairFromSeed(seedOf(seeds.stranger))
export const deviceKey = keyPairFromSeed(seedOf(seeds.device))
/** X25519, of the device: what sealed bundles' keys are boxed for. */
export const sealPair = nacl.box.keyPair.fromSecretKey(seedOf(8))

/** Version 2 names another assignment key, so what the old one said is forgotten. */
export const roots: readonly [Root, Root] = [aRoot(1, assignmentKey), aRoot(2, nextAssignmentKey)]
export const rootEnvelopes: readonly [Uint8Array, Uint8Array] = [
  signRoot(roots[0], [rootKey]),
  signRoot(roots[1], [rootKey]),
]

export function aRoot(version: number, assignment: KeyPair): Root {
  const held = ({ publicKey }: KeyPair) => ({ publicKeys: [publicKey], threshold: 1 })
  const roles: RootSpec['roles'] = { root: held(rootKey), release: held(releaseKey), assignment: held(assignment) }
  return makeRoot({ version, expires: new Date('2036-01-01T00:00:00Z'), roles })
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** A text over and over, cut to a length: long files in few words. */
export const repeated = (text: string, sizeBytes: number): Uint8Array => Buffer.alloc(sizeBytes, text)
