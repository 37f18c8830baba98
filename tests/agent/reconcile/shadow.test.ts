// A candidate beside what serves, in real processes: what is counted is what a direct computation gives, and whatever
// becomes of the candidate costs the primary nothing.

import { readdir, readFile } from 'node:fs/promises'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { realDisk } from '@roost/agent/outbox/disk.ts'
import { DoubleSlot } from '@roost/agent/outbox/double-slot.ts'
import { compileFeatures, createPipeline } from '@roost/shared/features/compile.ts'
import type { FeatureDefinitions } from '@roost/shared/features/definition.ts'
import { type Agreement, WindowReport } from '@roost/shared/protocol/records.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import { mergeAgreement } from '@roost/shared/sketch/agreement.ts'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import type { Bundle } from '../../../agent/reconcile/bundle-set.ts'
import type { WishedShadow } from '../../../agent/reconcile/shadow-set.ts'
import { heartbeatMs } from '../../../agent/runtime/pulse.ts'
import { waitingDrawnMax } from '../../../agent/runtime/shadow/tap.ts'
import {
  aMemoryBomb,
  aMemoryBombWhenRun,
  aModelThatCrashes,
  aModelThatHangs,
  aModelThatThrows,
  aScaleModel,
} from '../../builders/onnx.ts'
import { aCrowd, ask } from '../runtime/a-crowd.ts'
import { aWorld, type BundleParts, post } from '../runtime/a-runtime.ts'
import { aDevice, type Device, type DeviceOptions } from './a-device.ts'

const patience = { timeout: 120_000, interval: 20 }
const limits = { memoryBytes: 64 * 1024 * 1024, trialMs: 60_000, inferenceMs: 500 }
const task = { kind: 'binary-classification' as const, output: 'y', threshold: 10 }

const asShadow = (bundle: Bundle, sample = 1): WishedShadow => ({ ...bundle, role: 'shadow', sample })

async function aServingDevice(parts: Partial<BundleParts> = {}, options: DeviceOptions = {}) {
  const device = await aDevice(options)
  const primary = await device.bundle({ model: aScaleModel(), version: 1, ...parts })
  device.wish(primary)
  await vi.waitFor(() => expect(device.story(primary).at(-1)).toBe('succeeded'), patience)
  return { device, primary }
}

/** Wished, tried, and told to shadow. */
async function beside(device: Device, parts: BundleParts, sample = 1): Promise<Bundle> {
  const candidate = await device.bundle({ version: 2, limits, ...parts })
  device.wishShadows(asShadow(candidate, sample))
  await vi.waitFor(() => expect(device.story(candidate).at(-1)).toBe('shadowing'), patience)
  return candidate
}

const shadowsOf = (windows: readonly WindowReport[]) => windows.filter(({ role }) => role === 'shadow')

function agreementOf(windows: readonly WindowReport[]): Agreement {
  const agreements = shadowsOf(windows).flatMap(({ agreement }) => agreement ?? [])
  return agreements.reduce(mergeAgreement)
}

/** As many inputs as are given, each compared or counted as dropped. */
async function compared(device: Device, inputs: number): Promise<Agreement> {
  await vi.waitFor(() => expect(device.compared()).toBeGreaterThanOrEqual(inputs), patience)
  await device.stop()
  return agreementOf(await device.windows())
}

