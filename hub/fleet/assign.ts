// The assignment as a message: what is wanted of a device, signed in answer to one nonce, with the manifests it names
// and the roots the device has not seen.

import { type Assign, messageBytesMax } from '@roost/shared/protocol/messages.ts'
import type { Digest } from '@roost/shared/protocol/names.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { signAssignment } from '@roost/shared/trust/assignment.ts'
import type { Hub } from '../hub.ts'
import { findEnvelope } from '../registry/store.ts'
import { type WholeWish, wholeWish } from './desired.ts'

/** A device that hears nothing newer for so long installs nothing more; what serves goes on serving. */
export const assignmentLifetimeMs = 7 * 86_400_000
/** As many root envelopes as fit into one message; a device further behind gets the next ones at its next hello. */
const rootsMax = 32
/** Envelopes kept in memory, so that a wave reads each once. */
const envelopeCacheBytesMax = 32 * 1_048_576
/** Beside the envelopes: CBOR around them, topic. */
const messageOverheadBytes = 4_096

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

export function createAssigner(hub: Pick<Hub, 'database' | 'keys' | 'clock' | 'log'>): Assigner {
  const { database, keys, clock, log } = hub
  const envelopes = new Map<Digest, Uint8Array>()
  let cachedBytes = 0

  /** Never changes what it says: a manifest is named by its digest. Oldest out first. */
  const envelopeOf = async (digest: Digest): Promise<Uint8Array | undefined> => {
    const cached = envelopes.get(digest)
    if (cached !== undefined) return cached
    const envelope = await findEnvelope(database, digest)
    if (envelope === undefined || envelopes.has(digest)) return envelope
    envelopes.set(digest, envelope)
    cachedBytes += envelope.length
    for (const [oldest, bytes] of envelopes) {
      if (cachedBytes <= envelopeCacheBytesMax) break
      envelopes.delete(oldest)
      cachedBytes -= bytes.length
    }
    return envelope
  }

  return {
    answer: async (device, asked) => {
      const wish = await wholeWish(database, device)
      if (wish === undefined) return undefined
      const assignment = signAssignment(assignmentOf(device, wish, asked.nonce, clock()), [keys.assignment])
      const roots = keys.roots.slice(asked.rootVersion, asked.rootVersion + rootsMax)
      const found = new Map<Digest, Uint8Array>()
      for (const { manifest } of wish.deployments) {
        const envelope = await envelopeOf(manifest)
        if (envelope === undefined) log.error({ device, manifest }, 'a manifest that is wanted has no envelope')
        else found.set(manifest, envelope)
      }
      const fixedBytes = [assignment, ...roots].reduce((sum, { length }) => sum + length, messageOverheadBytes)
      const manifests = fitting(found, asked.held, messageBytesMax - fixedBytes)
      if (manifests.length < found.size) {
        log.info({ device, told: manifests.length, wanted: found.size }, 'an assignment leaves manifests for later')
      }
      const message: Assign = { assignment, manifests, roots }
      return encode(message)
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
