// The verdict over one stage: a pure function of what was counted. Three answers: pass, fail, not enough to say.
// The only place that knows how canary and control are compared.

import type { LatencyCounts } from '@roost/shared/sketch/latency.ts'
import { latencyQuantile } from '@roost/shared/sketch/latency.ts'
import { z } from 'zod'
import { type Gate, gateMetrics } from './plan/gate.ts'

/** What a set of devices did on one version. */
export type Arm = { devices: number; inferences: number; errors: number; latency: LatencyCounts }

export type Evidence = {
  /** Devices of the stages so far that accepted the version. */
  accepted: number
  /** Of those: failed to install, or took it back; failures an operator has acknowledged are not in here. */
  failed: number
  canary: Arm
  /** Devices that still run the old version, in the same time; else the same devices' own past; else nothing. */
  control: Arm
  controlKind: 'concurrent' | 'own_past' | 'none'
}

export const Outcome = z.enum(['pass', 'fail', 'undecided'])
export type Outcome = z.infer<typeof Outcome>

export const GateVerdict = z.object({
  metric: z.enum(gateMetrics),
  outcome: Outcome,
  /** The compared figures and the line between them, in the metric's unit (devices, share, microseconds). */
  canary: z.number().nullable(),
  control: z.number().nullable(),
  limit: z.number().nullable(),
  sentence: z.string(),
})
export type GateVerdict = z.infer<typeof GateVerdict>

export const StageVerdict = z.object({ outcome: Outcome, gates: z.array(GateVerdict) })
export type StageVerdict = z.infer<typeof StageVerdict>

/** Fails if any gate fails, passes if all pass. `samplesMin`: inferences each side needs before a comparison counts. */
export function judgeStage(gates: readonly Gate[], samplesMin: number, evidence: Evidence): StageVerdict {
  const verdicts = gates.map((gate) => judgeGate(gate, samplesMin, evidence))
  const outcome = verdicts.some((verdict) => verdict.outcome === 'fail')
    ? 'fail'
    : verdicts.every((verdict) => verdict.outcome === 'pass')
      ? 'pass'
      : 'undecided'
  return { outcome, gates: verdicts }
}

function judgeGate(gate: Gate, samplesMin: number, evidence: Evidence): GateVerdict {
  if (gate.metric === 'installation') return judgeInstallation(gate.failuresMax, evidence)
  const { canary, control, controlKind } = evidence
  if (canary.inferences < samplesMin) {
    return undecided(gate.metric, `the new version has answered ${canary.inferences} times, ${samplesMin} are needed`)
  }
  if (controlKind === 'none') {
    return {
      ...undecided(gate.metric, 'no device ran another version before, so there is nothing to compare with'),
      outcome: 'pass',
    }
  }
  if (control.inferences < samplesMin) {
    return undecided(gate.metric, `the old version has answered ${control.inferences} times, ${samplesMin} are needed`)
  }
  if (gate.metric === 'error_rate') return judgeErrorRate(gate.margin, evidence)
  if (gate.metric === 'latency') return judgeLatency(gate, evidence)
  return undecided(gate.metric, 'this hub cannot judge it')
}

const undecided = (metric: Gate['metric'], sentence: string): GateVerdict => ({
  metric,
  outcome: 'undecided',
  canary: null,
  control: null,
  limit: null,
  sentence,
})

function judgeInstallation(failuresMax: number, { accepted, failed }: Evidence): GateVerdict {
  return {
    metric: 'installation',
    outcome: failed > failuresMax ? 'fail' : 'pass',
    canary: failed,
    control: null,
    limit: failuresMax,
    sentence: `${failed} of ${accepted} devices that accepted it failed to install it, ${failuresMax} allowed`,
  }
}

function judgeErrorRate(margin: number, { canary, control }: Evidence): GateVerdict {
  const canaryRate = canary.errors / canary.inferences
  const controlRate = control.errors / control.inferences
  const limit = controlRate + margin
  return {
    metric: 'error_rate',
    outcome: canaryRate > limit ? 'fail' : 'pass',
    canary: canaryRate,
    control: controlRate,
    limit,
    sentence: `${percent(canaryRate)} of inferences failed, ${percent(controlRate)} on the old version, limit ${percent(limit)}`,
  }
}

function judgeLatency(gate: Extract<Gate, { metric: 'latency' }>, { canary, control }: Evidence): GateVerdict {
  const canaryUs = latencyQuantile(canary.latency, gate.quantile)
  const controlUs = latencyQuantile(control.latency, gate.quantile)
  if (canaryUs === null || controlUs === null) return undecided('latency', 'no latency has been reported yet')
  const limit = Math.max(controlUs * gate.ratioMax, controlUs + gate.slackUs)
  return {
    metric: 'latency',
    outcome: canaryUs > limit ? 'fail' : 'pass',
    canary: canaryUs,
    control: controlUs,
    limit,
    sentence: `p${gate.quantile * 100} is ${micros(canaryUs)}, ${micros(controlUs)} on the old version, limit ${micros(limit)}`,
  }
}

const percent = (share: number) => `${(share * 100).toFixed(2)} %`
const micros = (us: number) => (us < 1000 ? `${us.toFixed(0)} µs` : `${(us / 1000).toFixed(2)} ms`)
