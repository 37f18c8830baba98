// What is kept of each column of a snapshot: its type, its statistics, and the scale that later snapshots are compared on.

import { ColumnScale } from '@roost/shared/sketch/column.ts'
import { z } from 'zod'
import { ColumnType } from './cells.ts'

/** Shares of the values that lie at or below each quantile. */
export const quantileShares = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] as const

export const Statistics = z.object({
  /** Rows that have a value, and those that have none. */
  count: z.number().int(),
  missing: z.number().int(),
  /** Different values; an estimate (1.6 % standard error) where `distinctExact` is false. */
  distinct: z.number().int(),
  distinctExact: z.boolean(),
  /** Of numbers, truth values (0 and 1) and times (milliseconds since 1970); null for texts and where there are none. */
  min: z.number().nullable(),
  max: z.number().nullable(),
  mean: z.number().nullable(),
  /** Of the values as a whole population (divided by their count). */
  standardDeviation: z.number().nullable(),
  /** By their share, between neighbours straight lines. */
  quantiles: z.array(z.object({ share: z.number(), value: z.number() })),
  /** How far, as a share of the rows, a quantile may be from its true place: 0 where exact. */
  quantileRankError: z.number(),
  /** The most frequent values; a count may be too low by up to `topError`. */
  top: z.array(z.object({ value: z.union([z.string(), z.number()]), count: z.number().int() })),
  topError: z.number().int(),
})
export type Statistics = z.infer<typeof Statistics>

export const ColumnSummary = z.object({
  name: z.string(),
  type: ColumnType,
  nullable: z.boolean(),
  statistics: Statistics,
  /** Null for a column without a value. */
  scale: ColumnScale.nullable(),
})
export type ColumnSummary = z.infer<typeof ColumnSummary>
