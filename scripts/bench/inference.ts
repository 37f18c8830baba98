// Bench `inference`: what an inference costs beyond `session.run`, in the process that runs it and over HTTP.
// Its limits in the same run: bare `session.run` on tensors that exist already, and a bare node:http server around it.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InferenceSession } from 'onnxruntime-node'
import type { Deployment } from '../../agent/runtime/deployment.ts'
import type { Tensors } from '../../agent/runtime/session.ts'
import { readTensor } from '../../agent/runtime/tensors.ts'
import { audioModel, type BenchModel, tableModel } from './bundles.ts'
import { deploy } from './deployment.ts'
import { type BenchResult, benchResult } from './result.ts'
import { serving } from './serving.ts'
import { median } from './statistics.ts'

/** Both ways in turn, so that both see the same machine. The first rounds only warm up. */
const rounds = 24
const warmUpRounds = 4
const roundMs = 150

/** µs an inference (p50) in the process, and requests a second over the Open Inference Protocol, for both models. */
export async function inference(): Promise<BenchResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-bench-inference-'))
  try {
    const table = await tableModel(folder)
    const audio = await audioModel(folder)
    return [
      await inProcess(table, 1.3),
      await inProcess(audio, 1.03),
      ...(await serving(table, folder)),
      ...(await serving(audio, folder)),
    ]
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function inProcess(model: BenchModel, ratioMax: number): Promise<BenchResult> {
  const deployment = await deploy(model.bundle, () => undefined)
  const session = await InferenceSession.create(model.model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
  })
  const feeds = feedsOf(model)
  const whole = model.records.length > 0 ? recordsOneByOne(deployment, model.records) : tensors(deployment, model)
  const watched: number[] = []
  const bare: number[] = []
  for (let round = 0; round < rounds; round++) {
    const keep = round >= warmUpRounds
    bare.push(...(await timeEach(() => session.run(feeds))).filter(() => keep))
    watched.push(...(await timeEach(whole)).filter(() => keep))
  }
  await deployment.close()
  await session.release()
  const metric = `${model.name} model, ${model.records.length > 0 ? 'features, ' : ''}session, monitoring, p50`
  return benchResult(
    { bench: 'inference', metric, value: median(watched), unit: 'µs', limit: median(bare) },
    { of: 'ratio', bound: '<=', number: ratioMax },
  )
}

function recordsOneByOne(deployment: Deployment, records: readonly Record<string, unknown>[]): () => Promise<unknown> {
  let at = 0
  return () => deployment.predict(records[at++ % records.length] ?? {})
}

function tensors(deployment: Deployment, model: BenchModel): () => Promise<unknown> {
  const feeds = feedsOf(model)
  return () => deployment.infer(feeds)
}

function feedsOf({ bundle, inputs }: BenchModel): Tensors {
  return Object.fromEntries(
    bundle.manifest.inputs.map((spec) => {
      const value = inputs[spec.name]
      if (value === undefined) throw new Error(`no input ${spec.name}`)
      return [spec.name, readTensor(spec, value)]
    }),
  )
}

/** µs of each call, one after the other, for `roundMs`. */
async function timeEach(call: () => Promise<unknown>): Promise<number[]> {
  const us: number[] = []
  const end = performance.now() + roundMs
  for (let before = performance.now(); before < end; ) {
    await call()
    const after = performance.now()
    us.push((after - before) * 1000)
    before = performance.now()
  }
  return us
}
