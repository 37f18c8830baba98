// Bench `runs-search`: searches over 100,000 runs with ten million metric points, through a real hub process, as MLflow's
// clients ask. The limit in the same run: one look at one metric of every run, by SQL alone on the same file.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { z } from 'zod'
import { createCrew } from '../demo/crew.ts'
import { startHub } from '../demo/hub-process.ts'
import { copyRuns } from './mlflow-runs.ts'
import { startMlflowServer } from './mlflow-server.ts'
import { type BenchResult, benchResult } from './result.ts'
import { median, quantile } from './statistics.ts'
import { fillRuns, pointsPerRun } from './tracked-runs.ts'

export const runsByDefault = 100_000
const searchesEach = 15
const mlflowSearchesEach = 3
/** One that takes longer is given up, and counts as this long. */
const searchMsMax = 120_000
/** What a person waits for without losing the thread (Nielsen's second), halved for a network in between. */
const p95MsMax = 500

type Search = { filter?: string; order_by?: string[]; max_results: number }
/** From what every page of a user interface asks to what an analyst asks once a week. */
const searches: Record<string, Search> = {
  'newest 100': { max_results: 100 },
  'newest 1,000': { max_results: 1_000 },
  'one metric, one run in a hundred': { filter: 'metrics.accuracy > 0.98', max_results: 100 },
  'metric and parameter': { filter: "metrics.accuracy > 0.5 AND params.lr = '0.1'", max_results: 100 },
  'two metrics, best first': {
    filter: 'metrics.accuracy > 0.9 AND metrics.loss < 0.1',
    order_by: ['metrics.accuracy DESC'],
    max_results: 100,
  },
  'best of all by a metric': { order_by: ['metrics."val/loss" ASC'], max_results: 100 },
  'tag by pattern': { filter: "tags.team LIKE 'team-4%'", max_results: 100 },
  'part of a name': { filter: "run_name ILIKE '%9999%'", max_results: 100 },
  'nothing fits': { filter: "params.lr = 'none' AND metrics.loss < 0.5", max_results: 100 },
}

export async function runsSearch(count: number): Promise<BenchResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-bench-runs-'))
  const { signal } = new AbortController()
  const crew = createCrew(folder, signal, (error) => console.error(error.message))
  try {
    await mkdir(join(folder, 'hub'))
    const database = join(folder, 'hub', 'hub.db')
    await fillRuns(database, count)
    const hub = await startHub(crew, join(folder, 'hub'), signal)
    const limit = await everyRunOnce(database)
    const size = `${count.toLocaleString('en')} runs, ${(count * pointsPerRun).toLocaleString('en')} points`
    const ours: Times = new Map()
    for (const [name, search] of Object.entries(searches)) ours.set(name, await timed(hub, name, search, searchesEach))
    const mlflow = await timesOfMlflow(folder, database)
    const all = { bench: 'runs-search', unit: 'ms', limit }
    return [
      ...[...ours].map(([name, each]) => benchResult({ ...all, metric: `${name}, median`, value: median(each) })),
      ...(mlflow === undefined ? [] : besideMlflow(ours, mlflow)),
      benchResult({ ...all, metric: `all searches, median : ${size}`, value: median(flat(ours)) }),
      benchResult(
        { ...all, metric: `all searches, 95th percentile : ${size}`, value: quantile(flat(ours), 0.95) },
        { of: 'value', bound: '<=', number: p95MsMax },
      ),
    ]
  } finally {
    await crew.dismiss()
    await rm(folder, { recursive: true })
  }
}

/** Milliseconds of each search under its name. */
type Times = Map<string, number[]>

const flat = (times: Times): number[] => [...times.values()].flat()

function besideMlflow(ours: Times, mlflow: Times): BenchResult[] {
  const figure = (what: string, value: number, limit: number) =>
    benchResult({ bench: 'runs-search', unit: 'ms', metric: `${what} : MLflow's own server`, value, limit })
  return [
    ...[...ours].map(([name, each]) => figure(`${name}, median`, median(each), median(mlflow.get(name) ?? []))),
    figure('all searches, median', median(flat(ours)), median(flat(mlflow))),
    figure('all searches, 95th percentile', quantile(flat(ours), 0.95), quantile(flat(mlflow), 0.95)),
  ]
}

/** The same searches in the same runs by MLflow's own server, where there is one; fewer, as they take their time. */
async function timesOfMlflow(folder: string, database: string): Promise<Times | undefined> {
  const empty = await startMlflowServer(folder)
  if (empty === undefined) return undefined
  await empty.close()
  const started = performance.now()
  await copyRuns(database, join(folder, 'mlflow.db'))
  console.error(`copied into MLflow's database in ${Math.round((performance.now() - started) / 1000)} s`)
  const times: Times = new Map()
  for (const [name, search] of Object.entries(searches)) {
    // a new one for each: it goes on with what was given up
    const server = await startMlflowServer(folder)
    if (server === undefined) return undefined
    await using _ = { [Symbol.asyncDispose]: server.close }
    times.set(name, await timed({ url: server.url, adminToken: '' }, name, search, mlflowSearchesEach))
  }
  return times
}

type Asked = { url: string; adminToken: string }

const Page = z.object({ runs: z.array(z.unknown()).default([]), next_page_token: z.string().optional() })

/** Milliseconds of each search after a first one that warms up; every other one goes on to the second page. Where one is
 *  given up it is not asked again: all count as what it was given. */
async function timed(server: Asked, name: string, search: Search, count: number): Promise<number[]> {
  const times: number[] = []
  let pageToken: string | undefined
  for (let i = 0; i <= count; i++) {
    const { ms, next } = await searchOnce(server, { ...search, page_token: pageToken })
    if (ms >= searchMsMax) {
      console.error(`${server.url}: ${name}: given up after ${searchMsMax} ms`)
      return Array.from({ length: count }, () => searchMsMax)
    }
    if (i > 0) times.push(ms)
    pageToken = i > 0 && pageToken === undefined ? next : undefined
  }
  console.error(`${server.url}: ${name}: ${times.map(Math.round).join(' ')} ms`)
  return times
}

/** @throws Error where it is refused */
async function searchOnce({ url, adminToken }: Asked, search: Search & { page_token: string | undefined }) {
  const started = performance.now()
  try {
    const response = await fetch(`${url}/api/2.0/mlflow/runs/search`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ experiment_ids: ['0'], ...search }),
      signal: AbortSignal.timeout(searchMsMax),
    })
    const body: unknown = await response.json()
    const ms = performance.now() - started
    if (response.status !== 200) throw new Error(`the search was refused: ${JSON.stringify(body)}`)
    return { ms, next: Page.parse(body).next_page_token }
  } catch (error) {
    if (error instanceof DOMException && error.name === 'TimeoutError') return { ms: searchMsMax, next: undefined }
    throw error
  }
}

async function everyRunOnce(path: string): Promise<number> {
  const client = createClient({ url: pathToFileURL(path).href, concurrency: 1 })
  const times: number[] = []
  for (let i = 0; i < 5; i++) {
    const started = performance.now()
    await client.execute(
      'SELECT sum(m.value) FROM runs r JOIN run_latest_metrics m ON m.run = r.number AND m.key = 1 WHERE r.experiment = 0',
    )
    times.push(performance.now() - started)
  }
  client.close()
  return median(times)
}
