// Recorded rows as a source: each row once, over switches and kills, and the same windows as if nothing had happened.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildBaseline } from '@roost/shared/drift/baseline.ts'
import type { FeatureDefinitions } from '@roost/shared/features/definition.ts'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { LoadedBundle, ReplayPace, ReplaySource } from '../../../agent/runtime/messages.ts'
import { createReplay, type Replay } from '../../../agent/runtime/serve/replay.ts'
import { rowsMax } from '../../../agent/runtime/serve/rows.ts'
import { aScaleModel } from '../../builders/onnx.ts'
import { seeded } from '../download/builders.ts'
import { type ARuntime, aServing, aWorld, type World } from './a-runtime.ts'

const seed = 20_261_125
const patience = { timeout: 120_000, interval: 10 }

/** Windows of three machines that remember up to 40 records, so that a runtime that forgot shows in the counts. */
const features: FeatureDefinitions = {
  key: 'machine',
  time: 'at',
  features: [
    { name: 'mean', field: 'load', transform: { kind: 'rolling_mean', rows: 40 } },
    { name: 'step', field: 'load', transform: { kind: 'difference', lag: 30 } },
  ],
  inputs: [{ name: 'x', features: ['mean', 'step'] }],
}

/** One row in a hundred has no machine: it is refused, and is a row like any other. */
function someRows(rows: number): string {
  const random = seeded(seed)
  const lines = Array.from({ length: rows }, (_, i) => {
    const machine = i % 100 === 99 ? '' : `m${Math.floor(random() * 3)}`
    return `${1_700_000_000_000 + i * 1000},${machine},${Math.floor(random() * 1000)}`
  })
  return `at,machine,load\n${lines.join('\n')}\n`
}

async function aReplay(world: World, rows: number, over: Partial<ReplaySource> = {}): Promise<ReplaySource> {
  const path = join(world.folder, 'rows.csv')
  await writeFile(path, someRows(rows))
  return { deployment: 'demo', path, pace: { kind: 'unpaced' }, repeat: false, ...over }
}

function bundleOf(world: World, version: number, windowRows = 700): Promise<LoadedBundle> {
  const random = seeded(seed)
  const draw = (scale: number) => Float64Array.from({ length: 4000 }, () => (random() - 0.5) * scale)
  const window = { rows: windowRows, seconds: 3600 }
  const columns = [
    { name: 'mean', kind: 'feature' as const, values: draw(300).map((value) => value + 500) },
    { name: 'step', kind: 'feature' as const, values: draw(2000) },
  ]
  const baseline = buildBaseline({ columns, window })
  return world.bundle({ model: aScaleModel(), version, features, baseline, window })
}

/** What all windows and the open one hold together. */
function pooled(windows: readonly WindowReport[]) {
  const columns: Record<string, { bins: number[]; missing: number }> = {}
  const counts = { ok: 0, error: 0, refused: 0 }
  for (const window of windows) {
    for (const kind of ['ok', 'error', 'refused'] as const) counts[kind] += window.counts[kind]
    for (const [name, { bins, missing }] of Object.entries(window.features)) {
      const sum = columns[name] ?? { bins: bins.map(() => 0), missing: 0 }
      columns[name] = { bins: sum.bins.map((count, i) => count + (bins[i] ?? 0)), missing: sum.missing + missing }
    }
  }
  return { counts, columns }
}

const toldBy = (runtimes: readonly ARuntime[]) =>
  runtimes.flatMap(({ windows, checkpoint }) => [...windows, ...checkpoint])
const rowsIn = (runtimes: readonly ARuntime[]) => {
  const { counts } = pooled(toldBy(runtimes))
  return counts.ok + counts.refused
}

async function untilAllIsTold(runtimes: readonly ARuntime[], rows: number): Promise<void> {
  await vi.waitFor(() => expect(rowsIn(runtimes)).toBe(rows), patience)
}

