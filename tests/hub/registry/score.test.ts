// Models that are well and models that are not, run by the scorer: every harm becomes a reason, and the hub goes on.

import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TensorSpec, TensorValue } from '@roost/shared/bundle/tensor.ts'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { inspectOnnx } from '../../../hub/registry/onnx.ts'
import { createScorer } from '../../../hub/registry/score.ts'
import { startScorer } from '../../../hub/registry/scorer-process.ts'
import { ScoreError } from '../../../hub/registry/scoring.ts'
import * as build from '../../builders/onnx.ts'
import { inMemory } from './onnx-oracle.ts'

const folder = mkdtempSync(join(tmpdir(), 'score-test-'))
const limits = { memoryBytes: 128 * 2 ** 20, trialMs: 20_000, inferenceMs: 1000 }
type Tensors = Record<string, TensorValue>

afterEach(async () => {
  expect(scorersAlive()).toEqual([])
})
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
function fileOf(bytes: Uint8Array): string {
  files += 1
  const path = join(folder, `model-${files}.onnx`)
  writeFileSync(path, bytes)
  return path
}

async function requestFor(bytes: Uint8Array, vectors: Iterable<Tensors>, inputs?: TensorSpec[]) {
  const summary = await inspectOnnx(inMemory(bytes))
  return { path: fileOf(bytes), inputs: inputs ?? summary.inputs, outputs: summary.outputs, limits, vectors }
}

function row(...data: (number | string)[]): Tensors {
  return { x: { datatype: 'FP32', shape: [1, data.length], data } }
}

async function scoreAll(bytes: Uint8Array, vectors: Iterable<Tensors>): Promise<Tensors[]> {
  return Array.fromAsync(createScorer()(await requestFor(bytes, vectors)))
}

async function refusal(outcome: Promise<unknown>): Promise<ScoreError> {
  const error = await outcome.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof ScoreError) return error
  throw new Error('was not refused', { cause: error })
}

/** Processes of this one that run a scorer. */
function scorersAlive(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      const [stat, command] = [`/proc/${pid}/stat`, `/proc/${pid}/cmdline`].map(readIfThere)
      return stat?.split(') ')[1]?.split(' ')[1] === String(process.pid) && command?.includes('scorer/main.ts')
    })
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return undefined
    throw error
  }
}

