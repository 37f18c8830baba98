// Every MQTT topic Roost uses, built and taken apart in one place.
// Devices are spread over 256 shards so that several hubs can share one broker, each leasing some shards.

import { createHash } from 'node:crypto'
import { DeviceId, Digest } from './names.ts'

/** 0 … 255: first byte of the sha256 of the device's id. */
export function shardOf(device: string): number {
  return createHash('sha256').update(device).digest().readUInt8(0)
}

export const upKinds = ['hello', 'reports', 'want', 'presence'] as const
export const downKinds = ['assign', 'ack', 'command'] as const
export type UpKind = (typeof upKinds)[number]
export type DownKind = (typeof downKinds)[number]

const devicePrefix = (device: string) => `roost/1/s/${shardOf(device)}/d/${device}`

export const upTopic = (device: string, kind: UpKind) => `${devicePrefix(device)}/up/${kind}`
export const downTopic = (device: string, kind: DownKind) => `${devicePrefix(device)}/down/${kind}`
/** What a device subscribes to for everything the hub says to it. */
export const downFilter = (device: string) => `${devicePrefix(device)}/down/+`
export const chunkTopic = (blob: Digest, index: number) => `roost/1/c/${blob}/${index}`
/** What a device subscribes to while it downloads a blob. */
export const chunkFilter = (blob: Digest) => `roost/1/c/${blob}/+`

/** Takes `…/d/{device}/up/{kind}` apart; undefined for anything that is not exactly such a topic. */
export function parseUpTopic(topic: string): { device: string; kind: UpKind } | undefined {
  const match = /^roost\/1\/s\/(\d{1,3})\/d\/([^/]+)\/up\/([a-z]+)$/.exec(topic)
  if (match === null) return undefined
  const [, shard, device, word] = match
  const kind = upKinds.find((known) => known === word)
  if (device === undefined || kind === undefined || !DeviceId.safeParse(device).success) return undefined
  return Number(shard) === shardOf(device) ? { device, kind } : undefined
}

/** The blob of a chunk filter exactly as `chunkFilter` writes it; undefined for any other filter. */
export function parseChunkFilter(filter: string): Digest | undefined {
  const match = /^roost\/1\/c\/([0-9a-f]{64})\/\+$/.exec(filter)
  return match?.[1] === undefined ? undefined : Digest.parse(match[1])
}

/** The index of a chunk topic; undefined for any other topic. */
export function parseChunkTopic(topic: string): { blob: Digest; index: number } | undefined {
  const match = /^roost\/1\/c\/([0-9a-f]{64})\/(\d{1,7})$/.exec(topic)
  return match?.[1] === undefined ? undefined : { blob: match[1], index: Number(match[2]) }
}