describe('rows of a file', () => {
  test('are each fed once over ten switches, with the windows of one runtime that never changed', async () => {
    const rows = 6_000
    await using world = await aWorld()
    const replay = [await aReplay(world, rows)]
    const alone = await aServing(world, [await bundleOf(world, 1)], { replay })
    await untilAllIsTold([alone], rows)
    await alone.process.stop(1000)

    // slowly, so that however late a switch comes, rows are left for the next
    const slow = replay.map((source) => ({ ...source, pace: { kind: 'every' as const, intervalMs: 1 } }))
    const runtimes = [await world.start([await bundleOf(world, 1)], { replay: slow })]
    runtimes.push(await world.start([await bundleOf(world, 2)], { replay: slow }))
    for (const { process } of runtimes) expect(await process.load()).toMatchObject({ ok: true })
    const handedOver = [0]
    for (let turn = 0; turn < 10; turn++) {
      const next = runtimes[turn % 2]?.process
      const demo = handedOver.at(-1) ?? 0
      expect(await next?.serve(world.socket, { demo })).toBe(true)
      await new Promise((resolve) => setTimeout(resolve, 30))
      handedOver.push((await next?.release())?.demo ?? -1)
    }
    for (const { process } of runtimes) await process.stop(1000)
    const last = await world.start([await bundleOf(world, 3)], { replay })
    runtimes.push(last)
    expect(await last.process.load()).toMatchObject({ ok: true })
    expect(await last.process.serve(world.socket, { demo: handedOver.at(-1) ?? 0 })).toBe(true)
    await untilAllIsTold(runtimes, rows)

    expect(handedOver).toEqual(handedOver.toSorted((a, b) => a - b))
    expect(new Set(handedOver).size).toBeGreaterThan(3)
    expect(handedOver.at(-1)).toBeLessThan(rows)
    expect(pooled(toldBy(runtimes))).toEqual(pooled(toldBy([alone])))
    expect(pooled(toldBy([alone])).counts.refused).toBe(rows / 100)
  })

  test('go on after a kill from where the last report stood, so that none is counted twice and none left out', async () => {
    const rows = 6_000
    await using world = await aWorld()
    const replay = [await aReplay(world, rows, { pace: { kind: 'every', intervalMs: 2 } })]
    const bundle = await bundleOf(world, 1, 150)
    const runtimes: ARuntime[] = []
    let demo = 0
    for (let life = 0; life < 3; life++) {
      const runtime = await world.start([bundle], { replay })
      expect(await runtime.process.load()).toMatchObject({ ok: true })
      expect(await runtime.process.serve(world.socket, { demo })).toBe(true)
      await vi.waitFor(() => expect(runtime.positions.demo).toBeGreaterThan(demo + 200), patience)
      await runtime.process.kill()
      demo = runtime.positions.demo ?? -1
      runtimes.push(runtime)
      expect(rowsIn(runtimes)).toBe(demo)
    }
    const last = await world.start([bundle], {
      replay: replay.map((source) => ({ ...source, pace: { kind: 'unpaced' } })),
    })
    runtimes.push(last)
    expect(await last.process.load()).toMatchObject({ ok: true })
    expect(await last.process.serve(world.socket, { demo })).toBe(true)
    await untilAllIsTold(runtimes, rows)
    await last.process.stop(1000)
    expect(rowsIn(runtimes)).toBe(rows)
    expect(last.positions).toEqual({ demo: rows })
  })

  test('start over where they repeat, and positions go on rising', async () => {
    await using world = await aWorld()
    const replay = [await aReplay(world, 100, { repeat: true })]
    const runtime = await aServing(world, [await bundleOf(world, 1)], { replay })
    await vi.waitFor(() => expect(runtime.positions.demo).toBeGreaterThan(1000), patience)
    await runtime.process.stop(1000)
    expect(rowsIn([runtime])).toBe(runtime.positions.demo)
  })

  test('of a file that is not there or not in its form leave the runtime serving', async () => {
    await using world = await aWorld()
    const path = join(world.folder, 'broken.csv')
    await writeFile(path, 'a,b\n1,2,3\n')
    const replay: ReplaySource[] = [path, join(world.folder, 'none.csv')].map((path) => ({
      deployment: 'demo',
      path,
      pace: { kind: 'unpaced' },
      repeat: false,
    }))
    const runtime = await aServing(world, [await bundleOf(world, 1)], { replay })
    expect(runtime.exits).toEqual([])
  })

  test('of a long file neither hang the runtime that reads them nor the one that takes over at its end', async () => {
    await using world = await aWorld()
    const rows = rowsMax
    const replay = [await aReplay(world, rows)]
    const limits = { memoryBytes: 16 * 1024 ** 2, trialMs: 10_000, inferenceMs: 50 }
    const bundle = await bundleOf(world, 1)
    const strict = { ...bundle, manifest: { ...bundle.manifest, limits } }
    const runtime = await world.start([strict], { replay })
    expect(await runtime.process.load()).toMatchObject({ ok: true })
    expect(await runtime.process.serve(world.socket, { demo: rows - 500 })).toBe(true)
    await untilAllIsTold([runtime], 500)
    expect(runtime.exits).toEqual([])
  })
})

