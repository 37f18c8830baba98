// Registrations for bench `registry`: versions of a 1 MB model a second through a real hub process, each looked into, loaded
// and run once in a process of its own. The limit in the same run: the same bytes hashed, written and fsynced, and one insert.

import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { createCrew } from '../demo/crew.ts'
import { startHub } from '../demo/hub-process.ts'
import { encodeModel, floats, node, value } from '../demo/onnx-writer.ts'
import { registerByMlflow } from './mlflow-registrations.ts'
import { startMlflowServer } from './mlflow-server.ts'
import { type BenchResult, benchResult } from './result.ts'
import { median } from './statistics.ts'

const modelBytes = 1_048_576
const versionsEach = 12
/** Each way in turn, so that all see the same machine. */
const rounds = 3

export async function registrations(): Promise<BenchResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-bench-registry-'))
  const { signal } = new AbortController()
  const crew = createCrew(folder, signal, (error) => console.error(error.message))
  await using closing = new AsyncDisposableStack()
  closing.defer(() => rm(folder, { recursive: true, force: true }))
  closing.defer(() => crew.dismiss())
  const hub = await startHub(crew, join(folder, 'hub'), signal)
  const mlflow = await startMlflowServer(folder)
  closing.defer(() => mlflow?.close())
  const bare: number[] = []
  const upload: Measured = { alone: [], together: [] }
  const ours: Measured = { alone: [], together: [] }
  const theirs: Measured = { alone: [], together: [] }
  let made = 0
  const models = () => Array.from({ length: versionsEach }, () => aModel(++made))
  for (let round = 0; round < rounds; round++) {
    bare.push(await bareRegistrations(join(folder, `bare-${round}`), models()))
    for (const [clients, count] of counts) {
      upload[clients].push(await registerAll(hub, models(), count))
      if (mlflow === undefined) continue
      ours[clients].push(await registerByMlflow(hub, models(), count))
      theirs[clients].push(await registerByMlflow({ url: mlflow.url, adminToken: '' }, models(), count))
    }
  }
  const result = (metric: string, perSecond: number[], limit: number[], ratio: number) => {
    const figures = { value: median(perSecond), limit: median(limit), unit: 'versions/s' }
    return benchResult({ bench: 'registry', metric, ...figures }, { of: 'ratio', bound: '>=', number: ratio })
  }
  const byRoutes = "versions of 1 MB by MLflow's routes"
  const beside = (metric: string, clients: Clients) =>
    mlflow === undefined ? [] : [result(`${metric} : MLflow's own server`, ours[clients], theirs[clients], 5)]
  return [
    result('versions of 1 MB, one client', upload.alone, bare, 0.5),
    result('versions of 1 MB, four clients', upload.together, bare, 0.5),
    ...beside(`${byRoutes}, one client`, 'alone'),
    ...beside(`${byRoutes}, four clients`, 'together'),
  ]
}

type Clients = 'alone' | 'together'
const counts: [Clients, number][] = [
  ['alone', 1],
  ['together', 4],
]
/** Versions a second of each round. */
type Measured = Record<Clients, number[]>

/** Another one for every number: the same bytes again would be refused as a repeat. */
function aModel(number: number): Uint8Array {
  const weights = Float32Array.from({ length: modelBytes / 4 }, (_, i) => Math.fround(Math.sin(i + number)))
  return encodeModel({
    graph: {
      name: 'g',
      input: [value('x', 'float', ['N', 2])],
      output: [value('y', 'float', ['N', 2])],
      node: [node('Mul', ['x', 'factor'], ['y'])],
      initializer: [floats('factor', [], [number]), floats('weights', [weights.length], weights)],
    },
  })
}

/** Versions a second. */
async function registerAll(
  { url, adminToken }: { url: string; adminToken: string },
  models: readonly Uint8Array[],
  clients: number,
): Promise<number> {
  const waiting = [...models]
  const work = async () => {
    for (let onnx = waiting.pop(); onnx !== undefined; onnx = waiting.pop()) {
      const form = new FormData()
      form.set('model', new Blob([Uint8Array.from(onnx)]), 'model.onnx')
      const response = await fetch(`${url}/v1/models/bench/versions`, {
        method: 'POST',
        body: form,
        headers: { authorization: `Bearer ${adminToken}` },
      })
      if (response.status !== 201) throw new Error(`not registered: ${response.status} ${await response.text()}`)
      await response.arrayBuffer()
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: clients }, work))
  return models.length / ((performance.now() - started) / 1000)
}

/** What cannot be left out: the bytes hashed and durable under their name, one row durable that tells of them. */
async function bareRegistrations(folder: string, models: readonly Uint8Array[]): Promise<number> {
  await mkdir(folder)
  const client = createClient({ url: pathToFileURL(join(folder, 'bare.db')).href, concurrency: 1 })
  await client.execute('PRAGMA journal_mode = WAL')
  await client.execute('PRAGMA synchronous = FULL')
  await client.execute('CREATE TABLE versions (version INTEGER PRIMARY KEY, sha256 TEXT NOT NULL) STRICT')
  const started = performance.now()
  for (const onnx of models) {
    const sha256 = createHash('sha256').update(onnx).digest('hex')
    await using file = await open(join(folder, sha256), 'wx')
    await file.writeFile(onnx)
    await file.sync()
    await client.batch([{ sql: 'INSERT INTO versions (sha256) VALUES (?)', args: [sha256] }], 'write')
  }
  const perSecond = models.length / ((performance.now() - started) / 1000)
  client.close()
  return perSecond
}
