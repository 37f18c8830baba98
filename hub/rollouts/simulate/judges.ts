// The judges of simulated rollouts: the gates as a real rollout has them, and beside them a plain threshold.

import { timeLimitOf } from '../decide.ts'
import { inputsOf, judgeStage, type StageVerdict } from '../evidence/judge.ts'
import { installationsOf, stageContext } from '../evidence/stage-context.ts'
import { lookDue } from '../gates/looks.ts'
import type { DrawRefusal } from '../plan/draw.ts'
import { gatesOf } from '../states.ts'
import type { Batch, Both } from './many.ts'
import { type JudgeStage, simulateRollout } from './run.ts'
import { thresholdJudge } from './threshold.ts'

export function simulateBoth({
  withThreshold,
  ...simulated
}: Omit<Batch, 'seeds'> & { seed: number }): Both | DrawRefusal {
  const roost = simulateRollout(simulated, roostJudge())
  if ('refused' in roost) return roost
  const threshold = withThreshold ? simulateRollout(simulated, thresholdJudge()) : null
  if (threshold !== null && 'refused' in threshold) return threshold
  return { roost, threshold }
}

/** Remembers the looks of its rollout, as the engine does in the database: one for each rollout. */
export function roostJudge(): JudgeStage {
  const looks = new Map<number, { sinceMs: number; verdict: StageVerdict }>()
  return (context, devices, stage) => {
    const { rollout, plan, nowMs, sinceMs, bakingSinceMs } = context.times
    const known = looks.get(stage)
    const last = known?.sinceMs === sinceMs ? known.verdict : undefined
    const timeLimitMs = timeLimitOf(plan, stage)
    const due = lookDue(nowMs - sinceMs, last?.look?.number ?? 0, {
      bakeMs: plan.stages[stage]?.bakeMs ?? 0,
      timeLimitMs,
      admittedMs: bakingSinceMs === null ? undefined : bakingSinceMs - sinceMs,
    })
    const gates = gatesOf(plan, stage)
    const look =
      due === undefined
        ? (last?.look ?? { number: 0, fraction: 0, at: nowMs, record: 0 })
        : { number: due, fraction: Math.min(1, (nowMs - sinceMs) / timeLimitMs), at: nowMs, record: 0 }
    const verdict = judgeStage(
      inputsOf(
        {
          gates,
          seed: rollout,
          context: stageContext(plan, stage),
          look,
          before: last,
          stageBefore: looks.get(stage - 1)?.verdict,
          isDue: due !== undefined,
          evidence: {
            mode: plan.stages[stage]?.mode ?? 'canary',
            samplesMin: plan.samplesMin,
            comparable: true,
            installations: installationsOf(devices, stage),
          },
        },
        // between looks only silence asks
        due !== undefined || gates.some(({ metric }) => metric === 'silence') ? context.devices() : [],
      ),
      // nobody reads it
      { withFigures: false },
    )
    looks.set(stage, { sinceMs, verdict })
    return verdict
  }
}
