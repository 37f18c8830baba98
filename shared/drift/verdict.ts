// The drift verdict: how a window differs from what the baseline's own windows differ among themselves.

import { z } from 'zod'

/** One feature that moved, in words an operator reads. */
export const Movement = z.object({
  column: z.string(),
  chart: z.enum(['place', 'spread', 'shape', 'crowding', 'missing', 'category']),
  direction: z.enum(['up', 'down']),
  /** Size in standard deviations of the baseline where it has one, else in the chart's own sigma. */
  size: z.number(),
  /** The share of the evidence this column contributes, 0 … 1. */
  share: z.number(),
})
export type Movement = z.infer<typeof Movement>

export const DriftVerdict = z.object({
  state: z.enum(['healthy', 'drifted', 'baseline_too_short']),
  /** Start of the window after which this was said, device milliseconds; of two verdicts the greater is the later. */
  at: z.number().int().nonnegative(),
  /** Mean of e-detectors over all charts; drift at 1,000. */
  evidence: z.number().nonnegative(),
  /** When the running drift began (start of the first window of it), device milliseconds; null while healthy. */
  since: z.number().int().nonnegative().nullable(),
  movements: z.array(Movement).max(16),
})
export type DriftVerdict = z.infer<typeof DriftVerdict>
