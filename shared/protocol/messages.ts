// The messages between hub and device, one schema each, validated on arrival by whoever receives them.
// Directions and topics: topics.ts. Records inside `reports` are encoded on their own (records.ts),
// so that a record the hub cannot read costs that record, not the batch.

import { z } from 'zod'
import { fileBytesMax } from '../bundle/manifest.ts'
import { DeploymentName, Digest, ModelName } from './names.ts'
import { ProgressState } from './progress.ts'

/** A message of ours is at most this long; the broker cuts connections that announce more. */
export const messageBytesMax = 1_048_576

const Bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'a byte string is needed')
/** 128 random bits, fresh for every hello; the assignment that answers it is thereby fresh too. */
export const Nonce = Bytes.refine((bytes) => bytes.length === 16, 'a nonce is 16 bytes')

/** What a device says runs in one of its deployments. */
export const SlotReport = z.object({
  deployment: DeploymentName,
  manifest: Digest,
  model: ModelName,
  version: z.number().int().positive(),
  attempt: z.number().int().nonnegative(),
  state: ProgressState,
})
export type SlotReport = z.infer<typeof SlotReport>

/** Random, made anew with every new outbox folder, so that a sequence is never used twice. 16 hex digits. */
export const OutboxEpoch = z.string().regex(/^[0-9a-f]{16}$/)

/** up/hello: on every connect, before activating what is staged, and every few hours. */
export const Hello = z.object({
  nonce: Nonce,
  agent: z.string().max(64),
  profile: z.string().max(63),
  rootVersion: z.number().int().positive(),
  generation: z.number().int().nonnegative(),
  slots: z.array(SlotReport).max(64),
  /** Manifest digests that failed here and are not tried again by themselves. */
  denied: z.array(Digest).max(256),
  outbox: z.object({ epoch: OutboxEpoch, head: z.number().int().nonnegative(), tail: z.number().int().nonnegative() }),
  stale: z.boolean(),
})
export type Hello = z.infer<typeof Hello>

/** One record of the outbox. `from` < `seq` where windows were merged under pressure: it stands for from … seq. */
export const OutboxRecord = z.object({
  seq: z.number().int().positive(),
  from: z.number().int().positive(),
  body: Bytes,
})
export type OutboxRecord = z.infer<typeof OutboxRecord>

/** up/reports: QoS 1. Records rise; the hub takes those whose `from` is above what it already holds for the epoch.
 *  `after`: the last sequence of what was sent before and is not confirmed yet. A hub that does not hold it takes nothing:
 *  what is missing in between would be lost. */
export const Reports = z.object({
  epoch: OutboxEpoch,
  after: z.number().int().positive().optional(),
  records: z.array(OutboxRecord).min(1).max(1024),
})
export type Reports = z.infer<typeof Reports>

/** up/want: the chunks still missing, at most one window of them. */
export const chunksWantedMax = 64
export const Want = z.object({
  blob: Digest,
  indices: z.array(z.number().int().nonnegative().max(1_000_000)).min(1).max(chunksWantedMax),
})
export type Want = z.infer<typeof Want>

/** up/presence: the last will. */
export const Presence = z.object({ state: z.literal('gone') })

/** A shorter way to a file the assignment's manifests name: the blob `blob` makes file `to` out of file `from`
 *  (shared/bundle/delta). Nobody signed it and nobody has to: what it makes is held against the manifest's hashes. */
export const Patch = z.object({
  from: Digest,
  to: Digest,
  blob: Digest,
  sizeBytes: z.number().int().positive().max(fileBytesMax),
  chunks: z.base64(),
})
export type Patch = z.infer<typeof Patch>

export const patchesMax = 64

const exactly = (size: number) => Bytes.refine((bytes) => bytes.length === size, `${size} bytes are needed`)

/** The content key of a sealed bundle, in a box for this device alone (shared/trust/content-key.ts). */
export const SealedKey = z.object({
  manifest: Digest,
  /** X25519 public key, made for this box. */
  sender: exactly(32),
  nonce: exactly(24),
  box: exactly(48),
})
export type SealedKey = z.infer<typeof SealedKey>

/** down/assign: DSSE JSON envelopes, exactly as they were signed. */
export const Assign = z.object({
  assignment: Bytes,
  /** The manifest envelopes the assignment names. */
  manifests: z.array(Bytes).max(64),
  /** Root envelopes after the version the device told in hello, oldest first. */
  roots: z.array(Bytes).max(32),
  patches: z.array(Patch).max(patchesMax).optional(),
  /** For those of the manifests whose bundles are sealed. */
  keys: z.array(SealedKey).max(64).optional(),
})
export type Assign = z.infer<typeof Assign>

/** down/ack: every record up to and including `seq` of `epoch` is committed at the hub. Also the answer to hello. */
export const Ack = z.object({ epoch: OutboxEpoch, seq: z.number().int().nonnegative() })
export type Ack = z.infer<typeof Ack>

/** down/command */
export const Command = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('report-now') }),
  z.object({ kind: z.literal('hello-now') }),
  z.object({ kind: z.literal('log-level'), level: z.enum(['debug', 'info', 'warn', 'error']) }),
])
export type Command = z.infer<typeof Command>

/** One chunk on roost/1/c/{blob}/{index}. */
export const chunkBytesMax = 65_536
export const Chunk = z.object({
  encoding: z.enum(['raw', 'zstd']),
  data: Bytes.refine((data) => data.length <= chunkBytesMax, 'a chunk is at most 64 KiB'),
})
export type Chunk = z.infer<typeof Chunk>
