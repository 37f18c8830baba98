// What an evaluation found, as it is stored and shown.

import { z } from '@hono/zod-openapi'
import { EvaluationTask } from './task.ts'

/** A value and its two-sided 95 % interval. */
export const Figure = z.object({ value: z.number(), low: z.number(), high: z.number() }).openapi('Figure')
export const Figures = z.record(z.string(), Figure)

const Slice = z.object({
  column: z.string(),
  value: z.string(),
  rows: z.number(),
  /** Why it was not measured. */
  tooSmall: z.string().nullable(),
  figures: Figures,
  champion: Figures.nullable(),
  difference: Figures,
  unmeasured: z.record(z.string(), z.string()),
})

const Rates = z.object({
  value: z.string(),
  rows: z.number(),
  selectionRate: z.number(),
  truePositiveRate: z.number(),
  falsePositiveRate: z.number(),
})

const Importance = z.object({ input: z.string(), mean: z.number(), deviation: z.number() })

export const EvaluationResult = z
  .object({
    /** Rows that every figure is over. */
    rows: z.number(),
    rowsLeftOut: z.object({
      /** Without a label. */
      unlabelled: z.number(),
      /** Without a readable key or time. */
      unplaced: z.number(),
      /** With a missing input, and no finite answer of one of the models. */
      unanswered: z.number(),
    }),
    task: EvaluationTask,
    figures: Figures,
    champion: z.object({ version: z.number(), figures: Figures }).nullable(),
    /** Why there is none. */
    noChampion: z.string().nullable(),
    /** Candidate less champion, on the same rows in every resample. */
    difference: Figures,
    unmeasured: z.record(z.string(), z.string()),
    slices: z.array(Slice),
    slicesLeftOut: z.record(z.string(), z.object({ rows: z.number() })),
    confusion: z.object({ classes: z.array(z.string()), counts: z.array(z.array(z.number())) }).nullable(),
    calibration: z
      .array(
        z.object({
          from: z.number(),
          to: z.number(),
          rows: z.number(),
          confidence: z.number().nullable(),
          frequency: z.number().nullable(),
        }),
      )
      .nullable(),
    fairness: z.array(z.object({ column: z.string(), groups: z.array(Rates) })),
    importance: z
      .union([
        z.object({ by: z.string(), rows: z.number(), repeats: z.number(), inputs: z.array(Importance) }),
        z.object({ reason: z.string() }),
      ])
      .nullable(),
    /** Of single inferences at the hub, on the hub's processor. */
    latency: z.object({ at: z.literal('hub'), p50Ms: Figure.nullable(), p99Ms: Figure.nullable() }),
    interval: z.object({
      method: z.literal('percentile bootstrap'),
      level: z.literal(0.95),
      resamples: z.number(),
      by: z.enum(['row', 'cluster']),
    }),
  })
  .openapi('EvaluationResult')
export type EvaluationResult = z.infer<typeof EvaluationResult>
