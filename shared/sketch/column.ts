// How one column (a feature, an input element, an output) is summarised on a scale fixed by the baseline.

import { z } from 'zod'

const Count = z.number().int().nonnegative()

/** At most this many bins between the lowest and the highest edge. */
export const binsMax = 64

/** Numeric: rising edges e0 < e1 < … (2 to 65 of them). Bin 0 is below e0, bin i holds e(i-1) <= x < e(i),
 *  the last bin holds x >= the last edge. Categorical: the baseline's most frequent values. */
export const ColumnScale = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('numeric'),
    edges: z
      .array(z.number())
      .min(1)
      .max(binsMax + 1),
  }),
  z.object({
    type: z.literal('categorical'),
    values: z
      .array(z.union([z.string(), z.number()]))
      .min(1)
      .max(binsMax),
  }),
])
export type ColumnScale = z.infer<typeof ColumnScale>

/** Counts on a scale. Numeric: edges.length + 1 bins (below, between, above). Categorical: one a value, then any other.
 *  min, max, sum and sumSquares are over present, finite values; null when there are none, or categorical. */
export const ColumnCounts = z.object({
  bins: z
    .array(Count)
    .min(2)
    .max(binsMax + 2),
  missing: Count,
  min: z.number().nullable(),
  max: z.number().nullable(),
  sum: z.number(),
  sumSquares: z.number(),
})
export type ColumnCounts = z.infer<typeof ColumnCounts>
