// What this device runs, ran before, is trying and will not try again: the content of slots.json and its transitions.
// Every transition is a function from slots to slots, so that a test can walk them all; slot-storage.ts puts them on disk.

import { DeploymentName, Digest } from '@roost/shared/protocol/names.ts'
import { FailureReason } from '@roost/shared/protocol/progress.ts'
import { DeviceEvent } from '@roost/shared/protocol/records.ts'
import { z } from 'zod'
import { Bundle, BundleSet, bundlesMax, changedBundles, emptySet, keyOf } from './bundle-set.ts'
import { advanceProgress, type Note, Progress, unreportedMax } from './progress.ts'
import type { ShadowBundle } from './shadow-set.ts'

/** hello lists as many; beyond it the oldest denial is forgotten. */
export const deniedMax = 256
/** Starts of the agent that may cut a probation short before its version is blamed: one is bad luck, two may be. */
export const interruptedStartsMax = 2

/** A bundle that failed in a deployment. It is tried again only where the hub asks with a higher attempt. */
export const Denial = z.object({
  deployment: DeploymentName,
  manifest: Digest,
  attempt: z.number().int().positive(),
  reason: FailureReason,
})
export type Denial = z.infer<typeof Denial>

/** `starts`: of the agent that found this candidate in place without a clean stop before. */
export const Candidate = BundleSet.extend({
  phase: z.enum(['activating', 'probation']),
  starts: z.number().int().nonnegative(),
  stoppedCleanly: z.boolean(),
})
export type Candidate = z.infer<typeof Candidate>

/** A version was taken back and the one before it does not serve yet. */
export const RollingBack = z.object({
  culprits: z.array(Bundle).max(bundlesMax),
  reason: FailureReason,
  detail: z.string().max(500),
})
export type RollingBack = z.infer<typeof RollingBack>

export const Slots = z.object({
  formatVersion: z.literal(1),
  /** Of the latest assignment that was acted on; it never falls. */
  generation: z.number().int().nonnegative(),
  /** The last set that passed its probation. */
  current: BundleSet,
  /** The one before; its blobs stay on disk. */
  previous: BundleSet.nullable(),
  candidate: Candidate.nullable(),
  rollingBack: RollingBack.nullable(),
  denied: z.array(Denial).max(deniedMax),
  progress: z.array(Progress).max(bundlesMax),
  unreported: z.array(DeviceEvent).max(unreportedMax),
})
export type Slots = z.infer<typeof Slots>

export const emptySlots: Slots = {
  formatVersion: 1,
  generation: 0,
  current: emptySet,
  previous: null,
  candidate: null,
  rollingBack: null,
  denied: [],
  progress: [],
  unreported: [],
}

/** When it happens (wall clock, ms) and under which assignment: what every report carries. */
export type Moment = { at: number; generation: number }
export type Failure = { reason: FailureReason; detail: string; deployment?: string | undefined }

export function denialOf(
  slots: Slots,
  bundle: Pick<Bundle, 'deployment' | 'manifest' | 'attempt'>,
): Denial | undefined {
  return slots.denied.find(
    (denial) =>
      denial.deployment === bundle.deployment &&
      denial.manifest === bundle.manifest &&
      denial.attempt >= bundle.attempt,
  )
}

/** The bundle that failed where the runtime could tell, else all that changed: what did not change had proved itself. */
export function culpritsOf(failed: BundleSet, base: BundleSet, failure: Failure): Bundle[] {
  const changed = changedBundles(failed, base)
  const named = changed.filter(({ deployment }) => deployment === failure.deployment)
  return named.length > 0 ? named : changed
}

/** The candidate takes over. Must be on disk before it is done: the boot counter starts here. */
export function activate(slots: Slots, set: BundleSet, moment: Moment): Slots {
  const changed = changedBundles(set, slots.current)
  const next: Slots = { ...slots, candidate: { ...set, phase: 'activating', starts: 0, stoppedCleanly: false } }
  return noteAll(next, changed, { state: 'activating' }, moment)
}

/** The candidate serves. */
export function beginProbation(slots: Slots, moment: Moment): Slots {
  if (slots.candidate === null) return slots
  const changed = changedBundles(slots.candidate, slots.current)
  const next: Slots = { ...slots, candidate: { ...slots.candidate, phase: 'probation' } }
  return noteAll(next, changed, { state: 'probation' }, moment)
}

/** The candidate did well and becomes current. */
export function endProbation(slots: Slots, moment: Moment): Slots {
  if (slots.candidate === null) return slots
  const { generation, bundles } = slots.candidate
  const changed = changedBundles(slots.candidate, slots.current)
  const runs = (denial: Denial) =>
    changed.some(({ deployment, manifest }) => deployment === denial.deployment && manifest === denial.manifest)
  const next: Slots = {
    ...slots,
    current: { generation, bundles },
    previous: slots.current,
    candidate: null,
    denied: slots.denied.filter((denial) => !runs(denial)),
  }
  return noteAll(next, changed, { state: 'succeeded' }, moment)
}

