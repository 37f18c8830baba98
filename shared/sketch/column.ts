// How one column (a feature, an input element, an output) is summarised on a scale fixed by the baseline.
// Counts on shared edges add up exactly, so a site, a day or a fleet is the sum of its windows.
// Recording is in recorder.ts, choosing a scale in scale.ts.

import { z } from 'zod'

const Count = z.number().int().nonnegative()

/** At most this many bins between the lowest and the highest edge, and this many categories. */
export const binsMax = 64

/** Numeric: rising edges e0 < e1 < … Bin 0 is below e0, bin i holds e(i-1) <= x < e(i),
 *  the last bin holds x >= the last edge. Categorical: the baseline's most frequent values. */
export const ColumnScale = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('numeric'),
    edges: z
      .array(z.number())
      .min(1)
      .max(binsMax + 1)
      .refine((edges) => edges.every((edge, i) => i === 0 || edge > (edges[i - 1] ?? edge)), 'edges must rise'),
  }),
  z.object({
    type: z.literal('categorical'),
    values: z
      .array(z.union([z.string(), z.number()]))
      .min(1)
      .max(binsMax)
      .refine((values) => new Set(values).size === values.length, 'a category is named twice'),
  }),
])
export type ColumnScale = z.infer<typeof ColumnScale>

/** Counts on a scale. Numeric: edges.length + 1 bins (below, between, above). Categorical: one a value, then any other.
 *  min, max, sum and sumSquares are over present, finite values (beyond 1e140 counted as that); null and 0 when there are none, or categorical. */
export const ColumnCounts = z.object({
  bins: z
    .custom<number[]>(isBins, `bins are 2 to ${binsMax + 2} whole numbers of at least 0`)
    .meta({ type: 'array', items: { type: 'integer', minimum: 0 }, minItems: 2, maxItems: binsMax + 2 }),
  missing: Count,
  min: z.number().nullable(),
  max: z.number().nullable(),
  sum: z.number(),
  sumSquares: z.number(),
})
export type ColumnCounts = z.infer<typeof ColumnCounts>

/** In one loop: hundreds of counts come with every window, and a schema for each of them takes longer than all the rest
 *  of taking a report in. A hole (structured clone keeps them) is no count. */
function isBins(value: unknown): boolean {
  if (!Array.isArray(value) || value.length < 2 || value.length > binsMax + 2) return false
  for (let i = 0; i < value.length; i++) if (!Number.isSafeInteger(value[i]) || value[i] < 0) return false
  return true
}

export class SketchError extends Error {
  readonly code: 'scale-mismatch'
  constructor(code: 'scale-mismatch', message: string) {
    super(message)
    this.name = 'SketchError'
    this.code = code
  }
}

/** How many bins the counts of a scale have. */
export function binCount(scale: ColumnScale): number {
  return scale.type === 'numeric' ? scale.edges.length + 1 : scale.values.length + 1
}

/** The summary of both columns' values together. Counts, min and max are exact in any order and grouping;
 *  the sums are too where the values are whole numbers, else they differ in the last bits (they are doubles).
 *  Counts do not carry their scale: the caller holds it, a different number of bins is refused.
 *  @throws SketchError scale-mismatch */
export function mergeColumns(a: ColumnCounts, b: ColumnCounts): ColumnCounts {
  if (a.bins.length !== b.bins.length) {
    throw new SketchError('scale-mismatch', `cannot add ${a.bins.length} bins and ${b.bins.length} bins`)
  }
  return {
    bins: a.bins.map((count, i) => count + (b.bins[i] ?? 0)),
    missing: a.missing + b.missing,
    min: a.min === null ? b.min : b.min === null ? a.min : Math.min(a.min, b.min),
    max: a.max === null ? b.max : b.max === null ? a.max : Math.max(a.max, b.max),
    sum: a.sum + b.sum,
    sumSquares: a.sumSquares + b.sumSquares,
  }
}
