// What must hold for a stage to pass, as data. How each is judged is in the gates themselves.

import { MetricName } from '@roost/shared/protocol/records.ts'
import { z } from 'zod'
import { gateDefaults } from './defaults.ts'

/** What happens when a gate fails: everything goes back, only the devices of this stage go back, or a person decides. */
export const OnFail = z.enum(['rollback', 'rollback_stage', 'pause'])
export type OnFail = z.infer<typeof OnFail>

/** What happens when a gate still cannot say at the stage's time limit. It never advances. */
export const OnUndecided = z.enum(['pause', 'rollback'])
export type OnUndecided = z.infer<typeof OnUndecided>

/** A gate's own answers to failing and to not knowing; without them the stage's, then the plan's. */
const answers = { onFail: OnFail.optional(), onUndecided: OnUndecided.optional() }

/** Share of something, 0 to 1. */
const Share = z.number().min(0).max(1)

/** At most `failuresMax` devices may fail to install (or take the version back) among those that accepted it. */
const InstallationGate = z.strictObject({
  metric: z.literal('installation'),
  failuresMax: z.number().int().nonnegative().default(gateDefaults.installation.failuresMax),
  ...answers,
})

/** Share of assigned devices that have said nothing for `silentMs`: canary at most control + `margin`. */
const SilenceGate = z.strictObject({
  metric: z.literal('silence'),
  silentMs: z.number().int().positive().default(gateDefaults.silence.silentMs),
  margin: Share.default(gateDefaults.silence.margin),
  ...answers,
})

/** Failed share of inferences: canary at most control + `margin`. */
const ErrorRateGate = z.strictObject({
  metric: z.literal('error_rate'),
  margin: Share.default(gateDefaults.error_rate.margin),
  ...answers,
})

/** Latency at `quantile`: canary at most control * `ratioMax`, or at most `slackUs` more. Below the slack nobody would notice. */
const LatencyGate = z.strictObject({
  metric: z.literal('latency'),
  quantile: z.number().gt(0).lt(1).default(gateDefaults.latency.quantile),
  ratioMax: z.number().min(1).default(gateDefaults.latency.ratioMax),
  slackUs: z.number().nonnegative().default(gateDefaults.latency.slackUs),
  ...answers,
})

/** Share of inferences on which candidate and primary agree in shadow: at least `min`. */
const AgreementGate = z.strictObject({
  metric: z.literal('agreement'),
  min: Share.default(gateDefaults.agreement.min),
  ...answers,
})

/** How far the predictions' distribution lies from what it was before, of one output or of all: canary at most
 *  control + `margin`. */
const PredictionDriftGate = z.strictObject({
  metric: z.literal('prediction_drift'),
  margin: z.number().nonnegative().default(gateDefaults.prediction_drift.margin),
  output: z.string().min(1).max(256).optional(),
  ...answers,
})

/** Share of labelled inferences that were right: canary at least control - `margin`. */
const AccuracyGate = z.strictObject({
  metric: z.literal('accuracy'),
  margin: Share.default(gateDefaults.accuracy.margin),
  ...answers,
})

/** A metric that the application reports: canary no worse than control by more than `margin`, in the metric's unit or,
 *  where `relative`, as a share of control. */
const CustomGate = z.strictObject({
  metric: z.literal('custom'),
  name: MetricName,
  better: z.enum(['lower', 'higher']),
  margin: z.number().nonnegative(),
  relative: z.boolean().default(gateDefaults.custom.relative),
  ...answers,
})

export const Gate = z.discriminatedUnion('metric', [
  InstallationGate,
  SilenceGate,
  ErrorRateGate,
  LatencyGate,
  AgreementGate,
  PredictionDriftGate,
  AccuracyGate,
  CustomGate,
])
export type Gate = z.infer<typeof Gate>

export const gateMetrics = [
  'installation',
  'silence',
  'error_rate',
  'latency',
  'agreement',
  'prediction_drift',
  'accuracy',
  'custom',
] as const satisfies Gate['metric'][]
