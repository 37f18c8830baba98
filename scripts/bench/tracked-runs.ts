// Runs as a team has after years, made by SQLite itself in the hub's own tables: filling them through the API would
// take an hour and measure something else.

import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { pino } from 'pino'
import { openDatabase } from '../../hub/storage/database.ts'

export const metricNames = ['accuracy', 'loss', 'val/accuracy', 'val/loss', 'f1', 'auc', 'lr', 'epoch_s', 'rmse', 'mae']
const stepsPerMetric = 10
const paramNames = ['lr', 'batch', 'depth', 'seed', 'optimiser', 'features']
const tagNames = ['mlflow.runName', 'mlflow.user', 'mlflow.source.name', 'team']

/** Points of one run. */
export const pointsPerRun = metricNames.length * stepsPerMetric

/** Fills the database at `path`, which it makes: `count` runs of the default experiment. */
export async function fillRuns(path: string, count: number): Promise<void> {
  await (await openDatabase(path, pino({ level: 'silent' }))).close()
  const client = createClient({ url: pathToFileURL(path).href, concurrency: 1 })
  const keys = [...new Set([...metricNames, ...paramNames, ...tagNames])]
  const idsOf = (names: readonly string[]) => JSON.stringify(names.map((name) => keys.indexOf(name) + 1))
  await client.execute('PRAGMA journal_mode = WAL')
  await client.execute('PRAGMA synchronous = OFF')
  await client.batch(
    [
      {
        sql: 'INSERT INTO run_keys (id, key) SELECT key + 1, value FROM json_each(?)',
        args: [JSON.stringify(keys)],
      },
      {
        sql: `INSERT INTO runs (number, id, experiment, name, user_id, status, start_time, end_time, created_at)
          SELECT value, lower(hex(randomblob(16))), 0, 'run-' || value, 'user-' || (value % 20),
            iif(value % 10 = 0, 'FAILED', 'FINISHED'), 1700000000000 + value * 1000, 1700000000000 + value * 1000 + 500, 0
          FROM ${numbers}`,
        args: [count],
      },
      {
        sql: `INSERT INTO run_params (run, key, value)
          SELECT r.number, k.value, CASE k.key WHEN 0 THEN '0.' || (r.number % 7) WHEN 4 THEN 'adam' ELSE abs(random()) % 1000 END
          FROM runs r, json_each(?) k`,
        args: [idsOf(paramNames)],
      },
      {
        sql: `INSERT INTO run_tags (run, key, value)
          SELECT r.number, k.value, CASE k.key WHEN 0 THEN r.name WHEN 1 THEN r.user_id WHEN 2 THEN 'train.py' ELSE 'team-' || (r.number % 50) END
          FROM runs r, json_each(?) k`,
        args: [idsOf(tagNames)],
      },
      {
        sql: `INSERT INTO metric_points (run, key, step, timestamp, value, is_nan)
          SELECT r.number, k.value, s.value, r.start_time + s.value, abs(random()) / 9.3e18, 0
          FROM runs r, json_each(?) k, json_each(?) s ORDER BY r.number, k.value, s.value`,
        args: [idsOf(metricNames), JSON.stringify(Array.from({ length: stepsPerMetric }, (_, step) => step))],
      },
      {
        sql: `INSERT INTO run_latest_metrics (run, key, step, timestamp, value, is_nan)
          SELECT run, key, step, timestamp, value, is_nan FROM metric_points WHERE step = ?`,
        args: [stepsPerMetric - 1],
      },
    ],
    'write',
  )
  await client.execute('PRAGMA wal_checkpoint(TRUNCATE)')
  client.close()
}

const numbers =
  '(WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < ?) SELECT value FROM n)'