describe('the pace', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** When each row was fed, milliseconds after the start. */
  function aTimedReplay(
    pace: ReplayPace,
    ats: readonly unknown[],
    over: Partial<{ repeat: boolean; inferenceMs: number }> = {},
  ) {
    const { repeat = false, inferenceMs = 0 } = over
    const fed: { row: number; atMs: number }[] = []
    const started = performance.now()
    const replay: Replay = createReplay({
      source: { deployment: 'demo', path: '', pace, repeat },
      rows: ats.map((at, row) => ({ at, row })),
      async feed({ row }, counted) {
        if (inferenceMs > 0) await new Promise((resolve) => setTimeout(resolve, inferenceMs))
        fed.push({ row: Number(row), atMs: performance.now() - started })
        counted()
      },
      warm: () => undefined,
      timeField: 'at',
      clock: () => performance.now(),
    })
    return { replay, fed }
  }

  test('is the recorded one, so many times as fast', async () => {
    const { replay, fed } = aTimedReplay({ kind: 'recorded', speed: 10 }, [1000, 1500, 1500, '2500', 62_500])
    replay.start(0)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(fed).toEqual([0, 50, 50, 150, 6150].map((atMs, row) => ({ row, atMs })))
    expect(replay.position()).toBe(5)
  })

  test('knows no break where time goes back or cannot be read, and none longer than an hour', async () => {
    const { replay, fed } = aTimedReplay({ kind: 'recorded', speed: 1 }, [
      5000,
      1000,
      null,
      'x',
      2000,
      2000 + 40 * 3_600_000,
    ])
    replay.start(0)
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(fed.map(({ atMs }) => atMs)).toEqual([0, 0, 0, 0, 0, 3_600_000])
  })

  test('does not add up what the inferences take', async () => {
    const { replay, fed } = aTimedReplay({ kind: 'every', intervalMs: 20 }, Array(50).fill(0), { inferenceMs: 15 })
    replay.start(0)
    await vi.advanceTimersByTimeAsync(2_000)
    // The timers of this clock have whole milliseconds.
    expect(fed.filter(({ row, atMs }) => Math.abs(atMs - row * 20 - 15) > 1)).toEqual([])
    expect(fed).toHaveLength(50)
  })

  test('can be interrupted in any wait: the row that was waited for is the next one', async () => {
    const { replay, fed } = aTimedReplay({ kind: 'every', intervalMs: 1000 }, Array(6).fill(0))
    replay.start(0)
    await vi.advanceTimersByTimeAsync(2_500)
    expect(replay.position()).toBe(3)
    await replay.pause()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(replay.position()).toBe(3)
    replay.start(3)
    replay.start(3)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(fed.map(({ row }) => row)).toEqual([0, 1, 2, 3, 4, 5])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('waits, when paused, for the row that is on its way', async () => {
    const { replay, fed } = aTimedReplay({ kind: 'unpaced' }, Array(6).fill(0), { inferenceMs: 100 })
    replay.start(0)
    await vi.advanceTimersByTimeAsync(250)
    let paused = false
    const pause = replay.pause().then(() => {
      paused = true
    })
    await vi.advanceTimersByTimeAsync(10)
    expect([paused, replay.position()]).toEqual([false, 2])
    await vi.advanceTimersByTimeAsync(100)
    await pause
    expect([fed.length, replay.position()]).toEqual([3, 3])
  })
})

test('a runtime that takes over warms its windows with the rows it has not seen, in their order, and no others', async () => {
  const seen: string[] = []
  const replay = createReplay({
    source: { deployment: 'demo', path: '', pace: { kind: 'every', intervalMs: 3_600_000 }, repeat: true },
    rows: Array.from({ length: 10 }, (_, row) => ({ row })),
    async feed({ row }, counted) {
      seen.push(`fed ${row}`)
      counted()
    },
    warm: ({ row }) => seen.push(`${row}`),
    timeField: undefined,
    clock: () => performance.now(),
  })
  const takenOverAt = async (position: number): Promise<string> => {
    replay.start(position)
    await vi.waitFor(() => expect(replay.position()).toBe(position + 1), patience)
    await replay.pause()
    return seen.splice(0).join(' ')
  }
  expect(await takenOverAt(14)).toBe('4 5 6 7 8 9 0 1 2 3 fed 4')
  expect(await takenOverAt(15)).toBe('fed 5')
  expect(await takenOverAt(18)).toBe('6 7 fed 8')
  expect(await takenOverAt(119)).toBe('9 0 1 2 3 4 5 6 7 8 fed 9')
})
