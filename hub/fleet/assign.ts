// The assignment as a message: what is wanted of a device, signed in answer to one nonce, with the manifests it names
// and the roots the device has not seen.

import {
  type Assign,
  messageBytesMax,
  type Patch,
  patchesMax,
  type SealedKey,
} from '@roost/shared/protocol/messages.ts'
import type { Digest } from '@roost/shared/protocol/names.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { signAssignment } from '@roost/shared/trust/assignment.ts'
import { wrapContentKey } from '@roost/shared/trust/content-key.ts'
import { z } from 'zod'
import { type Step, stepsOf } from '../deltas/store.ts'
import type { Hub } from '../hub.ts'
import { isSignedFor } from '../registry/signature.ts'
import { findEnvelope } from '../registry/store.ts'
import { contentKeyOf } from '../sealing/content-keys.ts'
import { BytesColumn } from '../storage/database.ts'
import { type WholeWish, wholeWish } from './desired.ts'

/** A device that hears nothing newer for so long installs nothing more; what serves goes on serving. */
export const assignmentLifetimeMs = 7 * 86_400_000
/** As many root envelopes as fit into one message; a device further behind gets the next ones at its next hello. */
const rootsMax = 32
/** Envelopes kept in memory, so that a wave reads each once. */
const envelopeCacheBytesMax = 32 * 1_048_576
/** Beside the envelopes: CBOR around them, topic. */
const messageOverheadBytes = 4_096
/** Three digests in hex, a size, and the names of the fields. */
const patchOverheadBytes = 256
/** A digest in hex, 32, 24 and 48 bytes, and the names of the fields. */
const sealedKeyBytes = 256

/** The patches there are for the steps of a device. */
export type OfferPatches = (device: string, steps: readonly Step[]) => Promise<Patch[]>

/** What the device said in its latest hello. */
export type Asked = {
  nonce: Uint8Array
  rootVersion: number
  /** Manifests it holds: told again only where there is room. */
  held: ReadonlySet<Digest>
}

export type Assigner = {
  /** The encoded message; undefined where the device is revoked or unknown. */
  answer: (device: string, asked: Asked) => Promise<Uint8Array | undefined>
}

/** A signed manifest, the version of the root that vouches for it, and where its bundle is sealed the key to it: never
 *  logged, never on disk but locked. */
type Known = { envelope: Uint8Array; contentKey: Uint8Array | undefined; root: number }

export function createAssigner(
  hub: Pick<Hub, 'database' | 'keys' | 'clock' | 'log' | 'random'>,
  offer: OfferPatches,
): Assigner {
  const { database, keys, clock, log } = hub
  const envelopes = new Map<Digest, Known>()
  let cachedBytes = 0

  /** Never changes what it says: a manifest is named by its digest. But it may be signed anew: what the root in force does
   *  not vouch for is read each time. Oldest out first. */
  const knownOf = async (digest: Digest): Promise<Known | undefined> => {
    const cached = envelopes.get(digest)
    if (cached !== undefined && cached.root === keys.root.version) return cached
    const envelope = await findEnvelope(database, digest)
    if (envelope === undefined) return undefined
    const { root } = keys
    const known = { envelope, contentKey: await contentKeyOf(hub, digest), root: root.version }
    cachedBytes -= envelopes.get(digest)?.envelope.length ?? 0
    envelopes.delete(digest)
    if (!isSignedFor(root, envelope)) return known
    envelopes.set(digest, known)
    cachedBytes += envelope.length
    for (const [oldest, { envelope }] of envelopes) {
      if (cachedBytes <= envelopeCacheBytesMax) break
      envelopes.delete(oldest)
      cachedBytes -= envelope.length
    }
    return known
  }

  /** One box a sealed bundle, for this device and no other; made anew each time. */
  const boxesFor = async (device: string, contentKeys: ReadonlyMap<Digest, Uint8Array>): Promise<SealedKey[]> => {
    if (contentKeys.size === 0) return []
    const row = await database.first(z.object({ seal_key: BytesColumn }), 'SELECT seal_key FROM devices WHERE id = ?', [
      device,
    ])
    if (row === undefined) return []
    return [...contentKeys].map(([manifest, key]) => wrapContentKey(key, manifest, row.seal_key, hub.random))
  }

  return {
    answer: async (device, asked) => {
      const wish = await wholeWish(database, device)
      if (wish === undefined) return undefined
      const assignment = signAssignment(assignmentOf(device, wish, asked.nonce, clock()), [keys.assignment])
      const roots = keys.roots.slice(asked.rootVersion, asked.rootVersion + rootsMax)
      const found = new Map<Digest, Uint8Array>()
      const contentKeys = new Map<Digest, Uint8Array>()
      for (const { manifest } of wish.deployments) {
        const known = await knownOf(manifest)
        if (known === undefined) log.error({ device, manifest }, 'a manifest that is wanted has no envelope')
        else found.set(manifest, known.envelope)
        if (known?.contentKey !== undefined) contentKeys.set(manifest, known.contentKey)
      }
      const sealed = await boxesFor(device, contentKeys)
      const fixedBytes = [assignment, ...roots].reduce(
        (sum, { length }) => sum + length,
        messageOverheadBytes + sealed.length * sealedKeyBytes,
      )
      const manifests = fitting(found, asked.held, messageBytesMax - fixedBytes)
      if (manifests.length < found.size) {
        log.info({ device, told: manifests.length, wanted: found.size }, 'an assignment leaves manifests for later')
      }
      const message: Assign = { assignment, manifests, roots, ...(sealed.length > 0 && { keys: sealed }) }
      const leftBytes = manifests.reduce((left, { length }) => left - length, messageBytesMax - fixedBytes)
      const patches = fittingPatches(await offer(device, await stepsOf(database, device, wish.deployments)), leftBytes)
      return encode(patches.length > 0 ? ({ ...message, patches } satisfies Assign) : message)
    },
  }
}

const assignmentOf = (
  device: string,
  { generation, deployments, floors }: WholeWish,
  nonce: Uint8Array,
  nowMs: number,
) => ({
  type: 'assignment' as const,
  formatVersion: 1 as const,
  device,
  generation,
  nonce: Buffer.from(nonce).toString('hex'),
  issued: new Date(nowMs).toISOString(),
  expires: new Date(nowMs + assignmentLifetimeMs).toISOString(),
  deployments,
  floors,
})

/** Patches are hints: what does not fit is left out, and the file goes whole. */
function fittingPatches(patches: readonly Patch[], bytesMax: number): Patch[] {
  let bytes = 0
  return patches.slice(0, patchesMax).filter(({ chunks }) => {
    bytes += chunks.length + patchOverheadBytes
    return bytes <= bytesMax
  })
}

/** What fits: first those the device does not hold, then those it does. It gets the others when it holds these. */
export function fitting(
  envelopes: ReadonlyMap<Digest, Uint8Array>,
  held: ReadonlySet<Digest>,
  bytesMax: number,
): Uint8Array[] {
  const inOrder = [...envelopes].sort(([a], [b]) => Number(held.has(a)) - Number(held.has(b)))
  let bytes = 0
  return inOrder.flatMap(([, envelope]) => {
    if (bytes + envelope.length > bytesMax) return []
    bytes += envelope.length
    return [envelope]
  })
}