describe('what is counted is what a direct computation gives', () => {
  test('of tensors: pairs, differences, agreement and errors of either side', async () => {
    // Both throw from an element of 1 on where they are made so; the primary is not.
    const { device, primary } = await aServingDevice({ model: aScaleModel({ factor: 2 }) })
    await using _ = device
    await beside(device, { model: aModelThatThrows() })
    // x of 1 and more is an error of the candidate: few enough not to be the end of it.
    const inputs = Array.from({ length: 200 }, (_, i) => (i % 50 === 7 ? [1, 0] : [-(i % 5), i % 3 === 0 ? 0 : -2]))
    for (const [a = 0, b = 0] of inputs)
      expect((await ask(`${device.url}/v2/models/demo/infer`, [a, b])).status).toBe(200)
    const found = await compared(device, inputs.length)
    const pairs = inputs.filter(([a]) => a !== 1)
    const column = (at: number) => {
      const differences = pairs.map((x) => (x[at] ?? 0) - 2 * (x[at] ?? 0))
      return {
        count: pairs.length,
        sum: differences.reduce((sum, d) => sum + d, 0),
        sumAbs: differences.reduce((sum, d) => sum + Math.abs(d), 0),
        sumSquares: differences.reduce((sum, d) => sum + d * d, 0),
      }
    }
    expect(found).toEqual({
      pairs: pairs.length,
      agreed: pairs.filter((x) => x.every((value) => value === 0)).length,
      outputs: { 'y[0]': column(0), 'y[1]': column(1) },
      errors: { both: 0, onlyPrimary: 0, onlyCandidate: inputs.length - pairs.length },
      dropped: 0,
      primary: primary.manifest,
    })
    const [window] = shadowsOf(await device.windows())
    expect(window).toMatchObject({
      version: 2,
      counts: { ok: pairs.length, error: 4, refused: 0 },
      latency: { count: pairs.length },
    })
    const served = (await device.windows()).filter(({ role }) => role === 'primary')
    expect(served.reduce((sum, { counts }) => sum + counts.ok, 0)).toBe(inputs.length)
  })

  test('of records: through features of its own, with the windows full; labels in pairs', async () => {
    const last: FeatureDefinitions = {
      label: 'broken',
      features: ['a', 'b'].map((name) => ({ name, field: name, transform: { kind: 'last' } })),
      inputs: [{ name: 'x', features: ['a', 'b'] }],
    }
    const rolling: FeatureDefinitions = {
      label: 'broken',
      features: [
        { name: 'a', field: 'a', transform: { kind: 'rolling_mean', rows: 8 } },
        { name: 'b', field: 'c', transform: { kind: 'difference', lag: 3 } },
      ],
      inputs: [{ name: 'x', features: ['a', 'b'] }],
    }
    const { device } = await aServingDevice({ features: last, task })
    await using _ = device
    await beside(device, { model: aScaleModel({ factor: 4 }), features: rolling, task })
    const records = Array.from({ length: 300 }, (_, i) => ({
      a: (i * 7) % 32,
      b: i % 11,
      c: (i * i) % 64,
      broken: i % 3 === 0,
    }))
    const compiled = compileFeatures(rolling)
    for (const [i, record] of records.entries()) {
      expect((await post(`${device.url}/roost/v1/deployments/demo/records`, record)).status).toBe(200)
      // a shadow that is held up loses what does not find room
      if ((i + 1) % (waitingDrawnMax / 2) > 0) continue
      await vi.waitFor(() => expect(device.compared()).toBe(i + 1 - compiled.historyRecords), patience)
    }
    const found = await compared(device, records.length - compiled.historyRecords)
    expect(found.pairs).toBe(records.length - compiled.historyRecords)
    expect(found.dropped).toBe(compiled.historyRecords)
    const pipeline = createPipeline(compiled)
    const labels = { bothRight: 0, onlyPrimaryRight: 0, onlyCandidateRight: 0, bothWrong: 0 }
    let sum = 0
    let agreed = 0
    for (const [i, record] of records.entries()) {
      const result = pipeline.push(record)
      if (!result.ok || i < compiled.historyRecords) continue
      const [first, second] = [...(result.inputs[0]?.data ?? [])].map((value) => Math.fround(value * 4))
      sum += (first ?? 0) - 2 * record.a
      const [primary, candidate] = [2 * record.b >= task.threshold, (second ?? 0) >= task.threshold]
      agreed += Number(primary === candidate)
      const kind =
        primary === record.broken
          ? candidate === record.broken
            ? 'bothRight'
            : 'onlyPrimaryRight'
          : candidate === record.broken
            ? 'onlyCandidateRight'
            : 'bothWrong'
      labels[kind] += 1
    }
    expect(found).toMatchObject({ agreed, labels, errors: { both: 0, onlyPrimary: 0, onlyCandidate: 0 } })
    expect(found.outputs['y[0]']?.sum).toBeCloseTo(sum, 6)
  })

  test('of labels that come later: in pairs, each once, also of inputs that were compared long before', async () => {
    const features: FeatureDefinitions = {
      features: ['a', 'b'].map((name) => ({ name, field: name, transform: { kind: 'last' } })),
      inputs: [{ name: 'x', features: ['a', 'b'] }],
    }
    const { device } = await aServingDevice({ model: aScaleModel({ factor: 2 }), features, task })
    await using _ = device
    await beside(device, { model: aScaleModel({ factor: 4 }), features, task })
    const Predicted = z.object({ predictions: z.tuple([z.object({ id: z.string() })]) })
    const deployment = `${device.url}/roost/v1/deployments/demo`
    const ids: string[] = []
    const send = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const { status, body } = await post(`${deployment}/records`, { a: 0, b: ids.length % 8 })
        expect(status).toBe(200)
        ids.push(Predicted.parse(body).predictions[0].id)
      }
    }
    await send(40)
    await vi.waitFor(() => expect(device.compared()).toBeGreaterThanOrEqual(40), patience)
    await send(20)
    const actual = (i: number) => i % 3 === 0
    const told = ids.map((id, i) => ({ id, label: actual(i) })).filter((_, i) => i % 5 !== 0)
    expect(await post(`${deployment}/labels`, told.toReversed())).toMatchObject({ body: { counted: told.length } })
    expect(await post(`${deployment}/labels`, told)).toMatchObject({ status: 404 })
    // what comes after them is compared after them
    await send(1)
    const found = await compared(device, ids.length)
    const labels = { bothRight: 0, onlyPrimaryRight: 0, onlyCandidateRight: 0, bothWrong: 0 }
    for (let i = 0; i < 60; i++) {
      if (i % 5 === 0) continue
      const [primary, candidate] = [2 * (i % 8) >= task.threshold, 4 * (i % 8) >= task.threshold]
      if (primary === actual(i)) labels[candidate === actual(i) ? 'bothRight' : 'onlyPrimaryRight'] += 1
      else labels[candidate === actual(i) ? 'onlyCandidateRight' : 'bothWrong'] += 1
    }
    expect(found).toMatchObject({ pairs: 61, labels })
    const ofShadow = shadowsOf(await device.windows()).flatMap((window) => Object.values(window.labels ?? {}))
    expect(ofShadow.reduce((sum, count) => sum + count, 0)).toBe(told.length)
  })

  test('of a sample: the share that was asked for, drawn and not every n-th', async () => {
    const { device } = await aServingDevice()
    await using _ = device
    await beside(device, { model: aScaleModel() }, 0.25)
    // as many as find room where the shadow is held up all the while, whatever is drawn
    const rows = 700
    // Every fourth input is another: a sample that goes round would meet the same one always, or never.
    for (let i = 0; i < rows; i++) await ask(`${device.url}/v2/models/demo/infer`, [i % 4 === 0 ? 1 : 0, 0])
    // Within five standard deviations of a quarter.
    const offMax = 5 * Math.sqrt(rows * 0.25 * 0.75)
    await vi.waitFor(async () => {
      const before = device.compared()
      expect(before).toBeGreaterThan(rows / 4 - offMax)
      await delay(4 * heartbeatMs)
      expect(device.compared()).toBe(before)
    }, patience)
    await device.stop()
    const { pairs, agreed, dropped, outputs } = agreementOf(await device.windows())
    expect(agreed).toBe(pairs)
    expect(dropped).toBe(0)
    expect(Math.abs(pairs - rows / 4)).toBeLessThan(offMax)
    expect(outputs['y[0]']).toEqual({ count: pairs, sum: 0, sumAbs: 0, sumSquares: 0 })
  })
})

