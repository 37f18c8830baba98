// Who may say and hear what: a device its own topics and the chunks of blobs assigned to it, nothing else.
// Allowed filters are compared whole with the few a device may have, so `+`, `#`, `$share/…` and `$SYS/…`
// need no rule of their own: they are not in the list. A broker of one's own is told the same as a list (`topicsOf`).

import { messageBytesMax } from '@roost/shared/protocol/messages.ts'
import type { Digest } from '@roost/shared/protocol/names.ts'
import {
  chunkFilter,
  downFilter,
  downKinds,
  downTopic,
  parseChunkFilter,
  parseUpTopic,
  type UpKind,
  upKinds,
  upTopic,
} from '@roost/shared/protocol/topics.ts'

/** What the rules look at in a PUBLISH or a will. */
type Said = { topic: string; qos?: number; retain?: boolean; payload: Uint8Array | string }

export type ConnectRefusal = 'session-kept' | 'will'
export type PublishRefusal = 'publish-topic' | 'publish-qos' | 'publish-retained' | 'publish-too-long'

/** A last will says `presence` on the device's own topic and is small; sessions are clean, for nothing relies on the
 *  broker's memory. */
export function refuseConnect(device: string, clean: boolean, will: Said | undefined): ConnectRefusal | undefined {
  if (!clean) return 'session-kept'
  if (will === undefined) return undefined
  const fits =
    will.topic === upTopic(device, 'presence') &&
    (will.qos ?? 0) <= 1 &&
    will.retain !== true &&
    will.payload.length <= willBytesMax
  return fits ? undefined : 'will'
}

export const willBytesMax = 256

/** The kind of message, or why it may not be published. */
export function judgePublish(device: string, said: Said): { kind: UpKind } | { refused: PublishRefusal } {
  const parsed = parseUpTopic(said.topic)
  if (parsed === undefined || upTopic(device, parsed.kind) !== said.topic) return { refused: 'publish-topic' }
  if ((said.qos ?? 0) > 1) return { refused: 'publish-qos' }
  if (said.retain === true) return { refused: 'publish-retained' }
  if (said.payload.length > messageBytesMax) return { refused: 'publish-too-long' }
  return { kind: parsed.kind }
}

/** What a filter would let the device hear: what is said to itself, or the chunks of a blob, which must be assigned
 *  to it; undefined: nothing it may have. */
export function judgeFilter(device: string, filter: string): 'down' | { blob: Digest } | undefined {
  if (filter === downFilter(device) || isDownTopic(device, filter)) return 'down'
  const blob = parseChunkFilter(filter)
  return blob === undefined ? undefined : { blob }
}

export const isDownTopic = (device: string, topic: string): boolean =>
  downKinds.some((kind) => topic === downTopic(device, kind))

/** All that `judgePublish` and `judgeFilter` let a device say and hear, as topics and filters.
 *  @param blobs that are assigned to it */
export const topicsOf = (device: string, blobs: readonly Digest[]): { says: string[]; hears: string[] } => ({
  says: upKinds.map((kind) => upTopic(device, kind)),
  hears: [...downKinds.map((kind) => downTopic(device, kind)), ...blobs.map(chunkFilter)],
})
