// Messages of `down/assign`, right in every point that a vector does not change.

import { encode } from '@roost/shared/protocol/wire.ts'
import { type Assignment, signAssignment } from '@roost/shared/trust/assignment.ts'
import { encodeEnvelope, type PayloadType, signEnvelope } from '@roost/shared/trust/envelope.ts'
import type { KeyPair } from '@roost/shared/trust/keys.ts'
import { type box, next } from './bundles.ts'
import { assignmentKey, device, nonce } from './parties.ts'

export const wishes: Assignment = {
  type: 'assignment',
  formatVersion: 1,
  device,
  generation: 5,
  nonce: Buffer.from(nonce).toString('hex'),
  issued: '2026-11-26T12:00:00.000Z',
  expires: '2026-12-03T12:00:00.000Z',
  deployments: [{ deployment: 'line-1', manifest: next.digest, attempt: 1 }],
  floors: { pumps: 2 },
}

export type Beside = { manifests?: Uint8Array[]; roots?: Uint8Array[]; keys?: (typeof box)[] }

export function message(assignment: Uint8Array, { manifests = [], roots = [], keys }: Beside = {}) {
  return encode({ assignment, manifests, roots, ...(keys === undefined ? {} : { keys }) })
}

export function signed(changes: Partial<Assignment>, key: KeyPair = assignmentKey): Uint8Array {
  return signAssignment({ ...wishes, ...changes }, [key])
}

/** An envelope over any text. */
export function enveloped(type: PayloadType, text: string, key: KeyPair): Uint8Array {
  return encodeEnvelope(signEnvelope(type, Buffer.from(text), [key]))
}