describe('whatever the candidate does, no request fails and what serves goes on', () => {
  const bad: [string, BundleParts, number, string][] = [
    ['crashes', { model: aModelThatCrashes() }, 1, 'crash'],
    ['hangs', { model: aModelThatHangs() }, 1, 'hang'],
    ['eats memory', { model: aMemoryBombWhenRun() }, 3_000, 'errors'],
    ['throws', { model: aModelThatThrows() }, 1, 'errors'],
  ]
  test.each(bad)('one that %s', async (_, parts, loud, reason) => {
    const { device, primary } = await aServingDevice()
    await using __ = device
    await using crowd = aCrowd({ url: device.url, factors: { 1: 2 }, keeping: 3, opening: 1, pauseMs: 2 })
    const candidate = await beside(device, { limits, ...parts })
    await vi.waitFor(() => expect(device.compared()).toBeGreaterThan(50), patience)
    const before = device.serving()
    while (device.story(candidate).at(-1) === 'shadowing') {
      expect((await ask(`${device.url}/v2/models/demo/infer`, [loud, loud])).status).toBe(200)
    }
    expect(device.story(candidate)).toEqual(['accepted', 'shadowing', `failed: ${reason}`])
    await vi.waitFor(() => expect(device.alive()).toEqual([{ phase: 'serving', versions: [1] }]), patience)
    const answered = crowd.answered(1)
    await vi.waitFor(() => expect(crowd.answered(1)).toBeGreaterThan(answered + 50), patience)
    await crowd.stop()
    expect(crowd.failures).toEqual([])
    expect(crowd.wrong).toEqual([])
    expect(device.serving()).toEqual(before)
    expect(device.slots()).toMatchObject({
      candidate: null,
      rollingBack: null,
      denied: [{ manifest: candidate.manifest, reason }],
    })
    expect(device.story(primary).at(-1)).toBe('succeeded')
    // Not tried again under the same attempt, only under a higher one.
    device.wishShadows(asShadow(candidate))
    device.wishShadows(asShadow({ ...candidate, attempt: 2 }))
    await vi.waitFor(() => expect(device.story({ ...candidate, attempt: 2 }).at(-1)).toBe('shadowing'), patience)
  })

  test('one that fails its trial, and one that is killed', async () => {
    await using world = await aWorld()
    const { device } = await aServingDevice({}, { world })
    await using _ = device
    await using crowd = aCrowd({ url: device.url, factors: { 1: 2 }, keeping: 2, opening: 1, pauseMs: 2 })
    const bomb = await device.bundle({ version: 2, limits, model: aMemoryBomb() })
    device.wishShadows(asShadow(bomb))
    await vi.waitFor(() => expect(device.story(bomb).at(-1)).toBe('failed: memory'), patience)
    const good = await beside(device, { version: 3, model: aScaleModel() })
    // what it has not told yet is lost with it: one checkpoint must have been told
    await vi.waitFor(
      async () => expect(await checkpointedIn(join(world.folder, 'outbox'))).toBeGreaterThan(20),
      patience,
    )
    const shadow = await shadowPid()
    process.kill(shadow, 'SIGKILL')
    await vi.waitFor(() => expect(device.story(good).at(-1)).toBe('failed: crash'), patience)
    const answered = crowd.answered(1)
    await vi.waitFor(() => expect(crowd.answered(1)).toBeGreaterThan(answered + 50), patience)
    await crowd.stop()
    expect([crowd.failures, crowd.wrong]).toEqual([[], []])
    await device.stop()
    const [window] = shadowsOf(await device.windows())
    expect(window).toMatchObject({ version: 3, interrupted: true })
    expect(window?.agreement?.pairs).toBe(window?.counts.ok)
  })
})

