// Models that do harm, wished for on a device that serves: none of them takes the good version's place, and what the
// good version is asked meanwhile it answers. Real processes, real crashes.

import { describe, expect, test, vi } from 'vitest'
import {
  aMemoryBomb,
  aMemoryBombWhenRun,
  aModelThatCrashes,
  aModelThatCrashesWhenLoaded,
  aModelThatHangs,
  aModelThatLoadsForEver,
  aModelThatThrows,
  aNanModel,
  anEndlessModel,
  aScaleModel,
} from '../../builders/onnx.ts'
import { aCrowd, ask } from '../runtime/a-crowd.ts'
import type { BundleParts } from '../runtime/a-runtime.ts'
import { aDevice, type Device } from './a-device.ts'

const patience = { timeout: 120_000, interval: 20 }
const limits = { memoryBytes: 64 * 1024 * 1024, trialMs: 60_000, inferenceMs: 500 }
/** Version 1 doubles; the ones that do harm give back what they get, until they do their harm. */
const factors = { 1: 2, 2: 1 }
const golden: BundleParts['golden'] = {
  vectors: [
    {
      inputs: { x: { datatype: 'FP32', shape: [1, 2], data: [-1, -2] } },
      outputs: { y: { datatype: 'FP32', shape: [1, 2], data: [-1, -2] } },
    },
  ],
  tolerance: { absolute: 0, relative: 0 },
}

/** Version 1 has proved itself; whatever comes next has an hour to do so. */
async function aServingDevice(): Promise<Device> {
  const device = await aDevice()
  const good = await device.bundle({ model: aScaleModel(), version: 1 })
  device.wish(good)
  await vi.waitFor(() => expect(device.story(good).at(-1)).toBe('succeeded'), patience)
  device.probation.durationMs = 3_600_000
  return device
}

describe('a model that is bad from the start never serves', () => {
  const bad: [string, BundleParts, string][] = [
    ['wants 600 MiB when it is loaded', { model: aMemoryBomb() }, 'memory'],
    ['loops for ever', { model: anEndlessModel() }, 'hang'],
    ['ends the process that loads it', { model: aModelThatCrashesWhenLoaded() }, 'crash'],
    ['gives no numbers', { model: aNanModel() }, 'golden_mismatch'],
    ['never ends loading', { model: aModelThatLoadsForEver(), limits: { ...limits, trialMs: 500 } }, 'hang'],
  ]
  test('whatever is wrong with it, version 1 answers throughout, and it is not tried twice', async () => {
    await using device = await aServingDevice()
    await using crowd = aCrowd({ url: device.url, factors, keeping: 2, opening: 1, pauseMs: 10 })
    for (const [what, parts, reason] of bad) {
      const bundle = await device.bundle({ version: 2, limits, golden, ...parts })
      device.wish(bundle)
      await vi.waitFor(() => expect(device.story(bundle).at(-1), what).toBe(`failed: ${reason}`), patience)
      const { denied, candidate } = device.slots()
      expect(denied.at(-1)).toMatchObject({ manifest: bundle.manifest, attempt: 1, reason })
      expect(candidate).toBeNull()
      // Asked for once more under the same attempt: no process is started for it.
      device.wish(bundle)
      const answered = crowd.answered(1)
      await vi.waitFor(() => expect(crowd.answered(1)).toBeGreaterThan(answered + 20), patience)
      expect(device.alive().filter(({ phase }) => phase !== 'stopping')).toEqual([{ phase: 'serving', versions: [1] }])
      expect(device.story(bundle)).toEqual(['accepted', `failed: ${reason}`])
    }
    await crowd.stop()
    expect(crowd.failures).toEqual([])
    expect(crowd.wrong).toEqual([])
    expect([...crowd.answers.keys()]).toEqual([1])
    expect(device.events.filter(({ event }) => event === 'runtime_died')).toEqual([])
    await device.stop()
    expect((await device.windows()).reduce((sum, { counts }) => sum + counts.ok, 0)).toBe(crowd.answered(1))
  })
})

