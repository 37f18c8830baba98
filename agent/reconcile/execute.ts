// Does the steps that plan.ts decides on: the one place where a decision becomes a file, a message or a process.
// What it needs of the world are ports, so that a test can let any of them fail at any moment.

import type { Digest } from '@roost/shared/protocol/names.ts'
import type { DeviceEvent } from '@roost/shared/protocol/records.ts'
import type { Logger } from 'pino'
import { type Bundle, type BundleSet, keyOf, manifestsOf } from './bundle-set.ts'
import { keepWished, noteProgress } from './progress.ts'
import { type ShadowBundle, type ShadowSet, shadowKeyOf } from './shadow-set.ts'
import type { Failure, Moment, Slots } from './slots.ts'
import * as transitions from './slots.ts'
import type { FilesState, RuntimeView, Situation, Step, Tries } from './steps.ts'
import type { Wish } from './target.ts'
import { countDeath } from './tries.ts'

/** Sets whose deaths are remembered; the one that died longest ago is forgotten. */
export const triesMax = 64
/** After a failed write of slots or reports (a full disk, as a rule) the next try waits so long. */
export const diskRetryMs = 5_000

/** Between two tries to fetch again what the disk lost of the current set. */
export const repairRetryMs = 60_000

export type Ports = {
  slots: { save(slots: Slots): Promise<void> }
  /** Resolves soon, whatever the disk does, with how many of them are durable, counted from the first. */
  outbox: { appendNow(events: readonly DeviceEvent[]): Promise<number> }
  files: {
    stateOf(manifest: Digest): FilesState
    misfitBeside(candidate: Digest, primary: Digest): string | undefined
    /** What may still be cancelled. */
    fetching(): readonly Digest[]
    /** Starts to fetch; `stateOf` tells how it goes. */
    fetch(bundles: readonly Bundle[]): void
    /** `fetching` no longer tells them, though they end only later. */
    cancel(manifests: readonly Digest[]): void
    /** Forgets a failure, so that a later attempt starts anew. */
    forgetFailure(manifest: Digest): void
    /** Everything else may go. */
    keep(manifests: ReadonlySet<Digest>): Promise<void>
  }
  runtimes: {
    all(): readonly RuntimeView[]
    start(set: BundleSet): void
    /** Runs beside what serves, never instead of it. */
    startShadow(set: ShadowSet): void
    /** Of a shadow: how much it repeats from now on. */
    sample(id: number, bundles: readonly ShadowBundle[]): void
    /** Takes the socket from whichever runtime has it. A runtime that cannot take it shows as dead. */
    serve(id: number): Promise<void>
    stop(id: number): void
    bury(id: number): void
  }
  link: {
    isConnected(): boolean
    /** Sends a hello with a new nonce; counts it whether or not it left. */
    hello(): void
    hellos(): { count: number; at: number }
  }
  /** Monotonic milliseconds. */
  now: () => number
  /** Wall clock, milliseconds since 1970. */
  wallClock: () => number
  log: Pick<Logger, 'info' | 'warn' | 'error'>
}

/** What only this process remembers. */
export type Memory = {
  slots: Slots
  unsaved: boolean
  wish: Wish | undefined
  staged: Situation['staged']
  tries: Map<string, Tries>
  kept: ReadonlySet<Digest>
  reportNotBefore: number
  saveNotBefore: number
  repairNotBefore: number
}

export function newMemory(slots: Slots): Memory {
  return {
    slots,
    unsaved: false,
    wish: undefined,
    staged: undefined,
    tries: new Map(),
    kept: new Set(),
    reportNotBefore: 0,
    saveNotBefore: 0,
    repairNotBefore: 0,
  }
}

