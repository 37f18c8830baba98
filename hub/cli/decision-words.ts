// The history of a rollout in words. The API has every number behind it.

import { z } from 'zod'
import type { Decision, RolloutDetail } from '../rollouts/documents.ts'
import { StageVerdict } from '../rollouts/evidence/judge.ts'
import { leftOutWords, StartStory } from '../rollouts/plan/start-story.ts'
import { counted, named } from '../wording.ts'

const Superseded = z.object({ by: z.string() })
const Joined = z.object({ devices: z.array(z.string()) })
const Asked = z.object({
  operation: z.string(),
  reason: z.string(),
  stage: z.string().optional(),
  devices: z.array(z.string()).optional(),
})
const Approval = z.object({ decision: z.enum(['approve', 'reject']), stage: z.string(), comment: z.string() })
const Action = z.discriminatedUnion('do', [
  z.object({ do: z.literal('offer'), device: z.string(), as: z.string(), role: z.string().optional() }),
  z.object({ do: z.literal('withdraw'), device: z.string(), as: z.string() }),
  z.object({ do: z.literal('stage'), index: z.number(), state: z.string(), verdict: StageVerdict.optional() }),
  z.object({ do: z.literal('retry'), devices: z.array(z.string()) }),
  z.object({ do: z.literal('acknowledge'), devices: z.array(z.string()) }),
  z.object({ do: z.literal('release'), index: z.number() }),
  z.object({ do: z.literal('rollout'), state: z.string(), reason: z.string() }),
])

/** @param stages of the rollout, for their names */
export function decisionWords(
  { action, detail }: z.infer<typeof Decision>,
  stages: z.infer<typeof RolloutDetail>['stages'],
): string {
  const started = StartStory.safeParse(detail)
  const isStart = action === 'started' || action === 'draft' || action === 'awaiting_approval'
  if (isStart && started.success) return startedWords(started.data)
  const superseded = Superseded.safeParse(detail)
  if (action === 'superseded' && superseded.success) return `by ${superseded.data.by}`
  const joined = Joined.safeParse(detail)
  if (action === 'joined' && joined.success) return named(joined.data.devices)
  const asked = Asked.safeParse(detail)
  if (action === 'operation' && asked.success) {
    const { operation, reason, stage, devices } = asked.data
    const what = [
      operation,
      ...(stage === undefined ? [] : [stage]),
      ...(devices === undefined ? [] : [named(devices)]),
    ]
    return `${what.join(' ')}${reason === '' ? '' : `: ${reason}`}`
  }
  const approval = Approval.safeParse(detail)
  if (action === 'approval' && approval.success) {
    const { decision, stage, comment } = approval.data
    return `${decision === 'approve' ? 'approved' : 'rejected'} ${stage}${comment === '' ? '' : `: ${comment}`}`
  }
  const known = Action.safeParse(detail)
  return known.success ? actionWords(known.data, stages) : JSON.stringify(detail)
}

function startedWords(story: StartStory): string {
  const { query, devices, supersedes, warnings } = story
  const older = supersedes.length === 0 ? [] : [`supersedes ${supersedes.join(', ')}`]
  const doubts = warnings.map(({ code }) => `warned of ${code}`)
  return [`${counted(devices, 'device')} of ${query}`, ...leftOutWords(story), ...older, ...doubts].join('; ')
}

function actionWords(action: z.infer<typeof Action>, stages: z.infer<typeof RolloutDetail>['stages']): string {
  switch (action.do) {
    case 'offer': {
      const as = action.role === 'shadow' ? ', in shadow' : ''
      return `${action.device}${as}${action.as === 'unreachable' ? ', for when it returns' : ''}`
    }
    case 'retry':
      return named(action.devices)
    case 'acknowledge':
      return `has seen that ${named(action.devices)} failed or refused it`
    case 'release':
      return `${stages[action.index]?.name ?? action.index} may begin`
    case 'withdraw':
      return `${action.device}, now ${action.as.replaceAll('_', ' ')}`
    case 'stage': {
      const gates = (action.verdict?.gates ?? []).map(
        ({ outcome, label, sentence }) => `${outcome} ${label}: ${sentence}`,
      )
      return [`${stages[action.index]?.name ?? action.index} is ${action.state}`, ...gates].join('; ')
    }
    case 'rollout':
      return `${action.state.replaceAll('_', ' ')}: ${action.reason}`
  }
}