describe('a shadow comes and goes', () => {
  test('it makes way for another primary and comes back beside it; withdrawn, it is gone; promoted, it goes the usual way', async () => {
    const { device, primary } = await aServingDevice()
    await using _ = device
    await using crowd = aCrowd({ url: device.url, factors: { 1: 2, 3: 3, 2: 4 }, keeping: 2, opening: 1, pauseMs: 2 })
    const candidate = await beside(device, { model: aScaleModel({ factor: 4 }) })
    await vi.waitFor(() => expect(device.compared()).toBeGreaterThan(30), patience)
    const next = await device.bundle({ model: aScaleModel({ factor: 3 }), version: 3 })
    device.wish(next)
    await vi.waitFor(() => expect(device.story(next).at(-1)).toBe('succeeded'), patience)
    await vi.waitFor(() => expect(device.alive().map(({ phase }) => phase)).toContain('shadow ready'), patience)
    await vi.waitFor(() => expect(device.compared()).toBeGreaterThan(30), patience)
    device.wishShadows()
    await vi.waitFor(() => expect(device.alive()).toEqual([{ phase: 'serving', versions: [3] }]), patience)
    device.wish(candidate)
    await vi.waitFor(() => expect(device.story(candidate).at(-1)).toBe('succeeded'), patience)
    await crowd.stop()
    expect([crowd.failures, crowd.wrong]).toEqual([[], []])
    await device.stop()
    const windows = await device.windows()
    const shadows = shadowsOf(windows)
    expect(new Set(shadows.map(({ agreement }) => agreement?.primary))).toEqual(
      new Set([primary.manifest, next.manifest]),
    )
    for (const { agreement, counts, interrupted } of shadows) {
      expect(agreement?.pairs).toBe(counts.ok)
      expect(interrupted).toBe(false)
    }
    // Each beside the version that it says: 4x beside 2x or 3x, of an x that the crowd never makes negative.
    const served = windows.filter(({ role }) => role === 'primary').reduce((sum, { counts }) => sum + counts.ok, 0)
    expect(served).toBe(crowd.answered(1) + crowd.answered(3) + crowd.answered(2))
  })

  test('a device with room for one runtime, or other inputs, says that it does not fit', async () => {
    const { device: small } = await aServingDevice({}, { mode: 'stop-start' })
    await using _ = small
    const one = await small.bundle({ model: aScaleModel({ factor: 3 }), version: 2 })
    small.wishShadows(asShadow(one))
    await vi.waitFor(() => expect(small.story(one)).toEqual(['rejected: incompatible']), patience)
    expect(small.alive()).toEqual([{ phase: 'serving', versions: [1] }])
    await small.stop()
    const { device: warm } = await aServingDevice()
    await using __ = warm
    const inputs = [{ name: 'z', datatype: 'FP32' as const, shape: [-1, 2] }]
    const other = await warm.bundle({ model: aScaleModel({ input: 'z' }), inputs, version: 2 })
    warm.wishShadows(asShadow(other))
    await vi.waitFor(() => expect(warm.story(other)).toEqual(['rejected: incompatible']), patience)
    const event = warm.events.find((one) => one.event === 'progress' && one.manifest === other.manifest)
    expect(event).toMatchObject({ role: 'shadow', detail: expect.stringContaining("input 'z'") })
  })
})

/** Inferences of a shadow in the open windows that the disk holds. */
async function checkpointedIn(folder: string): Promise<number> {
  const { found } = await DoubleSlot.open(folder, 'open-windows', realDisk)
  const checkpoint = found && decode(z.object({ open: z.array(WindowReport) }), found)
  return checkpoint?.ok ? shadowsOf(checkpoint.message.open).reduce((sum, { counts }) => sum + counts.ok, 0) : 0
}

/** Of this process's children the one that runs at low priority. */
async function shadowPid(): Promise<number> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    const ppid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    if (ppid === process.pid && getPriority(Number(name)) === 10) return Number(name)
  }
  throw new Error('no shadow runs')
}