describe('scorer', () => {
  test('gives what onnxruntime gives, for every vector in order', async () => {
    const bytes = build.aScaleModel({ factor: 0.1, width: 3 })
    const session = await InferenceSession.create(bytes)
    const vectors = Array.from({ length: 300 }, (_, i) => row(i + 1, i / 7, -i - 1))
    const wanted = await Promise.all(
      vectors.map(async ({ x }) => {
        const { y } = await session.run({ x: new Tensor('float32', Float32Array.from(x?.data ?? [], Number), [1, 3]) })
        return [...(y?.data ?? [])]
      }),
    )
    const scored = await scoreAll(bytes, vectors)
    expect(scored.map(({ y }) => y?.data)).toEqual(wanted)
    expect(scored[0]).toEqual({
      y: { datatype: 'FP32', shape: [1, 3], data: [Math.fround(0.1), 0, -Math.fround(0.1)] },
    })
  })

  test('loads the model also where there is nothing to run it on', async () => {
    expect(await scoreAll(build.aScaleModel(), [])).toEqual([])
    const error = await refusal(scoreAll(build.aModel({ node: [build.node('And', ['x', 'x'], ['y'])] }), []))
    expect(error.code).toBe('does-not-load')
  })

  test('passes what is not finite in both directions', async () => {
    const [nan, mixed] = await scoreAll(build.aScaleModel({ width: 3 }), [
      row('NaN', 1, 2),
      row('Infinity', '-Infinity', 3e38),
    ])
    expect(nan?.y?.data).toEqual(['NaN', 2, 4])
    expect(mixed?.y?.data).toEqual(['Infinity', '-Infinity', 'Infinity'])
  })

  test.each<[TensorValue['datatype'], number, TensorValue['data']]>([
    ['FP32', 1, [1.5, -0.25]],
    ['UINT8', 2, [0, 255]],
    ['INT8', 3, [-128, 127]],
    ['UINT16', 4, [0, 65_535]],
    ['INT16', 5, [-32_768, 32_767]],
    ['INT32', 6, [-(2 ** 31), 2 ** 31 - 1]],
    ['INT64', 7, ['-9223372036854775808', 5]],
    ['BYTES', 8, ['', 'grüezi']],
    ['BOOL', 9, [true, false]],
    ['FP16', 10, [1.5, 'NaN']],
    ['FP64', 11, [0.1, 'Infinity']],
    ['UINT32', 12, [0, 2 ** 32 - 1]],
    ['UINT64', 13, ['18446744073709551615', 9007199254740991]],
  ])('keeps every bit of a %s', async (datatype, elemType, data) => {
    const dim = [{ value: { case: 'dimValue' as const, value: 2n } }]
    const named = (name: string) => ({
      name,
      type: { value: { case: 'tensorType' as const, value: { elemType, shape: { dim } } } },
    })
    const bytes = build.aModel({
      node: [build.node('Identity', ['x'], ['y'])],
      input: [named('x')],
      output: [named('y')],
    })
    const value = { datatype, shape: [2], data }
    expect(await scoreAll(bytes, [{ x: value }])).toEqual([{ y: value }])
  })

  const quiet = row(0.5, 0.25)
  const loud = row(0.5, 1)
  test.each<[string, string, Uint8Array, Tensors[]]>([
    ['memory-limit', 'a bomb of 200 bytes that wants 600 MiB', build.aMemoryBomb(), [quiet]],
    [
      'memory-limit',
      'a model that wants 600 MiB at the third inference',
      build.aMemoryBombWhenRun(),
      [quiet, quiet, row(600, 1)],
    ],
    ['time-limit', 'a model without end', build.anEndlessModel(), [quiet]],
    ['time-limit', 'a model that hangs at the third inference', build.aModelThatHangs(), [quiet, quiet, loud]],
    ['inference-failed', 'a model that throws at the third inference', build.aModelThatThrows(), [quiet, quiet, loud]],
    ['crashed', 'a model that overflows the stack when it is loaded', build.aModelThatCrashesWhenLoaded(), [quiet]],
    ['does-not-load', 'a file that is cut', build.aScaleModel().subarray(0, 60), [quiet]],
    ['output-too-large', 'a model that answers with two million elements', aModelOfManyOutputs(), [quiet]],
  ])('says %s of %s', async (code, _, bytes, vectors) => {
    const specs = [{ name: 'x', datatype: 'FP32' as const, shape: [-1, 2] }]
    const request = {
      path: fileOf(bytes),
      inputs: specs,
      outputs: [{ ...specs[0], name: 'y', datatype: 'FP32' as const, shape: [-1, 2] }],
      limits,
      vectors,
    }
    const error = await refusal(Array.fromAsync(createScorer()(request)))
    expect(error.code, error.message).toBe(code)
    if (code === 'inference-failed') expect(error.message).toMatch(/^inference 3: /)
  })

  test.runIf(process.arch === 'x64')('says crashed of a model whose process dies at the third inference', async () => {
    const error = await refusal(scoreAll(build.aModelThatCrashes(), [quiet, quiet, loud]))
    expect(error.code).toBe('crashed')
    expect(error.message).toContain('SIGFPE')
  })

  test('notices that onnxruntime reads another interface than was read in the file', async () => {
    const inputs: TensorSpec[] = [{ name: 'x', datatype: 'FP64', shape: [-1, 2] }]
    const error = await refusal(Array.fromAsync(createScorer()(await requestFor(build.aScaleModel(), [], inputs))))
    expect(error.code).toBe('interface-differs')
  })

  test('ends the process when nobody wants the rest', async () => {
    function* forEver() {
      while (true) yield quiet
    }
    let seen = 0
    for await (const _ of createScorer()(await requestFor(build.aScaleModel(), forEver()))) {
      seen += 1
      if (seen === 200) break
    }
    expect(seen).toBe(200)
  })

  test('ends the process when the vectors cannot be had', async () => {
    function* broken() {
      yield quiet
      throw new Error('sample gone')
    }
    await expect(scoreAll(build.aScaleModel(), broken())).rejects.toThrow('sample gone')
  })

  test('runs two models at once, lets the next sixteen wait, and turns away the rest', async () => {
    const score = createScorer()
    const request = await requestFor(build.aScaleModel(), [quiet])
    const runs = Array.from({ length: 20 }, () => Array.fromAsync(score(request)))
    let most = 0
    let done = false
    const settled = Promise.allSettled(runs).finally(() => {
      done = true
    })
    while (!done) {
      most = Math.max(most, scorersAlive().length)
      await sleep(20)
    }
    const outcomes = await settled
    expect(most).toBe(2)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(18)
    const codes = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [Object(outcome.reason).code] : []))
    expect(codes).toEqual(['busy', 'busy'])
    expect(await Array.fromAsync(score(request))).toHaveLength(1)
  })
})