/** A wished set failed before it was activated. What serves is untouched. */
export function failTrial(slots: Slots, set: BundleSet, failure: Failure, moment: Moment): Slots {
  const culprits = culpritsOf(set, slots.current, failure)
  return noteAll(deny(slots, culprits, failure.reason), culprits, { state: 'failed', ...wordsOf(failure) }, moment)
}

/** A shadow failed. Nothing else is touched by that. */
export function failShadow(slots: Slots, bundles: readonly ShadowBundle[], failure: Failure, moment: Moment): Slots {
  const named = bundles.filter(({ deployment }) => deployment === failure.deployment)
  const culprits = named.length > 0 ? named : bundles
  return noteAll(deny(slots, culprits, failure.reason), culprits, { state: 'failed', ...wordsOf(failure) }, moment)
}

/** The candidate did badly. The report waits until the version before it serves again (`endRollBack`). */
export function rollBack(slots: Slots, failure: Failure): Slots {
  if (slots.candidate === null) return slots
  const culprits = culpritsOf(slots.candidate, slots.current, failure)
  return {
    ...deny(slots, culprits, failure.reason),
    candidate: null,
    rollingBack: { culprits, ...wordsOf(failure) },
  }
}

/** The current set, proven once, does not start any more: back to the one before it. */
export function rollBackLate(slots: Slots, failure: Failure): Slots {
  if (slots.previous === null) return slots
  const culprits = culpritsOf(slots.current, slots.previous, failure)
  return {
    ...deny(slots, culprits, failure.reason),
    current: slots.previous,
    previous: null,
    rollingBack: { culprits, ...wordsOf(failure) },
  }
}

/** What was rolled back to serves again, or (`able` false) does not start either. */
export function endRollBack(slots: Slots, able: boolean, moment: Moment): Slots {
  if (slots.rollingBack === null) return slots
  const { culprits, reason, detail } = slots.rollingBack
  const words = able
    ? { state: 'rolled_back' as const, reason, detail }
    : { state: 'failed' as const, reason: 'unable_to_roll_back' as const, detail: `after ${reason}: ${detail}` }
  return noteAll({ ...slots, rollingBack: null }, culprits, words, moment)
}

/** The hub wishes what was current before: the candidate goes without blame. */
export const withdraw = (slots: Slots): Slots => ({ ...slots, candidate: null })

/** At start. A probation cut short too often by a restart counts as the candidate's fault. */
export function countStart(slots: Slots): Slots {
  if (slots.candidate === null) return slots
  const starts = slots.candidate.starts + (slots.candidate.stoppedCleanly ? 0 : 1)
  if (starts > interruptedStartsMax) {
    return rollBack(slots, { reason: 'boot_loop', detail: `${starts} restarts before probation ended` })
  }
  return { ...slots, candidate: { ...slots.candidate, phase: 'activating', starts, stoppedCleanly: false } }
}

/** Before a clean stop: the next start is not counted against the candidate. */
export function markStopped(slots: Slots): Slots {
  return slots.candidate === null ? slots : { ...slots, candidate: { ...slots.candidate, stoppedCleanly: true } }
}

/** Queues an event that is no progress. */
export const addEvent = (slots: Slots, event: DeviceEvent): Slots => ({
  ...slots,
  unreported: [...slots.unreported, event].slice(-unreportedMax),
})

/** The reports that went into the outbox. */
export const markReported = (slots: Slots, reported: number): Slots =>
  reported === 0 ? slots : { ...slots, unreported: slots.unreported.slice(reported) }

/** Every set whose files must stay on disk. */
export function keptSets(slots: Slots): BundleSet[] {
  return [slots.current, slots.previous, slots.candidate].filter((set) => set !== null)
}

/** True where a late roll-back has somewhere to go. */
export const hasEarlier = ({ current, previous }: Slots): boolean =>
  previous !== null && keyOf(previous) !== keyOf(current)

const wordsOf = ({ reason, detail }: Failure) => ({ reason, detail: detail.slice(0, 500) })

function noteAll(slots: Slots, bundles: readonly Note['bundle'][], words: Omit<Note, 'bundle'>, moment: Moment): Slots {
  return bundles.reduce(
    (noted, bundle) => advanceProgress(noted, { bundle, ...words }, moment.generation, moment.at),
    slots,
  )
}

function deny(slots: Slots, culprits: readonly Bundle[], reason: FailureReason): Slots {
  const others = slots.denied.filter(
    (denial) =>
      !culprits.some(({ deployment, manifest }) => deployment === denial.deployment && manifest === denial.manifest),
  )
  const denials = culprits.map(({ deployment, manifest, attempt }) => ({ deployment, manifest, attempt, reason }))
  return { ...slots, denied: [...others, ...denials].slice(-deniedMax) }
}
