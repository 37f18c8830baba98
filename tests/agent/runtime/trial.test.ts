import { fork } from 'node:child_process'
import { on, once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { launchRuntime } from '../../../agent/reconcile/runtime-launch.ts'
import {
  aMemoryBomb,
  aMemoryBombWhenRun,
  aModelThatCrashes,
  aModelThatCrashesWhenLoaded,
  aModelThatThrows,
  anEndlessModel,
  aScaleModel,
} from '../../builders/onnx.ts'
import { aWorld, type BundleParts } from './a-runtime.ts'

/** Time for a trial in which the machine is held up; what hangs is found out by its inference. */
const trialMs = 60_000
const limits = { memoryBytes: 64 * 1024 * 1024, trialMs, inferenceMs: 500 }

const patience = { timeout: 120_000, interval: 20 }

function goldenOf(x: number[], y: (number | string)[]): NonNullable<BundleParts['golden']> {
  const vector = (data: (number | string)[]) => ({ datatype: 'FP32' as const, shape: [1, 2], data })
  return {
    vectors: [{ inputs: { x: vector(x) }, outputs: { y: vector(y) } }],
    tolerance: { absolute: 1e-6, relative: 1e-6 },
  }
}

describe('the trial', () => {
  test('passes a model whose golden vectors fit, and says how long it took', async () => {
    await using world = await aWorld()
    const runtime = await world.start([await world.bundle({ model: aScaleModel(), golden: goldenOf([1, 2], [2, 4]) })])
    const outcome = await runtime.process.load()
    expect(outcome).toMatchObject({ ok: true, results: [{ deployment: 'demo', vectors: 1 }] })
    expect(runtime.exits).toEqual([])
  })

  const bad: [string, BundleParts, string, RegExp][] = [
    [
      'other outputs',
      { model: aScaleModel({ factor: 3 }), golden: goldenOf([1, 2], [2, 4]) },
      'golden_mismatch',
      /element 0 is 3, not 2/,
    ],
    [
      'NaN where a number is due',
      { model: aScaleModel({ factor: Number.NaN }), golden: goldenOf([1, 2], [2, 4]) },
      'golden_mismatch',
      /NaN/,
    ],
    [
      'a number where NaN is due',
      { model: aScaleModel(), golden: goldenOf([1, 2], [2, 'NaN']) },
      'golden_mismatch',
      /element 1 is 4, not NaN/,
    ],
    ['bytes that are no model', { model: Buffer.from('no model') }, 'load', /protobuf/i],
    ['another input than the manifest', { model: aScaleModel({ input: 'z' }) }, 'load', /input 'x'/],
    [
      'a golden inference that throws',
      { model: aModelThatThrows(), golden: goldenOf([1, 2], [1, 2]) },
      'errors',
      /golden vector 0/,
    ],
    ['600 MiB wanted at load', { model: aMemoryBomb(), golden: goldenOf([1, 2], [1, 2]) }, 'memory', /./],
    [
      '300 MiB wanted in an inference',
      { model: aMemoryBombWhenRun(), golden: goldenOf([1, 300], [1, 300]) },
      'memory',
      /./,
    ],
    ['a loop without end', { model: anEndlessModel(), golden: goldenOf([1, 2], [1, 2]) }, 'hang', /no sign of life/],
    ['600 MiB wanted, and no golden vectors', { model: aMemoryBomb() }, 'memory', /./],
    ['a loop without end, and no golden vectors', { model: anEndlessModel() }, 'hang', /no sign of life/],
    ['death in an inference', { model: aModelThatCrashes(), golden: goldenOf([1, 2], [1, 2]) }, 'crash', /SIGFPE/],
    ['death at load', { model: aModelThatCrashesWhenLoaded() }, 'crash', /SIGSEGV/],
    [
      'too little time',
      { model: aScaleModel(), limits: { ...limits, trialMs: 1 }, golden: goldenOf([1, 2], [2, 4]) },
      'latency',
      /took/,
    ],
  ]
  test.each(bad)('fails for %s', async (_, parts, reason, detail) => {
    await using world = await aWorld()
    const runtime = await world.start([await world.bundle({ limits, deployment: 'bad', ...parts })])
    const outcome = await runtime.process.load()
    expect(outcome).toMatchObject({ ok: false, failure: { reason, deployment: 'bad' } })
    expect(runtime.exits).toMatchObject([{ reason, detail: expect.stringMatching(detail) }])
  })

  test('loads what the manifest names, whatever became of the file', async () => {
    await using world = await aWorld()
    const bundle = await world.bundle({ model: aScaleModel() })
    const other = await world.bundle({ model: aScaleModel({ factor: 9 }) })
    const runtime = await world.start([{ ...bundle, files: other.files }])
    expect(await runtime.process.load()).toMatchObject({ ok: false, failure: { reason: 'signature' } })
  })
})

describe('a runtime process', () => {
  test('has room for the 600 MiB model where limits allow it', async () => {
    await using world = await aWorld()
    const limits = { memoryBytes: 4 * 1024 ** 3, trialMs, inferenceMs: 30_000 }
    const runtime = await world.start(
      [await world.bundle({ limits, model: aMemoryBomb(), golden: goldenOf([1, 2], [1, 2]) })],
      { memoryBytesMax: 4 * 1024 ** 3 },
    )
    expect(await runtime.process.load()).toMatchObject({ ok: true })
  })

  test('may not have more than the device has to spend, whatever the manifest says', async () => {
    await using world = await aWorld()
    const limits = { memoryBytes: 1024 ** 3, trialMs, inferenceMs: 30_000 }
    const bundle = await world.bundle({ limits, model: aMemoryBomb(), golden: goldenOf([1, 2], [1, 2]) })
    const runtime = await world.start([bundle], { memoryBytesMax: 64 * 1024 * 1024 })
    expect(await runtime.process.load()).toMatchObject({ ok: false, failure: { reason: 'memory' } })
  })

  test('has no environment, and can read nothing of the device but what it was started for', async () => {
    await using world = await aWorld()
    const bundle = await world.bundle({ model: aScaleModel() })
    const { child, cleanUp } = await launchRuntime({ files: [], workFolder: world.folder, warn: console.warn })
    const said = on(child, 'message')
    expect((await said.next()).value).toEqual([{ kind: 'up' }, undefined])
    const environment = (await readFile(`/proc/${child.pid}/environ`, 'utf8'))
      .split('\0')
      .map((one) => one.split('=')[0])
    expect(environment).toEqual(['NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE', ''])
    child.send({
      kind: 'load',
      role: 'primary',
      generation: 1,
      bundles: [bundle],
      serving: { bodyBytesMax: 1, threads: 1 },
      replay: [],
    })
    for await (const [message] of said) {
      if (message.kind !== 'failed') continue
      expect(message).toMatchObject({
        reason: 'load',
        detail: expect.stringMatching(/Access to this API has been restricted/),
      })
      break
    }
    child.kill('SIGKILL')
    await once(child, 'exit')
    await cleanUp()
  })

  test('leaves with the process that started it, even while its model hangs', async () => {
    await using world = await aWorld()
    const bundle = await world.bundle({
      limits: { ...limits, inferenceMs: 120_000, trialMs: 120_000 },
      model: anEndlessModel(),
      golden: goldenOf([1, 2], [1, 2]),
    })
    const parent = fork(fileURLToPath(new URL('./hanging-parent.ts', import.meta.url)), [
      world.folder,
      JSON.stringify(bundle),
    ])
    const [pid] = await once(parent, 'message')
    await vi.waitFor(async () => expect(await cpuTicks(pid)).toBeGreaterThan(100), patience)
    parent.kill('SIGKILL')
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), patience)
  })
})

/** Hundredths of a second of processor time, as /proc/<pid>/stat tells. */
async function cpuTicks(pid: number): Promise<number> {
  return Number((await readFile(`/proc/${pid}/stat`, 'utf8')).split(' ')[13])
}