describe('scorer process', () => {
  const started = { memoryBytes: 2 ** 27, cpuMs: 7000, startMs: 20_000 }
  const patience = { timeoutMs: 20_000, late: 'late' }

  test('is limited, has no environment and an empty folder that goes with it', async () => {
    const modelPath = fileOf(build.aScaleModel())
    let cwd = ''
    {
      await using _ = await startScorer({ ...started, modelPath })
      const [pid] = scorersAlive()
      const limitOf = (name: string) =>
        readFileSync(`/proc/${pid}/limits`, 'utf8')
          .match(new RegExp(`^${name} +(\\S+) +(\\S+)`, 'm'))
          ?.slice(1)
      expect(limitOf('Max cpu time')).toEqual(['7', '7'])
      expect(limitOf('Max file size')).toEqual(['0', '0'])
      expect(limitOf('Max core file size')).toEqual(['0', '0'])
      const [soft, hard] = limitOf('Max data size') ?? []
      const dataBytes = Number(/VmData:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
      expect(soft).toBe(hard)
      expect(Number(soft)).toBeGreaterThan(dataBytes)
      expect(Number(soft)).toBeLessThan(dataBytes + 2 ** 28)
      const names = readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .map((entry) => entry.split('=')[0])
      expect(names.filter((name) => name !== '' && !name?.startsWith('NODE_'))).toEqual([])
      cwd = join('/proc', String(pid), 'cwd')
      expect(readdirSync(cwd)).toEqual([])
      cwd = realpathSync(cwd)
    }
    expect(existsSync(cwd)).toBe(false)
  })

  test('loads onnxruntime and nothing else: what a start takes, every version takes', () => {
    const source = join(import.meta.dirname, '../../../hub/registry/scorer')
    const imported = readdirSync(source).flatMap((file) => {
      const code = stripTypeScriptTypes(readFileSync(join(source, file), 'utf8'))
      return [...code.matchAll(/\b(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, name]) => name)
    })
    expect(new Set(imported)).toEqual(new Set(['node:fs/promises', 'onnxruntime-node', './bounds.ts', './tensors.ts']))
  })

  test('cannot read a file it was not given', async () => {
    const [modelPath, secret] = [fileOf(build.aScaleModel()), fileOf(build.aScaleModel())]
    await using scorer = await startScorer({ ...started, modelPath })
    const load = { kind: 'load' as const, path: secret, inputs: [], outputs: [] }
    await expect(scorer.ask(load, 'loaded', patience)).rejects.toThrow(/restricted/)
  })

  test('is not blamed for the time in which this process stood still', async () => {
    const bytes = build.aScaleModel()
    const { inputs, outputs } = await inspectOnnx(inMemory(bytes))
    const modelPath = fileOf(bytes)
    await using scorer = await startScorer({ ...started, modelPath })
    await scorer.ask({ kind: 'load', path: modelPath, inputs: [...inputs], outputs: [...outputs] }, 'loaded', patience)
    const vectors = [row(1, 2)]
    const answered = scorer.ask({ kind: 'run', vectors }, 'outputs', { timeoutMs: 2000, late: 'late' })
    // the answer lies there when it goes on, and so does the end of the patience
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500))
    expect((await answered).outputs).toMatchObject([{ y: { data: [2, 4] } }])
  })

  test('says why it is not there any more', async () => {
    await using scorer = await startScorer({ ...started, modelPath: fileOf(build.aScaleModel()) })
    const [pid = 0] = scorersAlive()
    process.kill(pid, 'SIGKILL')
    const error = await refusal(scorer.ask({ kind: 'run', vectors: [] }, 'outputs', patience))
    expect(error).toMatchObject({ code: 'crashed', message: expect.stringContaining('SIGKILL') })
  })
})

function aModelOfManyOutputs(): Uint8Array {
  return build.aModel({
    node: [build.node('Expand', ['x', 'shape'], ['y'])],
    initializer: [build.integers('shape', [2], [1_000_000n, 2n])],
  })
}
