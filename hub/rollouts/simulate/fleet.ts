// A fleet that never was: uneven devices that answer, err, go away and come back, and report when they are there.
// Time moves in steps of any length; what a device counts in a step is drawn for the whole step at once.

import type { LatencyCounts } from '@roost/shared/sketch/latency.ts'
import { type Uniform, uniformFrom } from '../../seeded-random.ts'
import type { AgreementBlock, Counts } from '../evidence/counts.ts'
import { exponential, gamma, hits, normal, poisson } from './samplers.ts'
import { type Effect, type FleetTraits, hourMs } from './scenario.ts'

const dayMs = 24 * hourMs
/** What is known of a device from before the rollout, in steps of six hours. */
const pastMs = 7 * dayMs
const pastStepMs = 6 * hourMs
/** Where blocks are kept, the last day before the rollout is told in blocks of this length, and so is what comes. */
export const blockMs = hourMs / 4

export type SimulatedFleet = {
  readonly devices: readonly SimulatedDevice[]
  /** Lets the fleet live until then; where blocks are kept, `blockMs` at a time. */
  advance(toMs: number): void
  /** What counts from now on counts for a new stage. */
  beginStage(): void
}

/** Counts since some moment. `levels`: inferences by how many bins their stretch was slower than the device usually is. */
type Tally = { windows: number; ok: number; error: number; levels: number[]; slower: number; receivedAt: number | null }
type Version = 'old' | 'new'

export type SimulatedDevice = {
  readonly id: string
  readonly profile: string
  readonly site: string
  /** Whether the new version will not install there. */
  readonly refusesToInstall: boolean
  online: boolean
  runs: Version
  /** Share of its inferences that the new version sees beside what answers; 0: no shadow. */
  shadowSample: number
  /** Hub time of its last sign of life. */
  heardAt: number
  // how it is
  readonly uniform: Uniform
  readonly errorRate: number
  readonly perHour: number
  readonly latencyBin: number
  readonly phaseMs: number
  readonly lies: 'no' | 'all-fail' | 'impossible'
  wander: number
  changesAt: number
  dead: boolean
  // what it counted and has not told yet, has told since the stage began, had told before the rollout
  pending: Record<Version, Tally>
  pendingShadow: AgreementBlock[]
  since: Record<Version, Tally>
  /** Null before the rollout, and where it told nothing. */
  past: Counts | null
  blocks: Record<Version, Tally[]>
  pastBlocks: Tally[]
  shadow: AgreementBlock[]
}

/** @param keepsBlocks also keeps every step by itself (few devices)
 *  @param seed the same fleet for the same seed, whatever is done to it */
export function createFleet(
  traits: FleetTraits,
  effect: Effect,
  { seed, startMs, keepsBlocks }: { seed: number; startMs: number; keepsBlocks: boolean },
): SimulatedFleet {
  const devices = Array.from({ length: traits.devices }, (_, i) => createDevice(traits, seed, i, startMs, effect))
  let nowMs = startMs - pastMs

  function step(toMs: number, keeps: boolean): void {
    for (const device of devices) live(device, traits, effect, { fromMs: nowMs, toMs, startMs, keepsBlocks: keeps })
    nowMs = toMs
  }
  function advance(toMs: number): void {
    if (keepsBlocks) while (nowMs + blockMs < toMs) step(nowMs + blockMs, true)
    step(toMs, keepsBlocks)
  }
  function beginStage(): void {
    for (const device of devices) {
      device.since = { old: emptyTally(), new: emptyTally() }
      device.blocks = { old: [], new: [] }
      device.shadow = []
    }
  }

  while (nowMs < startMs - dayMs) step(nowMs + pastStepMs, false)
  advance(startMs)
  for (const device of devices) {
    device.past = countsOf(device.since.old, device.latencyBin)
    device.pastBlocks = device.blocks.old
  }
  beginStage()
  return { devices, advance, beginStage }
}

/** Since the stage began, on what the device runs. */
export const sinceOf = ({ since, runs, latencyBin }: SimulatedDevice): Counts | null =>
  countsOf(since[runs], latencyBin)
