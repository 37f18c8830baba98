// What may happen to a version in the pipeline development -> staging -> production, decided over plain data: what
// moves by itself, what a person may do, what a revoked approval undoes.

import type { Stage } from '../registry/stages.ts'
import type { Answer } from './judge.ts'
import { type Goal, type PromotionPolicy, rankOf, stageAfter } from './policy.ts'

export type Step = { do: 'nothing'; because: string } | { do: 'move'; to: Stage } | { do: 'ask'; to: Goal }

export type Standing = {
  stage: Stage
  version: number
  policy: PromotionPolicy
  /** Of the gates before the stage at hand. */
  answer: Answer
  /** A person moved it back, or its approval was revoked. */
  held: boolean
  /** The highest version that is in production; undefined where none is. */
  newestInProduction: number | undefined
  /** A request over this very verdict is open, or was rejected, revoked, or expired. */
  asked: boolean
}

/** What happens by itself. It never undoes what a person did, asks about the same evidence once, and puts no version
 *  in the place of a newer one. */
export function automaticStep(standing: Standing): Step {
  const { stage, policy, answer, held, version, newestInProduction, asked } = standing
  const to = stageAfter(stage)
  if (to === undefined) return nothing(`nothing comes after ${stage}`)
  const { automatic, approvals } = policy.stages[to]
  if (!automatic) return nothing(`by the policy a person moves versions to ${to}`)
  if (held) return nothing('a person moved it back; a person must move it on')
  if (answer !== 'pass') return nothing(`its gates before ${to}: ${answer}`)
  if (to === 'production' && newestInProduction !== undefined && newestInProduction > version) {
    return nothing(`version ${newestInProduction}, a newer one, is in production`)
  }
  if (approvals.needed === 0) return { do: 'move', to }
  return asked ? nothing('it was asked for over this very verdict') : { do: 'ask', to }
}

const nothing = (because: string): Step => ({ do: 'nothing', because })

export type Refusal = {
  refused: 'in-stage-already' | 'stage-skipped' | 'gates-not-passed' | 'already-asked'
  detail: string
}

/** What a person wants: forward through the gates and approvals of the next stage, back as they like.
 *  @param override an admin moves it whatever gates and approvals say */
export function manualStep(
  standing: Pick<Standing, 'stage' | 'policy' | 'answer'> & { open: boolean },
  to: Stage,
  override: boolean,
): Step | Refusal {
  const { stage, policy, answer, open } = standing
  if (stage === to) return { refused: 'in-stage-already', detail: `it is in ${to} already` }
  const back = rankOf(to) < rankOf(stage) || (stage === 'archived' && to === 'development')
  if (back || override) return { do: 'move', to }
  const next = stageAfter(stage)
  if (next !== to) {
    const way = stage === 'archived' ? 'development' : (next ?? stage)
    return { refused: 'stage-skipped', detail: `a version in ${stage} goes to ${way} first` }
  }
  if (answer !== 'pass') return { refused: 'gates-not-passed', detail: `its gates before ${next}: ${answer}` }
  if (policy.stages[next].approvals.needed === 0) return { do: 'move', to: next }
  return open ? { refused: 'already-asked', detail: 'a request for it is open' } : { do: 'ask', to: next }
}

/** Where a version goes when an approval it rests on is revoked; undefined: it does not rest on it any more. */
export function stageAfterRevocation(
  stage: Stage,
  request: { from: Stage; to: Goal },
  restsOnIt: boolean,
): Stage | undefined {
  return restsOnIt && rankOf(stage) >= rankOf(request.to) ? request.from : undefined
}