/** Does one step. Expected trouble (a full disk) is put into memory as a later retry; anything else is thrown. */
export async function executeStep(step: Step, memory: Memory, ports: Ports): Promise<void> {
  const { slots } = memory
  switch (step.kind) {
    case 'note': {
      const { at, generation } = momentOf(memory, ports)
      const kept = keepWished(slots, step.places)
      return adopt(
        step.notes.reduce((noted, note) => noteProgress(noted, note, generation, at), kept),
        memory,
        ports,
      )
    }
    case 'report':
      return report(memory, ports)
    case 'save':
      return adopt(slots, memory, ports)
    case 'download':
      return ports.files.fetch(step.bundles)
    case 'repair':
      memory.repairNotBefore = ports.now() + repairRetryMs
      for (const { manifest } of step.bundles) ports.files.forgetFailure(manifest)
      return ports.files.fetch(step.bundles)
    case 'cancel-downloads':
      return ports.files.cancel(step.manifests)
    case 'keep-files':
      memory.kept = step.manifests
      return ports.files.keep(step.manifests)
    case 'start-runtime':
      return ports.runtimes.start(step.set)
    case 'serve':
      return ports.runtimes.serve(step.runtime)
    case 'stop-runtime':
      return ports.runtimes.stop(step.runtime)
    case 'bury':
      return bury(step.runtime, memory, ports)
    case 'stage':
      memory.staged = { key: step.key, runtime: step.runtime, hello: ports.link.hellos().count }
      return
    case 'unstage':
      memory.staged = undefined
      return
    case 'fail-trial':
      return failTrial(step.set, step.failure, step.runtime, memory, ports)
    case 'confirm':
      return ports.link.hello()
    case 'activate':
      return activate(step.set, memory, ports)
    case 'begin-probation':
      return adopt(transitions.beginProbation(slots, momentOf(memory, ports)), memory, ports)
    case 'end-probation':
      ports.log.info({ event: 'probation_passed', set: namesOf(slots.candidate) }, 'the new version stays')
      return adopt(transitions.endProbation(slots, momentOf(memory, ports)), memory, ports)
    case 'withdraw':
      ports.log.info({ event: 'withdrawn', set: namesOf(slots.candidate) }, 'the hub takes the candidate back')
      return adopt(transitions.withdraw(slots), memory, ports)
    case 'roll-back':
      return rollBack(step.failure, step.runtime, memory, ports)
    case 'roll-back-late':
      ports.log.error(
        { event: 'rolling_back', ...step.failure },
        'the current version does not start any more, or dies again and again',
      )
      return adopt(transitions.rollBackLate(slots, step.failure), memory, ports)
    case 'start-shadow':
      return ports.runtimes.startShadow(step.set)
    case 'sample-shadow':
      return ports.runtimes.sample(step.runtime, step.bundles)
    case 'fail-shadow':
      return failShadow(step, memory, ports)
    case 'end-roll-back':
      ports.log.warn({ event: step.able ? 'rolled_back' : 'unable_to_roll_back' }, 'roll-back ended')
      return adopt(transitions.endRollBack(slots, step.able, momentOf(memory, ports)), memory, ports)
  }
}

/** What the planner sees now. */
export function situationOf(memory: Memory, ports: Ports, limits: Pick<Situation, 'switch' | 'probation'>): Situation {
  const { kept, repairNotBefore, reportNotBefore, saveNotBefore, slots, staged, tries, unsaved, wish } = memory
  return {
    now: ports.now(),
    slots,
    wish,
    filesOf: (manifest) => ports.files.stateOf(manifest),
    misfitBeside: (candidate, primary) => ports.files.misfitBeside(candidate, primary),
    fetching: ports.files.fetching(),
    runtimes: ports.runtimes.all(),
    tries,
    staged,
    hello: ports.link.hellos(),
    connected: ports.link.isConnected(),
    ...limits,
    reportNotBefore,
    unsaved,
    saveNotBefore,
    repairNotBefore,
    kept,
  }
}

/** Once, before anything else. A candidate whose boot counter cannot be written is not started: it might take the
 *  whole device down again and again, uncounted. */
export async function countStart(memory: Memory, ports: Ports): Promise<void> {
  const counted = transitions.countStart(memory.slots)
  if (counted === memory.slots) return
  await adopt(counted, memory, ports)
  if (memory.unsaved && counted.candidate !== null) {
    await rollBack({ reason: 'no_space', detail: 'the boot counter could not be written' }, undefined, memory, ports)
  }
}

/** Queues an event for the outbox, on disk with the slots until it is there. */
export const addEvent = (event: DeviceEvent, memory: Memory, ports: Ports): Promise<void> =>
  adopt(transitions.addEvent(memory.slots, event), memory, ports)

/** The boot counter must be on disk before the candidate may run: without that, no activation. */
async function activate(set: BundleSet, memory: Memory, ports: Ports): Promise<void> {
  const moment = momentOf(memory, ports)
  const next = { ...transitions.activate(memory.slots, set, moment), generation: moment.generation }
  if (await save(next, memory, ports)) {
    ports.log.info({ event: 'activating', set: namesOf(set) }, 'a new version takes over')
    memory.slots = next
    memory.staged = undefined
  }
}

