// Runs: one training each, with what it says of itself. Parameters, metrics and tags are in log.ts and run-data.ts.

import { z } from 'zod'
import type { Random } from '../hub.ts'
import type { Reader, Statement } from '../storage/database.ts'

export const runStatuses = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'] as const
export type RunStatus = (typeof runStatuses)[number]

/** The tag that is the run's name. */
export const runNameTag = 'mlflow.runName'

export const RunRow = z.object({
  number: z.number(),
  id: z.string(),
  experiment: z.number(),
  name: z.string(),
  user_id: z.string(),
  status: z.enum(runStatuses),
  start_time: z.number(),
  end_time: z.number().nullable(),
  deleted_at: z.number().nullable(),
  artifact_location: z.string(),
  experiment_deleted_at: z.number().nullable(),
})
export type RunRow = z.infer<typeof RunRow>

export const runColumns = `r.number, r.id, r.experiment, r.name, r.user_id, r.status, r.start_time, r.end_time,
  r.deleted_at, e.artifact_location, e.deleted_at AS experiment_deleted_at`

export const findRun = (reader: Reader, id: string): Promise<RunRow | undefined> =>
  reader.first(RunRow, `SELECT ${runColumns} FROM runs r JOIN experiments e ON e.id = r.experiment WHERE r.id = ?`, [
    id,
  ])

/** A run is deleted by itself or with its experiment. */
export const isDeleted = (run: RunRow): boolean => run.deleted_at !== null || run.experiment_deleted_at !== null

/** Where the files of the run are, as its clients name it. */
export const artifactUri = (run: Pick<RunRow, 'artifact_location' | 'id'>): string =>
  `${run.artifact_location.replace(/\/+$/, '')}/${run.id}/artifacts`

export const makeRunId = (random: Random): string => Buffer.from(random(16)).toString('hex')

/** The number a new run gets; take it within the transaction that inserts. */
export async function nextRunNumber(reader: Reader): Promise<number> {
  const row = await reader.first(
    z.object({ next: z.number() }),
    'SELECT coalesce(max(number), 0) + 1 AS next FROM runs',
  )
  return row?.next ?? 1
}

export const insertRun = (
  row: Pick<RunRow, 'number' | 'id' | 'experiment' | 'name' | 'user_id' | 'start_time'>,
  nowMs: number,
): Statement => ({
  sql: `INSERT INTO runs (number, id, experiment, name, user_id, status, start_time, created_at)
    VALUES (?, ?, ?, ?, ?, 'RUNNING', ?, ?)`,
  args: [row.number, row.id, row.experiment, row.name, row.user_id, row.start_time, nowMs],
})

export const updateRun = (
  number: number,
  { name, status, endTime }: { name: string | undefined; status: RunStatus | undefined; endTime: number | undefined },
): Statement => ({
  sql: `UPDATE runs SET name = coalesce(?, name), status = coalesce(?, status), end_time = coalesce(?, end_time)
    WHERE number = ?`,
  args: [name ?? null, status ?? null, endTime ?? null, number],
})

/** Deletes or restores. */
export const setRunDeleted = (number: number, deletedAt: number | null): Statement => ({
  sql: 'UPDATE runs SET deleted_at = ? WHERE number = ?',
  args: [deletedAt, number],
})

const adjectives = [
  'able',
  'bold',
  'brisk',
  'calm',
  'clever',
  'deft',
  'eager',
  'fair',
  'glad',
  'keen',
  'lucid',
  'merry',
  'neat',
  'proud',
  'quick',
  'spry',
]
const birds = [
  'auk',
  'crane',
  'crow',
  'dove',
  'duck',
  'egret',
  'finch',
  'gull',
  'heron',
  'ibis',
  'jay',
  'kite',
  'lark',
  'owl',
  'swift',
  'wren',
]

/** For a run whose client gave it none. */
export function makeRunName(random: Random): string {
  const [a = 0, b = 0, c = 0, d = 0] = random(4)
  return `${adjectives[a % adjectives.length]}-${birds[b % birds.length]}-${(c * 256 + d) % 1000}`
}
