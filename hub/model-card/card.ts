// A model card as plain data: what is known of a version, by whom it was said, and what people wrote about its use.
// After Mitchell et al., Model Cards for Model Reporting (2019).

import type { BundleFile, Limits } from '@roost/shared/bundle/manifest.ts'
import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import type { EvaluationResult } from '../evaluation/result.ts'

export type CardDataset = {
  /** As the version or its run named it: a digest, or words. */
  name: string
  /** sha256 of the snapshot, where this hub holds it. */
  digest: string | null
  /** `name/number` of the snapshot. */
  snapshot: string | null
  description: string
  rows: number | null
  format: string | null
  columns: { name: string; type: string }[]
  /** training, validation, test, …; `input` where only a run read it. */
  roles: string[]
}

export type CardVariant = {
  variant: string
  profiles: string[]
  manifest: string
  signed: boolean
  files: Omit<BundleFile, 'chunks'>[]
  limits: Limits
}

export type CardApproval = {
  id: string
  state: string
  to: string
  gates: string | null
  decisions: { by: string; decision: string; comment: string; at: string; revoked: boolean }[]
}

/** Measured by this hub, on rows the version's author did not choose for the occasion. */
export type CardEvaluation = Pick<
  EvaluationResult,
  'rows' | 'figures' | 'difference' | 'slices' | 'fairness' | 'champion'
> & {
  id: string
  at: string
  /** Which was measured; null where the version has it no more. */
  variant: string | null
  dataset: string
}

export type ModelCard = {
  model: string
  version: number
  description: string
  modelDescription: string
  stage: string
  aliases: string[]
  createdBy: string
  createdAt: string
  /** The latest of what the card tells: a card of the same facts is the same. */
  updatedAt: string
  commit: string | null
  framework: string | null
  run: { id: string; name: string | null; experiment: string | null; parameters: Record<string, string> } | null
  task: string | null
  opset: number
  parameters: number
  operators: { name: string; count: number }[]
  inputs: TensorSpec[]
  outputs: TensorSpec[]
  variants: CardVariant[]
  datasets: CardDataset[]
  /** As whoever registered it said. */
  reported: Record<string, number>
  evaluation: CardEvaluation | null
  approvals: CardApproval[]
  written: Written
}

/** What only people can say, out of tags. */
export type Written = {
  owners: string[]
  license: string | null
  architecture: string | null
  approach: string | null
  users: string[]
  useCases: string[]
  limitations: string[]
  tradeoffs: string[]
  ethical: { risk: string; mitigation: string | null }[]
}

/** The tags that a card is written in, on the version or, for all versions, on the model. */
export const cardTags = {
  owners: 'card.owners',
  license: 'card.license',
  architecture: 'card.architecture',
  approach: 'card.approach',
  users: 'card.users',
  useCases: 'card.intended_use',
  limitations: 'card.limitations',
  tradeoffs: 'card.tradeoffs',
  ethical: 'card.ethical_considerations',
} as const satisfies Record<keyof Written, string>

/** A tag of the version holds before the same of its model. Lists have an item a line, with or without `-` before it;
 *  an ethical consideration is `risk -> what is done about it`. */
export function readWritten(
  version: Readonly<Record<string, string>>,
  model: Readonly<Record<string, string>>,
): Written {
  const tag = (name: keyof Written) => (version[cardTags[name]] ?? model[cardTags[name]] ?? '').trim()
  const list = (name: keyof Written) =>
    tag(name)
      .split(/\r?\n/)
      .map((line) => line.replace(/^\s*[-*]\s+/, '').trim())
      .filter((line) => line !== '')
  return {
    owners: list('owners'),
    license: tag('license') || null,
    architecture: tag('architecture') || null,
    approach: tag('approach') || null,
    users: list('users'),
    useCases: list('useCases'),
    limitations: list('limitations'),
    tradeoffs: list('tradeoffs'),
    ethical: list('ethical').map((line) => {
      const [risk = '', ...rest] = line.split('->')
      return { risk: risk.trim(), mitigation: rest.join('->').trim() || null }
    }),
  }
}

/** `FP32[-1, 4]` */
export const tensorText = ({ datatype, shape }: TensorSpec): string => `${datatype}[${shape.join(', ')}]`