async function rollBack(failure: Failure, runtime: number | undefined, memory: Memory, ports: Ports): Promise<void> {
  const { candidate } = memory.slots
  ports.log.error({ event: 'rolling_back', ...failure, set: namesOf(candidate) }, 'the candidate is taken back')
  if (candidate !== null) rememberDeath(keyOf(candidate), failure, runtime, memory, ports)
  if (runtime !== undefined) ports.runtimes.bury(runtime)
  await adopt(transitions.rollBack(memory.slots, failure), memory, ports)
}

async function failTrial(
  set: BundleSet,
  failure: Failure,
  runtime: number | undefined,
  memory: Memory,
  ports: Ports,
): Promise<void> {
  ports.log.error({ event: 'trial_failed', ...failure, set: namesOf(set) }, 'a wished version failed before activation')
  rememberDeath(keyOf(set), failure, runtime, memory, ports)
  if (runtime !== undefined) ports.runtimes.bury(runtime)
  for (const { manifest } of set.bundles) ports.files.forgetFailure(manifest)
  memory.staged = undefined
  await adopt(transitions.failTrial(memory.slots, set, failure, momentOf(memory, ports)), memory, ports)
}

async function failShadow(
  { bundles, failure, runtime }: Extract<Step, { kind: 'fail-shadow' }>,
  memory: Memory,
  ports: Ports,
): Promise<void> {
  ports.log.error({ event: 'shadow_failed', ...failure }, 'a candidate failed beside what serves')
  if (runtime !== undefined) {
    rememberDeath(shadowKeyOf(bundles), failure, runtime, memory, ports)
    ports.runtimes.bury(runtime)
  }
  for (const { manifest } of bundles) ports.files.forgetFailure(manifest)
  await adopt(transitions.failShadow(memory.slots, bundles, failure, momentOf(memory, ports)), memory, ports)
}

async function bury(id: number, memory: Memory, ports: Ports): Promise<void> {
  const dead = ports.runtimes.all().find((one) => one.id === id)
  ports.runtimes.bury(id)
  if (dead?.failure === undefined) return
  const { failure, key } = dead
  ports.log.error({ event: 'runtime_died', ...failure }, 'a runtime process died')
  // what runs beside what serves is no part of its accidents
  const manifests = dead.shadows === undefined ? manifestsOf(key) : []
  const detail = `${failure.reason}: ${failure.detail}`.slice(0, 500)
  rememberDeath(key, failure, id, memory, ports, dead)
  await addEvent({ kind: 'event', event: 'runtime_died', at: ports.wallClock(), detail, manifests }, memory, ports)
}

async function report(memory: Memory, ports: Ports): Promise<void> {
  const events = memory.slots.unreported
  const kept = await ports.outbox.appendNow(events)
  if (kept < events.length) {
    ports.log.error({ event: 'report_not_kept' }, 'the outbox took not all events; they stay with the slots')
    memory.reportNotBefore = ports.now() + diskRetryMs
  }
  if (kept > 0) await adopt(transitions.markReported(memory.slots, kept), memory, ports)
}

/** Goes on with `next` even where the disk refuses it: serving a good version matters more than remembering why. */
async function adopt(next: Slots, memory: Memory, ports: Ports): Promise<void> {
  memory.slots = { ...next, generation: momentOf(memory, ports).generation }
  memory.unsaved = true
  await save(memory.slots, memory, ports)
}

async function save(next: Slots, memory: Memory, ports: Ports): Promise<boolean> {
  try {
    await ports.slots.save(next)
    memory.unsaved = false
    return true
  } catch (error) {
    ports.log.error({ event: 'slots_not_saved', err: error }, 'slots could not be written; the old file stays')
    memory.saveNotBefore = ports.now() + diskRetryMs
    return false
  }
}

function rememberDeath(
  key: string,
  failure: Failure,
  id: number | undefined,
  memory: Memory,
  ports: Ports,
  known?: RuntimeView,
): void {
  const dead = known ?? ports.runtimes.all().find((one) => one.id === id)
  const now = ports.now()
  const servedMs = dead?.servingSince === undefined ? 0 : now - dead.servingSince
  const before = memory.tries.get(key)
  memory.tries.delete(key)
  memory.tries.set(key, countDeath(before, { failure, proven: dead?.proven ?? false, servedMs }, now))
  const oldest = memory.tries.keys().next()
  if (memory.tries.size > triesMax && oldest.done !== true) memory.tries.delete(oldest.value)
}

const momentOf = (memory: Memory, ports: Ports): Moment => ({
  at: ports.wallClock(),
  generation: Math.max(memory.wish?.generation ?? 0, memory.slots.generation),
})

const namesOf = (set: BundleSet | null) =>
  set?.bundles.map(({ deployment, model, version }) => `${deployment}: ${model} ${version}`)
