// Messages of `down/assign`, good ones and bad ones, with what a device must make of each.

import { signManifest } from '@roost/shared/bundle/manifest.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import type { Assignment } from '@roost/shared/trust/assignment.ts'
import { payloadTypes } from '@roost/shared/trust/envelope.ts'
import { signRoot } from '@roost/shared/trust/root.ts'
import { type Bundle, box, bundle, next, open, sealed } from './bundles.ts'
import {
  aRoot,
  assignmentKey,
  nextAssignmentKey,
  releaseKey,
  rootEnvelopes,
  rootKey,
  roots,
  strangerKey,
} from './parties.ts'
import { enveloped, message, signed, wishes } from './sending.ts'
import {
  behindByteOrderMark,
  groupOrderAdded,
  keyTwice,
  namedAs,
  otherPayload,
  signedAsManifest,
  strayBits,
  twoRolesOfOneKey,
} from './spoiling.ts'

/** `after`: the device has accepted nothing since it was enrolled with root 1, or the first vector, whose manifest it
 *  keeps. `says`: what it reads, unknown fields left out. */
export type Accepted = {
  name: string
  after: 'enrolment' | 'first'
  says: Assignment
  rootVersion: number
  expired: boolean
  message: Uint8Array
}
/** All after the first one accepted. `rootVersion`: of the root that is pinned then. */
export type Refused = { code: string; name: string; rootVersion: number; message: Uint8Array }

const shadow: Assignment = {
  ...wishes,
  generation: 6,
  issued: '2026-11-26T13:00:00.000Z',
  deployments: [
    ...wishes.deployments,
    { deployment: 'line-1', manifest: sealed.digest, attempt: 1, role: 'shadow', sample: 0.25 },
  ],
}
const backwards = JSON.stringify(Object.fromEntries(Object.entries(wishes).reverse()))
const unknown = JSON.stringify({ ...wishes, generation: 6, later: true })
const nothing: Assignment = { ...wishes, generation: 7, deployments: [] }
const expired: Assignment = { ...wishes, generation: 6, expires: '2026-11-26T11:00:00.000Z' }
const anew: Assignment = { ...wishes, generation: 1, floors: {} }

export const accepts: readonly Accepted[] = [
  accepted('first', wishes, message(signed({}), { manifests: [next.envelope] }), { after: 'enrolment' }),
  accepted(
    'the same generation again, fields in another order, the manifest kept from before',
    wishes,
    message(enveloped(payloadTypes.assignment, backwards, assignmentKey)),
  ),
  accepted(
    'a sealed shadow beside what serves',
    shadow,
    message(signed(shadow), { manifests: [next.envelope, sealed.envelope], keys: [box] }),
  ),
  accepted(
    'a field that nobody knows yet',
    { ...wishes, generation: 6 },
    message(enveloped(payloadTypes.assignment, unknown, assignmentKey), { manifests: [next.envelope] }),
  ),
  accepted('nothing is wanted any more', nothing, message(signed(nothing))),
  accepted(
    'expired: nothing new is installed under it',
    expired,
    message(signed(expired), { manifests: [next.envelope] }),
    { expired: true },
  ),
  accepted(
    'a root with another assignment key, so generation and floors begin anew',
    anew,
    message(signed(anew, nextAssignmentKey), { manifests: [next.envelope], roots: [rootEnvelopes[1]] }),
    { rootVersion: 2 },
  ),
]

const unlikeItsSize = bundle({
  version: 2,
  counter: 2,
  files: open.manifest.files.map((file) => ({ ...file, sizeBytes: file.sizeBytes + 65_536 })),
})
const withoutModel = bundle({
  version: 2,
  counter: 2,
  files: open.manifest.files.filter(({ role }) => role === 'golden'),
})
const sixth = signed({ generation: 6 })

export const refuses: readonly Refused[] = [
  refused('message', 'no CBOR', Buffer.from('ff', 'hex')),
  refused('message', 'no list of roots', encode({ assignment: sixth, manifests: [] })),
  refused('malformed', 'a key twice in one object', message(keyTwice())),
  refused('malformed', 'a byte order mark before the envelope', message(behindByteOrderMark(sixth))),
  refused('malformed', 'stray bits in the base64 of the signature', message(strayBits(sixth))),
  refused(
    'malformed',
    'a deployment twice',
    message(signed({ generation: 6, deployments: [...wishes.deployments, ...wishes.deployments] })),
  ),
  refused('malformed', 'a generation that is no whole number', message(signed({ generation: 6.5 }))),
  refused('payload-type', 'a manifest where the assignment is due', message(next.envelope)),
  refused('threshold', 'signed by a stranger', message(signed({}, strangerKey))),
  refused('threshold', 'signed by the release key', message(signed({}, releaseKey))),
  refused(
    'threshold',
    'signed by a stranger in the name of the assignment key',
    message(namedAs(assignmentKey.keyid, signed({}, strangerKey))),
  ),
  refused('threshold', 'another payload', message(otherPayload())),
  refused('threshold', 'signed as if it were a manifest', message(signedAsManifest())),
  refused('threshold', 'S of the signature is not below the group order', message(groupOrderAdded(sixth))),
  refused('device', 'for another device', message(signed({ device: 'gateway-8' }))),
  refused('nonce', 'in answer to another hello', message(signed({ nonce: 'ff'.repeat(16) }))),
  refused('generation-old', 'one generation back', message(signed({ generation: 4 }))),
  refused('generation-content', 'the same generation with other floors', message(signed({ floors: { pumps: 1 } }))),
  refused('manifest-missing', 'a manifest that neither came nor was kept', message(wishing(sealed))),
  refused(
    'threshold',
    'a manifest signed by the assignment key',
    message(sixth, { manifests: [signManifest(next.payload, [assignmentKey])] }),
  ),
  refused('counter', 'a version below the floor of its model', message(wishing(open), { manifests: [open.envelope] })),
  refused(
    'manifest',
    'fewer chunk hashes than chunks',
    message(wishing(unlikeItsSize), { manifests: [unlikeItsSize.envelope] }),
  ),
  refused('manifest', 'no file of role model', message(wishing(withoutModel), { manifests: [withoutModel.envelope] })),
  refused(
    'root-version',
    'a root that skips a version',
    message(sixth, { roots: [signRoot(aRoot(3, nextAssignmentKey), [rootKey])] }),
  ),
  refused('threshold', 'a root signed by a stranger', message(sixth, { roots: [signRoot(roots[1], [strangerKey])] })),
  refused('key', 'a root that gives one key two roles', message(sixth, { roots: [twoRolesOfOneKey()] })),
  refused(
    'threshold',
    'an assignment by the old key beside a root that has replaced it: the root is kept',
    message(sixth, { roots: [rootEnvelopes[1]] }),
    2,
  ),
]

function accepted(
  name: string,
  says: Assignment,
  bytes: Uint8Array,
  besides: Partial<Omit<Accepted, 'name' | 'says' | 'message'>> = {},
): Accepted {
  return { name, after: 'first', says, rootVersion: 1, expired: false, ...besides, message: bytes }
}

function refused(code: string, name: string, bytes: Uint8Array, rootVersion = 1): Refused {
  return { code, name, rootVersion, message: bytes }
}

function wishing({ digest }: Bundle): Uint8Array {
  return signed({ generation: 6, deployments: [{ deployment: 'line-1', manifest: digest, attempt: 1 }] })
}
