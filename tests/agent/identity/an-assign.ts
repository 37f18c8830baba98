// An assignment of any generation for one device and one hello; its floor rises with the generation.

import type { AssignExpectations } from '@roost/agent/reconcile/accept.ts'
import type { Profile } from '@roost/shared/profiles/profile.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { signAssignment } from '@roost/shared/trust/assignment.ts'
import { aNonce, anAssignment, assignmentKey } from '../../shared/trust/builders.ts'

const profile: Profile = {
  name: 'generic-x64',
  description: '',
  memoryBytes: 134_217_728,
  blobBytes: 536_870_912,
  outboxBytes: 33_554_432,
  switch: 'warm',
  probationMs: 30_000,
  probationErrorShareMax: 0.05,
}

export const expectations: AssignExpectations = {
  device: 'd-42',
  profile,
  nonce: aNonce,
  timeMs: Date.parse('2026-11-24T08:00:00Z'),
}

export const anAssignOf = (generation: number): Uint8Array =>
  encode({
    assignment: signAssignment(anAssignment({ generation, deployments: [], floors: { vibration: generation } }), [
      assignmentKey,
    ]),
    manifests: [],
    roots: [],
  })
