// What is usual elsewhere, to compare with: the pooled figure of the canary over that of the control plus the margin, three
// hours in a row, stops the rollout (as Flagger's and Argo's checks do, with a concurrent control in their favour).

import type { DeviceCounts } from '../evidence/counts.ts'
import { type GateVerdict, noFigures } from '../gates/verdict.ts'
import { gatesOf } from '../states.ts'
import type { JudgeStage } from './run.ts'
import { hourMs } from './scenario.ts'

const strikesMax = 3

type Sums = { count: number; errors: number; latencyUs: number }
type Arms = { canary: Sums; control: Sums }

/** Judges error rate and mean latency like that, failed installations by their number, and says pass to every other gate.
 *  Remembers its strikes: one for each rollout. */
export function thresholdJudge(): JudgeStage {
  let stageSeen = -1
  let checkedAt = Number.NEGATIVE_INFINITY
  let before: Arms | undefined
  let strikes = { error_rate: 0, latency: 0 }
  return (context, devices, stage) => {
    const { plan, nowMs, sinceMs } = context.times
    const gates = gatesOf(plan, stage)
    if (stage !== stageSeen) {
      stageSeen = stage
      before = undefined
      strikes = { error_rate: 0, latency: 0 }
      checkedAt = sinceMs
    }
    if (nowMs - checkedAt >= hourMs) {
      checkedAt = nowMs
      const sums = armsOf(context.devices())
      const window =
        before === undefined
          ? sums
          : { canary: minus(sums.canary, before.canary), control: minus(sums.control, before.control) }
      before = sums
      for (const gate of gates) {
        if (gate.metric !== 'error_rate' && gate.metric !== 'latency') continue
        const isWorse = isBeyond(gate, window)
        if (isWorse !== undefined) strikes[gate.metric] = isWorse ? strikes[gate.metric] + 1 : 0
      }
    }
    const failures = devices.filter(({ state }) => state === 'failed' || state === 'timed_out').length
    const verdicts = gates.map((gate): GateVerdict => {
      const fails =
        gate.metric === 'installation'
          ? failures > gate.failuresMax
          : (gate.metric === 'error_rate' || gate.metric === 'latency') && strikes[gate.metric] >= strikesMax
      return {
        ...noFigures,
        metric: gate.metric,
        label: gate.metric,
        outcome: fails ? 'fail' : 'pass',
        sentence: 'a plain threshold',
      }
    })
    return { outcome: verdicts.some(({ outcome }) => outcome === 'fail') ? 'fail' : 'pass', gates: verdicts }
  }
}

type Gate = ReturnType<typeof gatesOf>[number]

/** Undefined where one side has counted nothing. */
function isBeyond(
  gate: Extract<Gate, { metric: 'error_rate' | 'latency' }>,
  { canary, control }: Arms,
): boolean | undefined {
  if (canary.count === 0 || control.count === 0) return undefined
  if (gate.metric === 'error_rate') return canary.errors / canary.count > control.errors / control.count + gate.margin
  const [slow, usual] = [canary.latencyUs / canary.count, control.latencyUs / control.count]
  return slow > usual * gate.ratioMax && slow > usual + gate.slackUs
}

function armsOf(devices: readonly DeviceCounts[]): Arms {
  const sum = (of: readonly DeviceCounts[]): Sums =>
    of.reduce(
      (sums, { since }) => ({
        count: sums.count + (since === null ? 0 : since.ok + since.error),
        errors: sums.errors + (since?.error ?? 0),
        latencyUs: sums.latencyUs + (since?.latency.sumUs ?? 0),
      }),
      { count: 0, errors: 0, latencyUs: 0 },
    )
  return {
    canary: sum(devices.filter(({ treated }) => treated)),
    control: sum(devices.filter(({ treated }) => !treated)),
  }
}

const minus = (a: Sums, b: Sums): Sums => ({
  count: a.count - b.count,
  errors: a.errors - b.errors,
  latencyUs: a.latencyUs - b.latencyUs,
})
