// Everything a device checks of an `assign` message before it believes a word of it. Pure: what is pinned and the bytes
// in; what to do, or why not, and what is to be pinned from now on, out.

import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import { verifyManifest } from '@roost/shared/bundle/manifest.ts'
import type { Profile } from '@roost/shared/profiles/profile.ts'
import { Assign, messageBytesMax, type Patch, type SealedKey } from '@roost/shared/protocol/messages.ts'
import type { Digest } from '@roost/shared/protocol/names.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import {
  type Assignment,
  contentDigest,
  shadowSampleDefault,
  verifyAssignment,
} from '@roost/shared/trust/assignment.ts'
import { type TrustCode, TrustError } from '@roost/shared/trust/error.ts'
import { advanceRoot, isExpired, type Root } from '@roost/shared/trust/root.ts'
import { counterFloorsMax, type PinnedState, pinnedRoot } from '../identity/pinned-state.ts'
import type { WishedShadow } from './shadow-set.ts'
import { misfitOf, type WishedBundle } from './target.ts'

export type RefusalCode =
  | TrustCode
  | 'message' // too long, not CBOR, or not an assign message
  | 'manifest-missing' // a deployment's manifest did not come along
  | 'counter' // a version below the floor of its model
  | 'floors' // more floors than a device remembers
export type Refusal = { code: RefusalCode; detail: string }

export type AcceptedAssign = {
  assignment: Assignment
  /** The manifests the assignment names, by digest, and the envelopes they were verified in. */
  manifests: ReadonlyMap<Digest, Manifest>
  envelopes: ReadonlyMap<Digest, Uint8Array>
  /** Boxes that came along for them. Unsigned: what is in one counts only if the manifest names it. */
  keys: readonly SealedKey[]
  /** The deployments, each with what it runs, and why this device cannot run it where it cannot. */
  bundles: readonly WishedBundle[]
  /** What shall run beside them. */
  shadows: readonly WishedShadow[]
  root: Root
  /** Nobody signed them: what they make is held against the manifests. */
  patches: readonly Patch[]
  /** Root or assignment have expired: nothing new may be installed; what serves goes on. */
  expired: boolean
}

export type AssignExpectations = {
  device: string
  profile: Profile
  /** Of the latest hello of this connection, 16 bytes. */
  nonce: Uint8Array
  /** The time this device may assume: the latest signed time, plus what its monotonic clock has counted since. */
  timeMs: number
  /** The envelope of a manifest that came along with an earlier assignment; it is verified again. */
  held?: (manifest: Digest) => Uint8Array | undefined
}

/** `pinned` must be durable before anything is done about `accepted`, and also after a refusal: a root that followed
 *  rightly is kept even if what came with it is refused. It is the same object where nothing changed. */
export type AssignOutcome = { pinned: PinnedState } & (
  | { accepted: AcceptedAssign; refused?: undefined }
  | { accepted?: undefined; refused: Refusal }
)

/** Judges the bytes of one `assign` message. Never throws for anything that can come over the wire. */
export function acceptAssign(pinned: PinnedState, bytes: Uint8Array, expected: AssignExpectations): AssignOutcome {
  let known = pinned
  try {
    const message = readMessage(bytes)
    const before = pinnedRoot(pinned)
    const { root, envelope } = advanceRoot(before, message.roots, pinned.timeFloorMs)
    if (envelope !== undefined) known = pinRoot(pinned, before, root, envelope)
    const assignment = verifyAssignment(message.assignment, root, {
      device: expected.device,
      nonce: expected.nonce,
      generation: known.generation,
      contentDigest: known.contentDigest,
    })
    const { manifests, envelopes } = verifyManifests(
      assignment,
      [...message.manifests, ...heldOf(assignment, expected)],
      root,
    )
    const counterFloors = raisedFloors(known.counterFloors, assignment.floors)
    const wished = assignment.deployments.map(({ deployment, manifest: digest, attempt, role, sample }) => {
      const manifest = manifestOf(digest, manifests)
      assertCounter(manifest, counterFloors)
      const { model, version } = manifest
      const misfit = misfitOf(manifest, expected.profile)
      return { role, sample, bundle: { deployment, manifest: digest, attempt, model, version, misfit } }
    })
    const bundles = wished.flatMap(({ role, bundle }) => (role === undefined ? [bundle] : []))
    const shadows = wished.flatMap(({ role, sample = shadowSampleDefault, bundle }) =>
      role === undefined ? [] : [{ ...bundle, role, sample }],
    )
    const timeFloorMs = Math.max(known.timeFloorMs, Date.parse(assignment.issued))
    const timeMs = Math.max(timeFloorMs, expected.timeMs)
    const expired = isExpired(root, timeMs) || isExpired(assignment, timeMs)
    const { generation } = assignment
    return {
      pinned: keepSame(known, { generation, contentDigest: contentDigest(assignment), counterFloors, timeFloorMs }),
      accepted: {
        assignment,
        manifests,
        envelopes,
        keys: message.keys ?? [],
        bundles,
        shadows,
        root,
        patches: message.patches ?? [],
        expired,
      },
    }
  } catch (error) {
    if (error instanceof RefusedError) return { pinned: known, refused: { code: error.code, detail: error.message } }
    if (error instanceof TrustError) return { pinned: known, refused: { code: error.code, detail: error.message } }
    throw error
  }
}