describe('a model that turns bad while it serves is taken back', () => {
  const bad: [string, BundleParts['model'], number, string][] = [
    ['ends its process at the thousandth inference', aModelThatCrashes(), 1, 'crash'],
    ['never answers the thousandth inference', aModelThatHangs(), 1, 'hang'],
  ]
  test.each(bad)('one that %s', async (_, model, loud, reason) => {
    await using device = await aServingDevice()
    const bundle = await device.bundle({ model, version: 2, limits, golden })
    await using crowd = aCrowd({ url: device.url, factors, keeping: 6, opening: 2 })
    device.wish(bundle)
    await vi.waitFor(() => expect(crowd.answered(2)).toBeGreaterThanOrEqual(999), patience)
    expect(crowd.failures).toEqual([])
    await expect(ask(`${device.url}/v2/models/demo/infer`, [loud, loud])).rejects.toThrow()
    await vi.waitFor(() => expect(device.story(bundle).at(-1)).toBe(`rolled_back: ${reason}`), patience)
    const answered = crowd.answered(1)
    await vi.waitFor(() => expect(crowd.answered(1)).toBeGreaterThan(answered + 200), patience)
    await crowd.stop()
    expect(device.alive()).toEqual([{ phase: 'serving', versions: [1] }])
    expect(device.slots()).toMatchObject({ candidate: null, rollingBack: null, denied: [{ reason, attempt: 1 }] })
    // It took with it what it held, one request of each client at most.
    expect(crowd.wrong).toEqual([])
    expect(crowd.failures.length).toBeLessThanOrEqual(crowd.clients)
  })

  const erring: [string, BundleParts['model'], number][] = [
    ['throws', aModelThatThrows(), 1],
    ['wants 300 MiB', aMemoryBombWhenRun(), 300],
  ]
  test.each(erring)(
    'one that %s in some inferences: not one request is lost by taking it back',
    async (_, model, loud) => {
      await using device = await aServingDevice()
      const bundle = await device.bundle({ model, version: 2, limits, golden })
      await using crowd = aCrowd({ url: device.url, factors, keeping: 3, opening: 1, pauseMs: 5 })
      device.wish(bundle)
      await vi.waitFor(() => expect(crowd.answered(2)).toBeGreaterThan(20), patience)
      let errors = 0
      while (device.slots().candidate !== null) {
        const { status } = await ask(`${device.url}/v2/models/demo/infer`, [loud, loud])
        errors += Number(status === 500)
      }
      await vi.waitFor(() => expect(device.story(bundle).at(-1)).toBe('rolled_back: errors'), patience)
      await crowd.stop()
      expect(errors).toBeGreaterThan(1)
      expect(crowd.failures).toEqual([])
      expect(crowd.wrong).toEqual([])
      await device.stop()
      const windows = await device.windows()
      const total = (version: number, kind: 'ok' | 'error') =>
        windows.filter((window) => window.version === version).reduce((sum, { counts }) => sum + counts[kind], 0)
      expect(total(2, 'error')).toBe(errors)
      expect(total(2, 'ok')).toBe(crowd.answered(2))
    },
  )
})

describe('an accident of a version that had proved itself', () => {
  test.each(['warm', 'stop-start'] as const)('%s: it is started again, and the hub hears of it', async (mode) => {
    await using device = await aDevice({ mode })
    const good = await device.bundle({ model: aModelThatCrashes(), version: 2, limits, golden })
    device.wish(good)
    await vi.waitFor(() => expect(device.story(good).at(-1)).toBe('succeeded'), patience)
    await using crowd = aCrowd({ url: device.url, factors, keeping: 4, opening: 2 })
    await vi.waitFor(() => expect(crowd.answered(2)).toBeGreaterThan(100), patience)
    await expect(ask(`${device.url}/v2/models/demo/infer`, [1, 1])).rejects.toThrow()
    const answered = crowd.answered(2)
    await vi.waitFor(() => expect(crowd.answered(2)).toBeGreaterThan(answered + 100), patience)
    await crowd.stop()
    expect(device.events.filter(({ event }) => event === 'runtime_died')).toMatchObject([
      { manifests: [good.manifest] },
    ])
    expect(device.slots()).toMatchObject({ candidate: null, denied: [] })
    expect(crowd.wrong).toEqual([])
    expect(crowd.failures.length).toBeLessThanOrEqual(crowd.clients)
  })
})
