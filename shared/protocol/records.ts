// What an outbox record can be: a window report, an event, or a gap that says what was lost and why.

import { z } from 'zod'
import { DriftVerdict } from '../drift/verdict.ts'
import { ColumnCounts } from '../sketch/column.ts'
import { LatencyCounts } from '../sketch/latency.ts'
import { DeploymentName, Digest, Milliseconds, ModelName } from './names.ts'
import { FailureReason, ProgressState } from './progress.ts'

const Count = z.number().int().nonnegative()

/** Binary labels that came back for predictions: the confusion matrix at the task's threshold. */
export const LabelCounts = z.object({
  truePositive: Count,
  falsePositive: Count,
  trueNegative: Count,
  falseNegative: Count,
})
export type LabelCounts = z.infer<typeof LabelCounts>

/** What one deployment saw in one stretch of time, as summaries that add up exactly. */
export const WindowReport = z.object({
  kind: z.literal('window'),
  deployment: DeploymentName,
  role: z.enum(['primary', 'shadow']),
  manifest: Digest,
  model: ModelName,
  version: z.number().int().positive(),
  generation: Count,
  /** Device clock, milliseconds since 1970. */
  from: Milliseconds,
  to: Milliseconds,
  /** How many windows are merged in here (1 unless the outbox came under pressure). */
  windows: z.number().int().positive(),
  /** True where a process died with this window open: up to the last second of it may be missing. */
  interrupted: z.boolean(),
  /** Inferences by result; `refused` never reached the model (bad input). */
  counts: z.object({ ok: Count, error: Count, refused: Count }),
  latency: LatencyCounts,
  /** By column name: model inputs (or features) and outputs. Both on the baseline's scales. */
  features: z.record(z.string(), ColumnCounts),
  outputs: z.record(z.string(), ColumnCounts),
  labels: LabelCounts.optional(),
  resources: z.object({ rssBytes: Count, cpuMs: z.number().nonnegative() }).optional(),
  /** The device's own verdict after this window, where the bundle has a baseline. */
  drift: DriftVerdict.optional(),
})
export type WindowReport = z.infer<typeof WindowReport>

export const DeviceEvent = z.discriminatedUnion('event', [
  z.object({
    kind: z.literal('event'),
    event: z.literal('progress'),
    at: Milliseconds,
    deployment: DeploymentName,
    manifest: Digest,
    generation: Count,
    attempt: Count,
    state: ProgressState,
    reason: FailureReason.optional(),
    detail: z.string().max(500).optional(),
  }),
  z.object({
    kind: z.literal('event'),
    event: z.literal('drift'),
    at: Milliseconds,
    deployment: DeploymentName,
    manifest: Digest,
    verdict: DriftVerdict,
  }),
  z.object({
    kind: z.literal('event'),
    event: z.literal('refused'), // an assignment, root or manifest that was not acceptable
    at: Milliseconds,
    code: z.string().max(64),
    detail: z.string().max(500),
  }),
  z.object({
    kind: z.literal('event'),
    event: z.enum(['started', 'runtime_died', 'stale', 'fresh']),
    at: Milliseconds,
    detail: z.string().max(500),
  }),
])
export type DeviceEvent = z.infer<typeof DeviceEvent>

/** Records that are lost for good, so that the hub can say what is missing instead of being silently short. */
export const Gap = z.object({
  kind: z.literal('gap'),
  at: Milliseconds,
  reason: z.enum(['outbox_full', 'damaged']),
  records: Count,
  /** Inferences in the lost windows, where known. */
  inferences: Count,
})
export type Gap = z.infer<typeof Gap>

export const RecordBody = z.union([WindowReport, DeviceEvent, Gap])
export type RecordBody = z.infer<typeof RecordBody>
