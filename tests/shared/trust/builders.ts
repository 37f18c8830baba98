// Roots, manifests and assignments for tests, correct in every point a test does not change.
// Keys come from numbered seeds, so that a failing case can be repeated.

import { createHash } from 'node:crypto'
import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import type { Assignment } from '@roost/shared/trust/assignment.ts'
import type { TrustCode } from '@roost/shared/trust/error.ts'
import { TrustError } from '@roost/shared/trust/error.ts'
import { type KeyPair, keyPairFromSeed } from '@roost/shared/trust/keys.ts'
import { makeRoot, type Root, type RootSpec } from '@roost/shared/trust/root.ts'

export const aKeyPair = (name: string): KeyPair => keyPairFromSeed(createHash('sha256').update(name).digest())

export const rootKey = aKeyPair('root')
export const releaseKey = aKeyPair('release')
export const assignmentKey = aKeyPair('assignment')

type RootChanges = { version?: number; expires?: Date } & {
  [role in keyof RootSpec['roles']]?: { keys: readonly KeyPair[]; threshold: number }
}

export function aRoot(changes: RootChanges = {}): Root {
  const roleOf = (role: { keys: readonly KeyPair[]; threshold: number }) => ({
    publicKeys: role.keys.map(({ publicKey }) => publicKey),
    threshold: role.threshold,
  })
  return makeRoot({
    version: changes.version ?? 1,
    expires: changes.expires ?? new Date('2030-01-01T00:00:00Z'),
    roles: {
      root: roleOf(changes.root ?? { keys: [rootKey], threshold: 1 }),
      release: roleOf(changes.release ?? { keys: [releaseKey], threshold: 1 }),
      assignment: roleOf(changes.assignment ?? { keys: [assignmentKey], threshold: 1 }),
    },
  })
}

export function aManifest(changes: Partial<Manifest> = {}): Manifest {
  return {
    type: 'manifest',
    formatVersion: 1,
    model: 'vibration',
    version: 7,
    counter: 12,
    variant: 'fp32',
    profiles: [],
    files: [
      { role: 'model', sha256: 'ab'.repeat(32), sizeBytes: 70_000, chunks: Buffer.alloc(64, 7).toString('base64') },
    ],
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
    opset: 17,
    limits: { memoryBytes: 50_000_000, trialMs: 5000, inferenceMs: 100 },
    window: { seconds: 60 },
    created: '2026-11-01T00:00:00Z',
    ...changes,
  }
}

export const aNonce: Uint8Array = Buffer.from('00112233445566778899aabbccddeeff', 'hex')

export function anAssignment(changes: Partial<Assignment> = {}): Assignment {
  return {
    type: 'assignment',
    formatVersion: 1,
    device: 'd-42',
    generation: 31,
    nonce: Buffer.from(aNonce).toString('hex'),
    issued: '2026-11-24T08:00:00Z',
    expires: '2026-12-24T08:00:00Z',
    deployments: [{ deployment: 'line-1', manifest: 'cd'.repeat(32), attempt: 1 }],
    floors: { vibration: 10 },
    ...changes,
  }
}

/** The code of the TrustError that `act` throws, 'accepted' if it throws nothing. Anything else thrown stays thrown. */
export function outcomeOf(act: () => unknown): TrustCode | 'accepted' {
  try {
    act()
    return 'accepted'
  } catch (error) {
    if (error instanceof TrustError) return error.code
    throw error
  }
}
