// The same runs in MLflow's own database: copied by SQLite from the hub's tables into those that MLflow's server has made.

import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'

/** Copies all runs of the hub's database at `from` into MLflow's at `to`, which its server has made and left. */
export async function copyRuns(from: string, to: string): Promise<void> {
  const client = createClient({ url: pathToFileURL(to).href, concurrency: 1 })
  try {
    await client.execute('PRAGMA synchronous = OFF')
    // KiB: ten million points come in no order that both of their indices like
    await client.execute('PRAGMA cache_size = -2000000')
    await client.execute({ sql: 'ATTACH DATABASE ? AS hub', args: [from] })
    for (const sql of copies) await client.execute(sql)
  } finally {
    client.close()
  }
}

const keyed = 'JOIN hub.run_keys k ON k.id = x.key JOIN hub.runs r ON r.number = x.run'
const copies = [
  `INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
     source_version, lifecycle_stage, artifact_uri, experiment_id)
   SELECT id, name, 'LOCAL', '', '', user_id, status, start_time, end_time, '', 'active', 'mlflow-artifacts:/0/' || id, 0
   FROM hub.runs`,
  `INSERT INTO params (key, value, run_uuid) SELECT k.key, x.value, r.id FROM hub.run_params x ${keyed}`,
  `INSERT INTO tags (key, value, run_uuid) SELECT k.key, x.value, r.id FROM hub.run_tags x ${keyed}`,
  `INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
   SELECT k.key, x.value, x.timestamp, x.step, x.is_nan, r.id FROM hub.run_latest_metrics x ${keyed}`,
  `INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)
   SELECT k.key, x.value, x.timestamp, r.id, x.step, x.is_nan FROM hub.metric_points x ${keyed}`,
]
