// The scorer process: loads one stranger's model and runs it on the vectors the hub sends. Everything it does wrong
// (crash, hang, memory) is its own end and a reason for the hub; it holds no secret and writes nothing.

import { readFile } from 'node:fs/promises'
import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { InferenceSession, type Tensor } from 'onnxruntime-node'
import type { ScorerReply, ScorerRequest, Tensors } from '../scorer-messages.ts'
import { outputElementsMax } from './bounds.ts'
import { datatypeOf, toTensor, toValue } from './tensors.ts'

/** A sign of life at least this often while a request is worked on; one inference may of course take longer. */
const replyEveryMs = 100
/** Elements gathered before they are sent. */
const replyElements = 100_000

type FailureCode = Extract<ScorerReply, { kind: 'failed' }>['code']

class Failure extends Error {
  readonly code: FailureCode
  constructor(code: FailureCode, cause: unknown) {
    const text = cause instanceof Error ? cause.message : String(cause)
    super(code === 'inference-failed' ? `inference ${inferences + 1}: ${text}` : text)
    this.code = code
  }
}

let session: InferenceSession | undefined
let inferences = 0

async function serve(request: ScorerRequest): Promise<void> {
  try {
    if (request.kind === 'load') await load(request)
    else await run(request.vectors)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const outOfMemory = isOutOfMemory(error.message)
    const message = outOfMemory ? `the model needs more memory than it may have: ${error.message}` : error.message
    await reply({ kind: 'failed', code: outOfMemory ? 'memory-limit' : error.code, message: message.slice(0, 1000) })
  }
}

/** From its bytes: onnxruntime then knows no folder in which to look for more. */
async function load({ path, inputs, outputs }: Extract<ScorerRequest, { kind: 'load' }>): Promise<void> {
  const loaded = await failAs('does-not-load', async () =>
    InferenceSession.create(await readFile(path), {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      logSeverityLevel: 4,
    }),
  )
  assertInterface('input', inputs, loaded.inputMetadata)
  assertInterface('output', outputs, loaded.outputMetadata)
  session = loaded
  await reply({ kind: 'loaded' })
}

/** What was read in the file must be what onnxruntime reads in it. */
function assertInterface(
  role: 'input' | 'output',
  stated: readonly TensorSpec[],
  loaded: readonly InferenceSession.ValueMetadata[],
): void {
  const read = stated.map(({ name, datatype, shape }) => `${name} ${datatype} of ${shape.length} dimensions`)
  const found = loaded.map((value) =>
    value.isTensor ? `${value.name} ${datatypeOf(value.type)} of ${value.shape.length} dimensions` : value.name,
  )
  if (read.join() === found.join()) return
  throw new Failure(
    'interface-differs',
    `the file states ${role}s ${read.join(', ')}, onnxruntime finds ${found.join(', ')}`,
  )
}

async function run(vectors: Tensors[]): Promise<void> {
  let outputs: Tensors[] = []
  let tookMs: number[] = []
  let elements = 0
  let repliedMs = performance.now()
  for (const vector of vectors) {
    const { results, ms } = await failAs('inference-failed', () => infer(vector))
    inferences += 1
    const size = results.reduce((sum, [, tensor]) => sum + tensor.size, 0)
    if (size > outputElementsMax) {
      throw new Failure(
        'output-too-large',
        `one inference gives ${size} elements, at most ${outputElementsMax} are taken`,
      )
    }
    outputs.push(Object.fromEntries(results.map(([name, tensor]) => [name, toValue(tensor)])))
    tookMs.push(ms)
    elements += size
    if (elements >= replyElements || performance.now() - repliedMs >= replyEveryMs) {
      await reply({ kind: 'outputs', outputs, tookMs })
      outputs = []
      tookMs = []
      elements = 0
      repliedMs = performance.now()
    }
  }
  if (outputs.length > 0) await reply({ kind: 'outputs', outputs, tookMs })
}

async function infer(vector: Tensors): Promise<{ results: [string, Tensor][]; ms: number }> {
  if (session === undefined) throw new Error('nothing is loaded')
  const feeds = Object.fromEntries(Object.entries(vector).map(([name, value]) => [name, toTensor(value)]))
  const beganMs = performance.now()
  const results = await session.run(feeds)
  return { results: Object.entries(results), ms: performance.now() - beganMs }
}

async function failAs<Result>(code: FailureCode, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act()
  } catch (error) {
    throw new Failure(code, error)
  }
}

/** onnxruntime and V8 say it in words only. */
function isOutOfMemory(message: string): boolean {
  return /bad_alloc|bad allocation|failed to allocate|out of memory|array buffer allocation failed/i.test(message)
}

function reply(message: ScorerReply): Promise<void> {
  return new Promise((resolve, reject) => {
    if (process.send === undefined) throw new TypeError('the scorer is started by the hub, not by hand')
    process.send(message, undefined, {}, (error) => (error === null ? resolve() : reject(error)))
  })
}

// One after the other: the hub sends a request only when the one before is answered.
process.on('message', (request: ScorerRequest) => {
  serve(request).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    process.exit(1)
  })
})
process.on('disconnect', () => process.exit(0))

await reply({ kind: 'up' })
