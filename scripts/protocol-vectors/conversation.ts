// One message of every kind besides `assign`, and one record of every kind: what it says, and its bytes.

import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import type { Ack, Chunk, Command, Hello, Reports, Want } from '@roost/shared/protocol/messages.ts'
import type { RecordBody } from '@roost/shared/protocol/records.ts'
import { chunkTopic, downTopic, upTopic } from '@roost/shared/protocol/topics.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { model, modelBytes, next, open } from './bundles.ts'
import { device, nonce } from './parties.ts'

const epoch = '0011223344556677'
const at = 1_796_212_800_000

export const records: readonly RecordBody[] = [
  { kind: 'event', event: 'started', at, detail: 'mine/1' },
  {
    kind: 'event',
    event: 'progress',
    at: at + 1_000,
    deployment: 'line-1',
    manifest: open.digest,
    generation: 5,
    attempt: 1,
    state: 'failed',
    reason: 'golden_mismatch',
    detail: 'p: 0.26 where 0.25 is due',
  },
  { kind: 'event', event: 'refused', at: at + 2_000, code: 'nonce', detail: 'it does not answer the latest hello' },
  { kind: 'event', event: 'runtime_died', at: at + 3_000, detail: 'signal 9', manifests: [open.digest] },
  {
    kind: 'window',
    deployment: 'line-1',
    role: 'primary',
    manifest: open.digest,
    model: 'pumps',
    version: 1,
    generation: 5,
    from: at,
    to: at + 60_000,
    windows: 1,
    interrupted: false,
    counts: { ok: 3, error: 1, refused: 0 },
    latency: {
      bins: [
        [265, 2],
        [300, 1],
      ],
      count: 3,
      sumUs: 802.5,
    },
    features: {
      'x[0]': { bins: [0, 2, 1, 0], missing: 1, min: 0.25, max: 1.5, sum: 2.25, sumSquares: 2.5625 },
      'x[1]': { bins: [4, 0], missing: 0, min: null, max: null, sum: 0, sumSquares: 0 },
    },
    outputs: { p: { bins: [0, 3, 0], missing: 0, min: 0.25, max: 0.75, sum: 1.5, sumSquares: 0.875 } },
    labels: { truePositive: 1, falsePositive: 0, trueNegative: 1, falseNegative: 1 },
    metrics: { scrap_rate: { count: 2, sum: 0.5, sumSquares: 0.13, min: 0.2, max: 0.3 } },
    resources: { rssBytes: 52_428_800, cpuMs: 12.5 },
    drift: { state: 'healthy', at, evidence: 1.5, since: null, movements: [] },
  },
  {
    kind: 'window',
    deployment: 'line-1',
    role: 'shadow',
    manifest: next.digest,
    model: 'pumps',
    version: 2,
    generation: 5,
    from: at,
    to: at + 120_000,
    windows: 2,
    interrupted: true,
    counts: { ok: 4, error: 0, refused: 0 },
    latency: { bins: [[0, 4]], count: 4, sumUs: 2 },
    features: {},
    outputs: {},
    agreement: {
      pairs: 3,
      agreed: 2,
      outputs: { p: { count: 3, sum: -0.25, sumAbs: 0.75, sumSquares: 0.3125 } },
      errors: { both: 0, onlyPrimary: 1, onlyCandidate: 0 },
      labels: { bothRight: 1, onlyPrimaryRight: 1, onlyCandidateRight: 0, bothWrong: 0 },
      dropped: 0,
      primary: open.digest,
    },
  },
  {
    kind: 'event',
    event: 'drift',
    at: at + 60_000,
    deployment: 'line-1',
    manifest: open.digest,
    verdict: {
      state: 'drifted',
      at,
      evidence: 1200.5,
      since: at - 600_000,
      movements: [{ column: 'x[0]', chart: 'place', direction: 'up', size: 3.5, share: 1 }],
    },
  },
  { kind: 'gap', at: at + 61_000, reason: 'outbox_full', records: 12, inferences: 3_600 },
]

const hello: Hello = {
  nonce,
  agent: 'mine/1',
  profile: 'generic-x64',
  rootVersion: 1,
  generation: 5,
  slots: [{ deployment: 'line-1', manifest: open.digest, model: 'pumps', version: 1, attempt: 1, state: 'succeeded' }],
  denied: [next.digest],
  outbox: { epoch, head: 9, tail: 7 },
  stale: false,
}

/** The seventh record stands for two merged windows: sequences 7 and 8. */
const reports: Reports = {
  epoch,
  after: 1,
  records: records.map((record, i) => ({
    seq: i < 5 ? i + 2 : i + 3,
    from: i + 2 + (i > 5 ? 1 : 0),
    body: encode(record),
  })),
}

const want: Want = { blob: open.manifest.files[0]?.sha256 ?? '', indices: [0, 1] }
const ack: Ack = { epoch, seq: 10 }
const commands: Command[] = [{ kind: 'report-now' }, { kind: 'hello-now' }, { kind: 'log-level', level: 'debug' }]

/** Of the model's first chunk. Written down: another release of the library may compress otherwise. */
const firstChunkInZstd = Buffer.from('28b52ffd6000ffa5000060726f6f7374206d6f64656c200100f1ffeb2509', 'hex')
const chunks: Chunk[] = [
  { encoding: 'zstd', data: firstChunkInZstd },
  { encoding: 'raw', data: modelBytes.subarray(chunkBytes, model.sizeBytes) },
]

export type MessageVector = {
  kind: 'hello' | 'reports' | 'want' | 'presence' | 'ack' | 'command' | 'chunk'
  topic: string
  says: unknown
  message: Uint8Array
}

export const messages: readonly MessageVector[] = [
  up('hello', hello),
  up('reports', reports),
  up('want', want),
  up('presence', { state: 'gone' }),
  down('ack', ack),
  ...commands.map((command) => down('command', command)),
  ...chunks.map(
    (chunk, index): MessageVector => ({
      kind: 'chunk',
      topic: chunkTopic(want.blob, index),
      says: chunk,
      message: encode(chunk),
    }),
  ),
]

function up(kind: 'hello' | 'reports' | 'want' | 'presence', says: unknown): MessageVector {
  return { kind, topic: upTopic(device, kind), says, message: encode(says) }
}

function down(kind: 'ack' | 'command', says: unknown): MessageVector {
  return { kind, topic: downTopic(device, kind), says, message: encode(says) }
}