class RefusedError extends Error {
  readonly code: RefusalCode
  constructor(code: RefusalCode, message: string) {
    super(message)
    this.code = code
  }
}

function readMessage(bytes: Uint8Array): Assign {
  if (bytes.length > messageBytesMax) throw new RefusedError('message', `${bytes.length} bytes`)
  const decoded = decode(Assign, bytes)
  if (!decoded.ok) throw new RefusedError('message', decoded.reason)
  return decoded.message
}

/** The new root. Where none of the old assignment keys' signatures would do any more, what they said is forgotten:
 *  generation, floors and time may have been driven to the end of their range by whoever stole the old key
 *  (TUF 5.3.11). No old assignment comes back by that: none verifies. */
function pinRoot(pinned: PinnedState, before: Root, root: Root, rootEnvelope: Uint8Array): PinnedState {
  const { keyids, threshold } = root.roles.assignment
  const stillHeld = before.roles.assignment.keyids.filter((keyid) => keyids.includes(keyid))
  const next = { ...pinned, rootEnvelope, rootVersion: root.version }
  if (stillHeld.length >= threshold) return next
  return { ...next, generation: 0, contentDigest: undefined, counterFloors: new Map(), timeFloorMs: 0 }
}

function heldOf({ deployments }: Assignment, { held }: AssignExpectations): Uint8Array[] {
  return deployments.flatMap(({ manifest }) => held?.(manifest) ?? [])
}

function verifyManifests(assignment: Assignment, envelopes: readonly Uint8Array[], root: Root) {
  const named = new Set(assignment.deployments.map(({ manifest }) => manifest))
  const verified = envelopes
    .map((envelope) => ({ envelope, ...verifyManifest(envelope, root) }))
    .filter(({ digest }) => named.has(digest))
  return {
    manifests: new Map(verified.map(({ digest, manifest }) => [digest, manifest])),
    envelopes: new Map(verified.map(({ digest, envelope }) => [digest, envelope])),
  }
}

function manifestOf(digest: Digest, manifests: ReadonlyMap<Digest, Manifest>): Manifest {
  const manifest = manifests.get(digest)
  if (manifest === undefined) throw new RefusedError('manifest-missing', `the manifest ${digest} did not come along`)
  return manifest
}

function raisedFloors(known: PinnedState['counterFloors'], named: Assignment['floors']): Map<string, number> {
  const floors = new Map(known)
  for (const [model, floor] of Object.entries(named)) floors.set(model, Math.max(floor, floors.get(model) ?? 0))
  if (floors.size > counterFloorsMax)
    throw new RefusedError('floors', `${floors.size} models, at most ${counterFloorsMax}`)
  return floors
}

function assertCounter({ model, version, counter }: Manifest, floors: PinnedState['counterFloors']): void {
  const floor = floors.get(model) ?? 0
  if (counter < floor)
    throw new RefusedError('counter', `${model} ${version} has counter ${counter}, the floor is ${floor}`)
}

/** `pinned` itself where the changes change nothing, so that a repeated assignment costs no write. */
function keepSame(pinned: PinnedState, changes: Partial<PinnedState>): PinnedState {
  const next = { ...pinned, ...changes }
  const said = ({ generation, contentDigest, counterFloors, timeFloorMs }: PinnedState) =>
    JSON.stringify([generation, contentDigest, [...counterFloors].sort(), timeFloorMs])
  return said(next) === said(pinned) ? pinned : next
}
