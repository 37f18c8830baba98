// Metrics a second for bench `registry`: log-batch with a thousand points each through a real hub process. The limit in
// the same run: the same points inserted into the same table, as many in a transaction, one row a statement and a hundred.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { pino } from 'pino'
import { z } from 'zod'
import { rowsInto } from '../../hub/experiments/log.ts'
import { openDatabase } from '../../hub/storage/database.ts'
import { createCrew } from '../demo/crew.ts'
import { startHub } from '../demo/hub-process.ts'
import { startMlflowServer } from './mlflow-server.ts'
import { type BenchResult, benchResult, type Goal } from './result.ts'
import { median } from './statistics.ts'

const rounds = 3
const pointsPerBatch = 1_000
const batchesPerClient = 10
const keysPerBatch = 10

export async function metricsLogged(): Promise<BenchResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-bench-metrics-'))
  const { signal } = new AbortController()
  const crew = createCrew(folder, signal, (error) => console.error(error.message))
  await using closing = new AsyncDisposableStack()
  closing.defer(() => rm(folder, { recursive: true, force: true }))
  closing.defer(() => crew.dismiss())
  const hub = await startHub(crew, join(folder, 'hub'), signal)
  const mlflow = await startMlflowServer(folder)
  closing.defer(() => mlflow?.close())
  const measured: Record<'alone' | 'together' | 'rows' | 'statements' | 'mlflow', number[]> = {
    alone: [],
    together: [],
    rows: [],
    statements: [],
    mlflow: [],
  }
  for (let round = 0; round < rounds; round++) {
    measured.rows.push(await bareInserts(join(folder, `rows-${round}`), 1))
    measured.statements.push(await bareInserts(join(folder, `statements-${round}`), 100))
    measured.alone.push(await logAll(hub, 1))
    measured.together.push(await logAll(hub, 4))
    if (mlflow !== undefined) measured.mlflow.push(await logAll({ url: mlflow.url, adminToken: '' }, 4))
  }
  const goal: Goal = { of: 'ratio', bound: '>=', number: 0.5 }
  const result = (metric: string, values: number[], limit: number[], wanted?: Goal) =>
    benchResult({ bench: 'registry', metric, value: median(values), unit: 'metrics/s', limit: median(limit) }, wanted)
  return [
    result('log-batch, one client : one-row inserts', measured.alone, measured.rows, goal),
    result('log-batch, four clients : one-row inserts', measured.together, measured.rows, goal),
    result('log-batch, four clients : 100-row inserts', measured.together, measured.statements),
    ...(mlflow === undefined
      ? []
      : [
          result("log-batch, four clients : MLflow's own server", measured.together, measured.mlflow, {
            of: 'ratio',
            bound: '>=',
            number: 5,
          }),
        ]),
  ]
}

type Point = { key: string; value: number; timestamp: number; step: number }

/** The points of batch `number`, as a training logs them: some metrics over consecutive steps. */
function points(number: number): Point[] {
  return Array.from({ length: pointsPerBatch }, (_, i) => {
    const step = number * (pointsPerBatch / keysPerBatch) + Math.floor(i / keysPerBatch)
    const key = `metric-${i % keysPerBatch}`
    return { key, value: Math.sin(step + i), timestamp: 1_700_000_000_000 + step, step }
  })
}

const RunAnswer = z.object({ run: z.object({ info: z.object({ run_id: z.string() }) }) })

/** Points a second, each client with a run of its own. */
async function logAll({ url, adminToken }: { url: string; adminToken: string }, clients: number): Promise<number> {
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const response = await fetch(`${url}/api/2.0/mlflow/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }
  const runs = await Promise.all(
    Array.from(
      { length: clients },
      async () =>
        RunAnswer.parse(await post('runs/create', { experiment_id: '0', user_id: 'bench', start_time: Date.now() })).run
          .info.run_id,
    ),
  )
  const started = performance.now()
  await Promise.all(
    runs.map(async (run_id) => {
      for (let i = 0; i < batchesPerClient; i++) await post('runs/log-batch', { run_id, metrics: points(i) })
    }),
  )
  return (clients * batchesPerClient * pointsPerBatch) / ((performance.now() - started) / 1000)
}

async function bareInserts(folder: string, rowsPerStatement: number): Promise<number> {
  await mkdir(folder)
  const path = join(folder, 'bare.db')
  await (await openDatabase(path, pino({ level: 'silent' }))).close()
  const client = createClient({ url: pathToFileURL(path).href, concurrency: 1 })
  await client.execute('PRAGMA synchronous = FULL')
  const head = 'INSERT INTO metric_points (run, key, step, timestamp, value, is_nan)'
  const batches = Array.from({ length: batchesPerClient }, (_, i) => {
    const rows = points(i).map(({ step, timestamp, value }, k) => [1, k % keysPerBatch, step, timestamp, value, 0])
    const groups = rowsPerStatement === 1 ? rows.map((row) => [row]) : [rows]
    return groups.flatMap((some) => rowsInto(head, some)).map(({ sql, args = [] }) => ({ sql, args: [...args] }))
  })
  const started = performance.now()
  for (const batch of batches) await client.batch(batch, 'write')
  const perSecond = (batchesPerClient * pointsPerBatch) / ((performance.now() - started) / 1000)
  client.close()
  return perSecond
}
