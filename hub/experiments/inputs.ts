// What a run was fed with and what it made: datasets by name and digest, logged models by id.

import type { Statement } from '../storage/database.ts'
import type { RunRow } from './runs.ts'

export type DatasetInput = {
  dataset: {
    name: string
    digest: string
    source_type: string
    source: string
    schema?: string | undefined
    profile?: string | undefined
  }
  tags: readonly { key: string; value: string }[]
}

/** Of the same dataset the first word counts, within an experiment and within a run. */
export function inputStatements(
  run: Pick<RunRow, 'number' | 'experiment'>,
  datasets: readonly DatasetInput[],
  models: readonly string[],
): Statement[] {
  return [
    ...datasets.flatMap(({ dataset, tags }) => [
      {
        sql: `INSERT OR IGNORE INTO run_datasets (experiment, name, digest, source_type, source, schema, profile)
          VALUES (?, ?, ?, ?, ?, ?, ?)`,
        args: [
          run.experiment,
          dataset.name,
          dataset.digest,
          dataset.source_type,
          dataset.source,
          dataset.schema ?? null,
          dataset.profile ?? null,
        ],
      },
      {
        sql: `INSERT OR IGNORE INTO run_inputs (run, dataset, tags)
          SELECT ?, id, ? FROM run_datasets WHERE experiment = ? AND name = ? AND digest = ?`,
        args: [
          run.number,
          JSON.stringify(Object.fromEntries(tags.map(({ key, value }) => [key, value]))),
          run.experiment,
          dataset.name,
          dataset.digest,
        ],
      },
    ]),
    ...models.map((model) => ({
      sql: 'INSERT OR IGNORE INTO run_input_models (run, model) VALUES (?, ?)',
      args: [run.number, model],
    })),
  ]
}

export const outputStatements = (
  run: Pick<RunRow, 'number'>,
  models: readonly { model: string; step: number }[],
): Statement[] =>
  models.map(({ model, step }) => ({
    sql: `INSERT INTO run_outputs (run, model, step) VALUES (?, ?, ?)
      ON CONFLICT (run, model) DO UPDATE SET step = excluded.step`,
    args: [run.number, model, step],
  }))