/** Block by block, on one grid for all; what it has not told yet is not there. */
export function blocksOf({ pastBlocks, blocks, runs, heardAt, latencyBin }: SimulatedDevice): BlocksOfCounts {
  const told = (tally: Tally) =>
    tally.receivedAt !== null && tally.receivedAt <= heardAt ? countsOf(tally, latencyBin) : null
  return { before: pastBlocks.map(told), since: blocks[runs].map(told) }
}
type BlocksOfCounts = { before: (Counts | null)[]; since: (Counts | null)[] }

const emptyTally = (): Tally => ({ windows: 0, ok: 0, error: 0, levels: [0, 0, 0], slower: 0, receivedAt: null })

function createDevice(
  traits: FleetTraits,
  seed: number,
  index: number,
  startMs: number,
  effect: Effect,
): SimulatedDevice {
  const uniform = uniformFrom(seed, index + 1)
  const site = index % traits.sites
  const liar = uniform() < traits.lying
  const online = uniform() >= traits.offline
  return {
    id: `d-${String(index).padStart(5, '0')}`,
    profile: `profile-${Math.floor(index / traits.sites) % traits.profiles}`,
    site: `site-${site}`,
    uniform,
    errorRate: traits.errorRate * gamma(uniform, traits.spread),
    perHour: traits.inferencesPerHour * gamma(uniform, traits.spread),
    latencyBin: Math.round(Math.log(traits.latencyUs * Math.exp(0.2 * normal(uniform))) / binWidth),
    phaseMs: (site / traits.sites) * dayMs,
    lies: !liar ? 'no' : uniform() < 0.5 ? 'all-fail' : 'impossible',
    refusesToInstall: uniform() < effect.installFailures,
    runs: 'old',
    shadowSample: 0,
    online,
    heardAt: startMs - pastMs,
    wander: 0,
    changesAt: startMs - pastMs + exponential(uniform, spellMs(traits, online)),
    dead: false,
    pending: { old: emptyTally(), new: emptyTally() },
    pendingShadow: [],
    since: { old: emptyTally(), new: emptyTally() },
    past: null,
    pastBlocks: [],
    blocks: { old: [], new: [] },
    shadow: [],
  }
}

/** Away for `offlineHours` on average, there for so long that the share comes out. */
function spellMs({ offline, offlineHours }: FleetTraits, online: boolean): number {
  if (offline === 0) return online ? Number.POSITIVE_INFINITY : 0
  return hourMs * offlineHours * (online ? (1 - offline) / offline : 1)
}

type Step = { fromMs: number; toMs: number; startMs: number; keepsBlocks: boolean }

function live(device: SimulatedDevice, traits: FleetTraits, effect: Effect, step: Step): void {
  if (device.dead) return
  const { uniform } = device
  const hours = (step.toMs - step.fromMs) / hourMs
  const dying = traits.dying + (device.runs === 'new' ? effect.silencing : 0)
  if (dying > 0 && step.fromMs >= step.startMs && uniform() < 1 - (1 - dying) ** hours) {
    device.dead = true
    device.online = false
    return
  }
  device.wander += traits.wandering * Math.sqrt(hours / 24) * normal(uniform)
  infer(device, traits, effect, step)
  while (device.changesAt <= step.toMs) {
    // what it has is delivered whenever it is there
    if (device.online) deliver(device, device.changesAt)
    device.online = !device.online
    device.changesAt += exponential(uniform, spellMs(traits, device.online))
  }
  if (device.online) deliver(device, step.toMs)
}

