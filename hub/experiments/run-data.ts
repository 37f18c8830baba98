// What runs have said: latest metrics, parameters, tags, inputs and outputs; read for many runs at once.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { z } from 'zod'
import { jsonColumn, type Reader } from '../storage/database.ts'
import type { Point } from './log.ts'
import { RunRow, runColumns } from './runs.ts'
import { RealColumn } from './sql.ts'

export type InputDataset = {
  name: string
  digest: string
  sourceType: string
  source: string
  schema: string | null
  profile: string | null
  tags: Record<string, string>
}
export type Run = RunRow & {
  metrics: Point[]
  params: { key: string; value: string }[]
  tags: { key: string; value: string }[]
  datasets: InputDataset[]
  inputModels: string[]
  outputModels: { model: string; step: number }[]
}

/** Runs read in one go: the hub answers others in between. */
const runsPerTurn = 250

/** The runs of those numbers, in that order. */
export async function readRuns(reader: Reader, numbers: readonly number[]): Promise<Run[]> {
  const runs: Run[] = []
  for (let from = 0; from < numbers.length; from += runsPerTurn) {
    if (from > 0) await nextTurn()
    runs.push(...(await readSome(reader, numbers.slice(from, from + runsPerTurn))))
  }
  return runs
}

const run = z.number()
const MetricRow = z.object({
  run,
  key: z.string(),
  value: RealColumn,
  is_nan: z.number(),
  timestamp: z.number(),
  step: z.number(),
})
const TextsRow = z.object({ run, texts: jsonColumn(z.array(z.tuple([z.string(), z.string()]))) })
const DatasetRow = z.object({
  run,
  name: z.string(),
  digest: z.string(),
  source_type: z.string(),
  source: z.string(),
  schema: z.string().nullable(),
  profile: z.string().nullable(),
  tags: z.string(),
})
const TextByKey = z.record(z.string(), z.string())
const InputModelRow = z.object({ run, model: z.string() })
const OutputRow = z.object({ run, model: z.string(), step: z.number() })

async function readSome(reader: Reader, numbers: readonly number[]): Promise<Run[]> {
  const args = [JSON.stringify(numbers)]
  const these = 'IN (SELECT value FROM json_each(?))'
  const keyed = (table: string, columns: string) =>
    `SELECT v.run, k.key, ${columns} FROM ${table} v JOIN run_keys k ON k.id = v.key WHERE v.run ${these}`
  const rows = await reader.all(
    RunRow,
    `SELECT ${runColumns} FROM runs r JOIN experiments e ON e.id = r.experiment WHERE r.number ${these}`,
    args,
  )
  const metrics = by(
    await reader.all(MetricRow, keyed('run_latest_metrics', 'v.value, v.is_nan, v.timestamp, v.step'), args),
  )
  const params = await readTexts(reader, 'run_params', args)
  const tags = await readTexts(reader, 'run_tags', args)
  const datasets = by(
    await reader.all(
      DatasetRow,
      `SELECT i.run, d.name, d.digest, d.source_type, d.source, d.schema, d.profile, i.tags
        FROM run_inputs i JOIN run_datasets d ON d.id = i.dataset WHERE i.run ${these}`,
      args,
    ),
  )
  const inputs = by(await reader.all(InputModelRow, `SELECT run, model FROM run_input_models WHERE run ${these}`, args))
  const outputs = by(await reader.all(OutputRow, `SELECT run, model, step FROM run_outputs WHERE run ${these}`, args))
  const rowOf = new Map(rows.map((row) => [row.number, row]))
  return numbers.flatMap((number) => {
    const row = rowOf.get(number)
    if (row === undefined) return []
    return {
      ...row,
      metrics: (metrics.get(number) ?? []).map(pointOf),
      params: params.get(number) ?? [],
      tags: tags.get(number) ?? [],
      datasets: (datasets.get(number) ?? []).map(({ source_type, tags, ...dataset }) => ({
        ...dataset,
        sourceType: source_type,
        tags: TextByKey.parse(JSON.parse(tags)),
      })),
      inputModels: (inputs.get(number) ?? []).map(({ model }) => model),
      outputModels: outputs.get(number) ?? [],
    }
  })
}

/** All of a run in one row: a row costs more than what is in it. (Numbers would not survive SQLite's JSON to the bit.) */
async function readTexts(
  reader: Reader,
  table: 'run_params' | 'run_tags',
  args: readonly string[],
): Promise<Map<number, { key: string; value: string }[]>> {
  const rows = await reader.all(
    TextsRow,
    `SELECT v.run, json_group_array(json_array(k.key, v.value)) AS texts
      FROM ${table} v JOIN run_keys k ON k.id = v.key WHERE v.run IN (SELECT value FROM json_each(?)) GROUP BY v.run`,
    args,
  )
  return new Map(rows.map(({ run, texts }) => [run, texts.map(([key, value]) => ({ key, value }))]))
}

const by = <R extends { run: number }>(rows: R[]): Map<number, R[]> => Map.groupBy(rows, (row) => row.run)

const pointOf = ({ key, value, is_nan, timestamp, step }: z.infer<typeof MetricRow>): Point => ({
  key,
  value: is_nan === 1 ? Number.NaN : value,
  timestamp,
  step,
})
