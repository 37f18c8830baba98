// What an evaluation and an explanation are asked for with.

import { z } from '@hono/zod-openapi'
import { Name } from '@roost/shared/protocol/names.ts'
import { SnapshotReference } from '../datasets/snapshots.ts'
import { EvaluationTask } from './task.ts'

const ColumnName = z.string().min(1).max(200)
const mappedMax = 4096
export const sliceColumnsMax = 5
export const fairnessColumnsMax = 3
/** Walks of a Shapley sampling. */
export const samplesMax = 1_000

const common = {
  /** The digest of a snapshot, or `name/version`. */
  dataset: SnapshotReference,
  /** What its output means; missing: as the version's own task says. */
  task: EvaluationTask.optional(),
  /** Model input element or feature field -> column of the dataset; what is not named has the same name. */
  columns: z
    .record(z.string().min(1).max(300), ColumnName)
    .refine((mapping) => Object.keys(mapping).length <= mappedMax, `at most ${mappedMax} columns`)
    .default({}),
  /** Of the version, where it has several; missing: its first. */
  variant: Name.optional(),
  /** The same seed draws the same rows. */
  seed: z.number().int().min(0).max(0xffff_ffff).default(1),
}

export const NewEvaluation = z
  .strictObject({
    ...common,
    /** The column that holds what was true. */
    label: ColumnName,
    /** Columns by whose values all figures are measured apart. */
    slices: z.array(ColumnName).max(sliceColumnsMax).default([]),
    /** Columns between whose values a binary classifier is compared. */
    fairness: z.array(ColumnName).max(fairnessColumnsMax).default([]),
    /** Rows of one value belong together (a device, a patient): intervals draw them together. */
    cluster: ColumnName.optional(),
    /** The version to compare with; null: none; missing: the one the alias `champion` points at. */
    champion: z.number().int().positive().max(1_000_000_000).nullable().optional(),
    /** Whether permutation importance is measured. */
    importance: z.boolean().default(true),
  })
  .openapi('NewEvaluation')
export type NewEvaluation = z.output<typeof NewEvaluation>

export const NewExplanation = z
  .strictObject({
    ...common,
    /** Which row of the snapshot, counted from 0. */
    row: z.number().int().min(0).max(1_000_000),
    /** The class whose probability is explained, of more than two; missing: the predicted one. */
    class: z.union([z.string().max(200), z.number(), z.boolean()]).optional(),
    samples: z.number().int().min(2).max(samplesMax).default(200),
  })
  .openapi('NewExplanation')
export type NewExplanation = z.output<typeof NewExplanation>
