// One rollout in lines.

import type { z } from 'zod'
import type { RolloutDetail } from '../rollouts/documents.ts'
import { counted } from '../wording.ts'
import { time } from './output.ts'

type Detail = z.infer<typeof RolloutDetail>

export const detailLines = (detail: Detail): string[] => [
  `${detail.id}: ${detail.model} ${detail.version} to ${detail.group} (${detail.query}), deployment ${detail.deployment}`,
  `${detail.state.replaceAll('_', ' ')}: ${detail.reason} (revision ${detail.revision})`,
  ...waitingLines(detail),
  ...detail.unableToRollBack.map((device) => `ALARM: ${device} cannot go back to what it ran before; look at it`),
  ...detail.stages.flatMap((stage) => stageLines(detail.state, stage)),
]

function waitingLines({ waits }: Detail): string[] {
  if (waits === null) return []
  return [`waits for ${waits.for}${waits.until === null ? '' : `, until ${time(Date.parse(waits.until))}`}`]
}

/** How a stage stands, in a word: of a rollout that has ended none goes on. */
export function stageWord(rollout: Detail['state'], stage: Detail['stages'][number]['state']): string {
  if (!over.has(rollout)) return stage
  if (stage === 'pending' || stage === 'held') return 'not reached'
  return stage === 'admitting' || stage === 'baking' || stage === 'open' ? 'ended' : stage
}

const over: ReadonlySet<Detail['state']> = new Set([
  'completed',
  'rolling_back',
  'rolled_back',
  'aborted',
  'superseded',
  'rejected',
])

function stageLines(rollout: Detail['state'], stage: Detail['stages'][number]): string[] {
  const { needed, given } = stage.approvals
  const counts = Object.entries(stage.devices).map(([word, count]) => `${count} ${word}`)
  const approvals = needed === 0 ? [] : [`${given.length} of ${counted(needed, 'approval')}`]
  const back =
    stage.takenBack === null
      ? []
      : [`${stage.takenBack.back} of ${stage.takenBack.devices} that had been offered it back on what ran before`]
  const word = stageWord(rollout, stage.state)
  const words = [word, ...(stage.mode === 'shadow' ? ['in shadow'] : []), ...counts, ...back, ...approvals]
  return [
    `  ${stage.name} (${stage.reach}): ${words.join(', ')}`,
    ...(stage.verdict?.gates ?? []).map((gate) => `    ${gate.outcome} ${gate.label}: ${gate.sentence}`),
  ]
}
