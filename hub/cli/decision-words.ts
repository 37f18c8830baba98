// The history of a rollout in words. The API has every number behind it.

import { z } from 'zod'
import type { Decision, RolloutDetail } from '../rollouts/documents.ts'
import { StageVerdict } from '../rollouts/verdict.ts'

const Started = z.object({
  query: z.string(),
  devices: z.number(),
  skipped: z.array(z.unknown()),
  supersedes: z.array(z.string()),
})
const Superseded = z.object({ by: z.string() })
const Action = z.discriminatedUnion('do', [
  z.object({ do: z.literal('offer'), device: z.string(), as: z.string() }),
  z.object({ do: z.literal('withdraw'), device: z.string(), as: z.string() }),
  z.object({ do: z.literal('stage'), index: z.number(), state: z.string(), verdict: StageVerdict.optional() }),
  z.object({ do: z.literal('rollout'), state: z.string(), reason: z.string() }),
])

/** @param stages of the rollout, for their names */
export function decisionWords(
  { action, detail }: z.infer<typeof Decision>,
  stages: z.infer<typeof RolloutDetail>['stages'],
): string {
  const started = Started.safeParse(detail)
  if (action === 'started' && started.success) return startedWords(started.data)
  const superseded = Superseded.safeParse(detail)
  if (action === 'superseded' && superseded.success) return `by ${superseded.data.by}`
  const known = Action.safeParse(detail)
  return known.success ? actionWords(known.data, stages) : JSON.stringify(detail)
}

function startedWords({ query, devices, skipped, supersedes }: z.infer<typeof Started>): string {
  const leftOut = skipped.length === 0 ? [] : [`${skipped.length} left out, no signed variant fits their profile`]
  const older = supersedes.length === 0 ? [] : [`supersedes ${supersedes.join(', ')}`]
  return [`${devices} devices of ${query}`, ...leftOut, ...older].join('; ')
}

function actionWords(action: z.infer<typeof Action>, stages: z.infer<typeof RolloutDetail>['stages']): string {
  switch (action.do) {
    case 'offer':
      return action.as === 'unreachable' ? `${action.device}, for when it returns` : action.device
    case 'withdraw':
      return `${action.device}, now ${action.as.replaceAll('_', ' ')}`
    case 'stage': {
      const gates = (action.verdict?.gates ?? []).map(
        ({ outcome, metric, sentence }) => `${outcome} ${metric}: ${sentence}`,
      )
      return [`${stages[action.index]?.name ?? action.index} is ${action.state}`, ...gates].join('; ')
    }
    case 'rollout':
      return `${action.state.replaceAll('_', ' ')}: ${action.reason}`
  }
}
