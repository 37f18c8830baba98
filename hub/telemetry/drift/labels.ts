// Labels that came to predictions, added up.

import type { LabelCounts } from '@roost/shared/protocol/records.ts'
import { z } from 'zod'
import { sumMax } from '../records.ts'

export const LabelSums = z.object({
  truePositive: z.number().int(),
  falsePositive: z.number().int(),
  trueNegative: z.number().int(),
  falseNegative: z.number().int(),
})
export type LabelSums = z.infer<typeof LabelSums>

export function sumLabels(labels: readonly (LabelCounts | undefined)[]): LabelSums {
  const sum = (name: keyof LabelSums) =>
    Math.min(
      labels.reduce((total, counts) => total + (counts?.[name] ?? 0), 0),
      sumMax,
    )
  return {
    truePositive: sum('truePositive'),
    falsePositive: sum('falsePositive'),
    trueNegative: sum('trueNegative'),
    falseNegative: sum('falseNegative'),
  }
}
