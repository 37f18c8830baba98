// Bench `rollout`: a version brought to fleets of three sizes by the hub's own engine and database file, by the plan that
// holds where none is named, without its shadow. What a look costs while devices move and while nothing does, the processor time and the
// memory a device takes, and how they grow. No broker and no bundles: the devices are rows.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { defaultPlanFor } from '../../hub/rollouts/plan/default-plan.ts'
import { type BenchResult, benchResult } from './result.ts'
import { aRolloutFleet, type RolloutFleet } from './rollout-fleet.ts'

const sizes = [1_000, 3_000, 10_000] as const
/** Linear, with room for what a busy machine makes of two measurements. */
const growthMax = 1.1
/** Devices that may be at it at once, so that large fleets take as many looks as small ones. */
const shareAtOnce = 0.05
const looksMax = 2_000
const hourMs = 3_600_000

/** Times are those of the processor. */
const Carried = z.object({
  devices: z.number(),
  startMs: z.number(),
  looks: z.number(),
  /** Of the start and of all looks. */
  cpuMs: z.number(),
  /** Of looks that decided something, and of looks at what had not changed since the one before. */
  movingMs: z.number(),
  idleMs: z.number(),
  longestMs: z.number(),
  /** The longest stretch in which the process did nothing else. */
  stretchMs: z.number(),
  rssBytes: z.number(),
  fileBytes: z.number(),
})
type Carried = z.infer<typeof Carried>

export async function rollout(): Promise<BenchResult[]> {
  const runs: Carried[] = []
  // in a process each: what one leaves in memory would be counted for the next
  for (const size of sizes) runs.push(await inProcess(size))
  const [small, large] = [runs[0], runs.at(-1)]
  if (small === undefined || large === undefined) return []
  const growth = (metric: string, of: (run: Carried) => number) => {
    const value = Math.log(of(large) / of(small)) / Math.log(large.devices / small.devices)
    const measured = { bench: 'rollout', metric: `growth of ${metric}`, value, unit: 'power of the devices' }
    return benchResult(measured, { of: 'value', bound: '<=', number: growthMax })
  }
  const value = (large.rssBytes - small.rssBytes) / (large.devices - small.devices) / 1024
  return [
    ...runs.flatMap(ofRun),
    benchResult({ bench: 'rollout', metric: 'memory of the process a device', value, unit: 'KiB' }),
    growth('processor time', ({ cpuMs }) => cpuMs),
    growth('a look while devices move', ({ movingMs }) => movingMs),
    growth('the longest look', ({ longestMs }) => longestMs),
    growth('the longest stretch without a turn for anything else', ({ stretchMs }) => stretchMs),
  ]
}

function ofRun({
  devices,
  looks,
  startMs,
  cpuMs,
  idleMs,
  movingMs,
  longestMs,
  stretchMs,
  fileBytes,
}: Carried): BenchResult[] {
  const row = (metric: string, value: number, unit: string) =>
    benchResult({ bench: 'rollout', metric: `${metric}, ${devices} devices`, value, unit })
  return [
    row('processor time a device, whole rollout', cpuMs / devices, 'ms'),
    row('start', startMs, 'ms'),
    row(`look while devices move, median of ${looks}`, movingMs, 'ms'),
    row('look, longest', longestMs, 'ms'),
    row('look, longest stretch without a turn for anything else', stretchMs, 'ms'),
    row('look at what has not changed, median', idleMs, 'ms'),
    row('database a device', fileBytes / devices / 1024, 'KiB'),
  ]
}

async function inProcess(devices: number): Promise<Carried> {
  const child = fork(import.meta.filename, [String(devices)])
  const ended = once(child, 'exit')
  const [message] = await Promise.race([once(child, 'message'), ended])
  const { success, data } = Carried.safeParse(message)
  if (!success) throw new Error(`the rollout to ${devices} devices ended with ${message}`)
  await ended
  return data
}

async function carryOut(devices: number): Promise<Carried> {
  const folder = mkdtempSync(join(tmpdir(), 'roost-bench-rollout-'))
  try {
    const fleet = await aRolloutFleet(folder, devices)
    const measured = await measure(fleet, devices)
    await fleet.close()
    const rssBytes = process.resourceUsage().maxRSS * 1024
    return { devices, ...measured, rssBytes, fileBytes: statSync(join(folder, 'hub.db')).size }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(
  { clock, rollouts, obey, report, state, isUnread }: RolloutFleet,
  devices: number,
): Promise<Omit<Carried, 'devices' | 'rssBytes' | 'fileBytes'>> {
  // no shadow: what devices report of one is not simulated
  const plan = { ...defaultPlanFor(devices), concurrency: Math.ceil(devices * shareAtOnce) }
  const wanted = { model: 'vibration', version: 2, group: 'all', deployment: 'vibration', plan, supersede: false }
  const start = await timed(() => rollouts.start(wanted, { actor: 'bench' }))
  const { id } = start.result
  const moving: number[] = []
  const idle: number[] = []
  let looks = 0
  let reportedAt = clock.nowMs
  let cpuMs = start.cpuMs
  let longestMs = 0
  let stretchMs = 0
  const look = async () => {
    const made = await timed(() => rollouts.look())
    looks += 1
    cpuMs += made.cpuMs
    longestMs = Math.max(longestMs, made.cpuMs)
    stretchMs = Math.max(stretchMs, made.stretchMs)
    clock.nowMs += 1_000
    return made.cpuMs
  }
  while ((await state(id)).startsWith('running')) {
    if (looks >= looksMax) throw new Error(`it is still running after ${looks} looks`)
    const moved = await obey()
    clock.nowMs += moved > 0 ? 10_000 : hourMs
    if (clock.nowMs - reportedAt >= hourMs) {
      reportedAt = clock.nowMs
      await report()
    }
    const lookMs = await look()
    if (moved > 0) moving.push(lookMs)
    while (await isUnread(id)) await look()
    if (moved === 0) idle.push(await look())
  }
  const ended = await state(id)
  if (!ended.startsWith('completed')) throw new Error(`it is ${ended}`)
  const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[all.length >> 1] ?? 0
  return { startMs: start.cpuMs, looks, cpuMs, movingMs: median(moving), idleMs: median(idle), longestMs, stretchMs }
}

/** Processor time: what it takes by the clock depends on what else the machine does. `stretchMs`: the most of it between
 *  two turns of the event loop. */
async function timed<T>(work: () => Promise<T>): Promise<{ result: T; cpuMs: number; stretchMs: number }> {
  const before = cpuMsNow()
  let turnAt = before
  let stretchMs = 0
  const turn = () => {
    const nowMs = cpuMsNow()
    stretchMs = Math.max(stretchMs, nowMs - turnAt)
    turnAt = nowMs
  }
  const turns = setInterval(turn, 1)
  try {
    const result = await work()
    turn()
    return { result, cpuMs: cpuMsNow() - before, stretchMs }
  } finally {
    clearInterval(turns)
  }
}

function cpuMsNow(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

if (process.send !== undefined && process.argv[1] === import.meta.filename) {
  process.send(await carryOut(Number(process.argv[2])))
  process.disconnect()
}
