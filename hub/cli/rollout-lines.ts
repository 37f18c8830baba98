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
  ...detail.stages.flatMap(stageLines),
]

function waitingLines({ waits }: Detail): string[] {
  if (waits === null) return []
  return [`waits for ${waits.for}${waits.until === null ? '' : `, until ${time(Date.parse(waits.until))}`}`]
}

function stageLines(stage: Detail['stages'][number]): string[] {
  const { needed, given } = stage.approvals
  const counts = Object.entries(stage.devices).map(([word, count]) => `${count} ${word}`)
  const approvals = needed === 0 ? [] : [`${given.length} of ${counted(needed, 'approval')}`]
  const words = [stage.state, ...(stage.mode === 'shadow' ? ['in shadow'] : []), ...counts, ...approvals]
  return [
    `  ${stage.name} (${stage.reach}): ${words.join(', ')}`,
    ...(stage.verdict?.gates ?? []).map((gate) => `    ${gate.outcome} ${gate.metric}: ${gate.sentence}`),
  ]
}
