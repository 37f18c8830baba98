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

/** Names an application may use in one deployment on one device; what is merged keeps as many. */
export const metricNamesMax = 16
export const MetricName = z
  .string()
  .regex(/^[a-zA-Z][a-zA-Z0-9_.-]{0,62}$/, 'use 1 to 63 letters, digits, _, . and -, the first a letter')
/** Beyond this an application's number is refused: 2^53 squares of it still add up to a finite double. */
export const metricValueMax = 1e100

/** What an application reported under one name. */
export const MetricSum = z.object({
  count: z.number().int().positive(),
  sum: z.number(),
  sumSquares: z.number(),
  min: z.number(),
  max: z.number(),
})
export type MetricSum = z.infer<typeof MetricSum>

/** The candidate's value minus the primary's, in one output column, over all pairs in which both are finite. */
export const Difference = z.object({
  count: Count,
  sum: z.number(),
  sumAbs: z.number().nonnegative(),
  sumSquares: z.number().nonnegative(),
})
export type Difference = z.infer<typeof Difference>

/** A shadow's answers beside the primary's, on the same inputs. `pairs`: inputs that both answered; `agreed`: those on
 *  which both decided the same (docs/protocol.md). `outputs`: by output column. */
export const Agreement = z.object({
  pairs: Count,
  agreed: Count,
  outputs: z.record(z.string(), Difference),
  /** Inputs of which one or both made no answer. */
  errors: z.object({ both: Count, onlyPrimary: Count, onlyCandidate: Count }),
  /** Pairs whose true answer is known. */
  labels: z
    .object({ bothRight: Count, onlyPrimaryRight: Count, onlyCandidateRight: Count, bothWrong: Count })
    .optional(),
  /** Inputs that were drawn for the shadow and did not reach it: it was behind, or gone. */
  dropped: Count.optional(),
  /** The manifest it was compared with; always told by a device. */
  primary: Digest.optional(),
})
export type Agreement = z.infer<typeof Agreement>

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
  /** Of role shadow, and only there. */
  agreement: Agreement.optional(),
  /** What the application on the device reported about this deployment while the window was open. */
  metrics: z
    .record(MetricName, MetricSum)
    .refine((metrics) => Object.keys(metrics).length <= metricNamesMax, `at most ${metricNamesMax} names`)
    .optional(),
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
    /** Absent: of the deployment's primary. */
    role: z.literal('shadow').optional(),
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
    event: z.literal('runtime_died'), // one that had proved itself, and is started again
    at: Milliseconds,
    detail: z.string().max(500),
    /** What it ran. Absent in what older agents say. */
    manifests: z.array(Digest).max(64).optional(),
  }),
  z.object({
    kind: z.literal('event'),
    event: z.enum(['started', 'stale', 'fresh', 'patch_failed']),
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

export const RecordBody = z.discriminatedUnion('kind', [WindowReport, DeviceEvent, Gap])
export type RecordBody = z.infer<typeof RecordBody>