function infer(device: SimulatedDevice, traits: FleetTraits, effect: Effect, step: Step): void {
  const { uniform, runs } = device
  const hours = (step.toMs - step.fromMs) / hourMs
  const atMs = (step.fromMs + step.toMs) / 2
  const count = poisson(uniform, device.perHour * hours)
  const day = 1 + traits.dayCycle * Math.sin((2 * Math.PI * (atMs + device.phaseMs)) / dayMs)
  const common =
    traits.shift !== undefined && atMs - step.startMs >= traits.shift.afterHours * hourMs ? traits.shift.errorRate : 0
  const rate = device.errorRate * day + device.wander + common
  const errors = hits(uniform, count, rate + (runs === 'new' ? effect.errorRate : 0))
  const tally = device.pending[runs]
  const lie = runs === 'new' || device.lies === 'impossible' ? device.lies : 'no'
  add(tally, count, lie === 'all-fail' ? count : lie === 'impossible' ? count * 3 : errors)
  tally.slower = runs === 'new' ? Math.round(Math.log(effect.latencyRatio) / binWidth) : 0
  const level = Math.max(0, Math.min(2, 1 + Math.round(normal(uniform))))
  tally.levels[level] = (tally.levels[level] ?? 0) + count
  if (device.shadowSample > 0) shadow(device, effect, { count, rate, fromMs: step.fromMs })
  if (step.keepsBlocks) {
    const block = emptyTally()
    add(block, count, errors)
    block.slower = tally.slower
    block.levels[level] = count
    block.receivedAt = step.toMs
    device.blocks[runs].push(block)
    device.blocks[runs === 'new' ? 'old' : 'new'].push(emptyTally())
  }
}

/** Both versions on the same inputs: where the primary errs the candidate mostly errs too. */
function shadow(
  device: SimulatedDevice,
  effect: Effect,
  { count, rate, fromMs }: { count: number; rate: number; fromMs: number },
): void {
  const { uniform } = device
  const pairs = Math.round(count * device.shadowSample)
  const both = hits(uniform, pairs, Math.max(0, rate))
  const onlyCandidate = hits(uniform, pairs - both, Math.max(0, effect.errorRate))
  const onlyPrimary = hits(uniform, both, Math.max(0, -effect.errorRate) / Math.max(rate, 1e-9))
  const answered = pairs - both - onlyCandidate
  device.pendingShadow.push({
    from: fromMs,
    agreement: {
      pairs: answered,
      agreed: answered - hits(uniform, answered, effect.disagreement),
      outputs: {},
      errors: { both: both - onlyPrimary, onlyPrimary, onlyCandidate },
    },
  })
}

function add(tally: Tally, count: number, errors: number): void {
  tally.windows += 1
  tally.ok += Math.max(0, count - errors)
  tally.error += errors
}

function deliver(device: SimulatedDevice, atMs: number): void {
  device.heardAt = atMs
  device.shadow.push(...device.pendingShadow.splice(0))
  for (const version of ['old', 'new'] as const) {
    const pending = device.pending[version]
    if (pending.windows === 0) continue
    const since = device.since[version]
    since.windows += pending.windows
    since.ok += pending.ok
    since.error += pending.error
    since.slower = pending.slower
    for (let level = 0; level < since.levels.length; level++)
      since.levels[level] = (since.levels[level] ?? 0) + (pending.levels[level] ?? 0)
    since.receivedAt = atMs
    device.pending[version] = emptyTally()
  }
}

/** Bins of shared/sketch/latency.ts: ln(1.01 / 0.99). */
const binWidth = Math.log(1.01 / 0.99)
/** A long tail to the right: bins from the device's level, and the share of its inferences there. */
const latencyShape: readonly (readonly [number, number])[] = [
  [-14, 0.1],
  [-7, 0.2],
  [0, 0.3],
  [8, 0.2],
  [18, 0.12],
  [35, 0.05],
  [70, 0.03],
]

function countsOf(tally: Tally, latencyBin: number): Counts | null {
  if (tally.windows === 0) return null
  return {
    windows: tally.windows,
    ok: tally.ok,
    error: tally.error,
    refused: 0,
    latency: latencyOf(tally, latencyBin),
    lastReceivedAt: tally.receivedAt,
  }
}

function latencyOf({ levels, slower }: Tally, latencyBin: number): LatencyCounts {
  const bins: [number, number][] = []
  let total = 0
  let sumUs = 0
  for (const [offset, share] of latencyShape) {
    for (let level = 0; level < levels.length; level++) {
      const count = Math.round((levels[level] ?? 0) * share)
      const bin = latencyBin + slower + offset + level - 1
      if (count === 0 || bin < 0) continue
      bins.push([bin, count])
      total += count
      sumUs += count * Math.exp(bin * binWidth)
    }
  }
  return { bins, count: total, sumUs }
}
