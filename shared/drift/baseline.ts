// What the training data looked like, kept window by window, on scales that devices record on.

import { z } from 'zod'
import { ColumnScale } from '../sketch/column.ts'

/** A window ends at `rows` inferences or after `seconds`, whichever comes first. */
export const WindowSpec = z.object({
  rows: z.number().int().positive().optional(),
  seconds: z.number().positive().max(86_400),
})
export type WindowSpec = z.infer<typeof WindowSpec>

export const baselineWindowsMax = 400

export const BaselineColumn = z.object({
  kind: z.enum(['feature', 'output']),
  scale: ColumnScale,
  mean: z.number().nullable(),
  standardDeviation: z.number().nonnegative().nullable(),
  /** Per baseline window, in their order: counts on the scale (as ColumnCounts.bins), then missing as last element. */
  windows: z.array(z.array(z.number().int().nonnegative())).max(baselineWindowsMax),
})
export type BaselineColumn = z.infer<typeof BaselineColumn>

export const Baseline = z.object({
  formatVersion: z.literal(1),
  window: WindowSpec,
  rows: z.number().int().nonnegative(),
  /** Parts of the day that windows are told apart by; 1 where they are not. */
  phases: z.number().int().positive().max(24),
  windowPhases: z.array(z.number().int().nonnegative()).max(baselineWindowsMax),
  columns: z.record(z.string(), BaselineColumn),
})
export type Baseline = z.infer<typeof Baseline>
