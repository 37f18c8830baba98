// How a device gets from what it runs to what is wished, how it decides to take a version back, and what serves meanwhile.
// Pure: a situation in, the next steps out. Rules stand in order of urgency; the first that has something to do does it,
// and the plan is made anew afterwards.

import type { Digest } from '@roost/shared/protocol/names.ts'
import { type BundleSet, bundleOf, changedBundles, emptySet, keyOf } from './bundle-set.ts'
import { judgeProbation } from './probation.ts'
import { isNews, type Note, placeOf } from './progress.ts'
import { buryShadow, fetchShadows, judgeShadow, noteOfShadow, runShadow, stopShadow } from './shadow-rules.ts'
import { standingOf, wantedShadows } from './shadow-set.ts'
import { denialOf, hasEarlier, keptSets } from './slots.ts'
import type { RuntimeView, Situation, Step } from './steps.ts'
import { targetOf, type WishedBundle } from './target.ts'

/** A proven set that could not be loaded so often in a row is given up for the one before it. */
export const loadFailuresMax = 3
/** A proven set that died so often in a row, never after a minute of service (`healthyMs`), is given up in the same way. */
export const crashesMax = 5
/** How long a confirmation allows an activation; after that the hub is asked again. */
export const confirmationMaxMs = 60_000
/** An unanswered confirmation is asked for again after this. */
export const confirmationRetryMs = 15_000
/** Runtime processes alive at once. */
const runtimesMax = { warm: 2, 'stop-start': 1 }

const rules: readonly ((situation: Situation) => readonly Step[])[] = [
  dealWithDead,
  judgeCandidate,
  giveUpCurrent,
  serveRightSet,
  judgeShadow,
  stopShadow,
  noteProgressOfWish,
  settleRollBack,
  save,
  report,
  dropDownloads,
  unstage,
  repairCurrent,
  prepareTarget,
  fetchShadows,
  keepStandby,
  stopRest,
  runShadow,
  keepFiles,
]

/** The steps to do now, in this order. Empty: nothing to do until something changes or time passes. */
export function planSteps(situation: Situation): readonly Step[] {
  for (const rule of rules) {
    const steps = rule(situation)
    if (steps.length > 0) return steps
  }
  return []
}

/** A death is the candidate's failure, the trial's failure, or an accident of what had proved itself. */
function dealWithDead(situation: Situation): Step[] {
  const { runtimes, slots, wish } = situation
  const dead = runtimes.find(({ phase }) => phase === 'dead')
  if (dead === undefined) return []
  if (dead.shadows !== undefined) return buryShadow(dead, situation)
  const { id, key, failure } = dead
  if (failure !== undefined && slots.candidate !== null && key === keyOf(slots.candidate)) {
    return [{ kind: 'roll-back', failure, runtime: id }]
  }
  const target = targetOf(wish, slots)
  if (failure !== undefined && slots.candidate === null && key === keyOf(target) && key !== keyOf(slots.current)) {
    return [{ kind: 'fail-trial', set: target, failure, runtime: id }]
  }
  return [{ kind: 'bury', runtime: id }]
}

function judgeCandidate(situation: Situation): Step[] {
  const { slots, wish, runtimes, now, probation } = situation
  const { candidate } = slots
  if (candidate === null) return []
  const key = keyOf(candidate)
  if (wish !== undefined && key !== keyOf(slots.current) && keyOf(targetOf(wish, slots)) === keyOf(slots.current)) {
    return [{ kind: 'withdraw' }]
  }
  const runtime = runtimes.find((one) => one.key === key && isAlive(one))
  if (runtime === undefined && !arePresent(candidate, situation)) {
    const failure = { reason: 'load' as const, detail: 'its files are damaged or gone' }
    return [{ kind: 'roll-back', failure, runtime: undefined }]
  }
  if (runtime?.phase !== 'serving' || runtime.servingSince === undefined) return []
  if (candidate.phase === 'activating') return [{ kind: 'begin-probation' }]
  const changed = changedBundles(candidate, slots.current)
  const verdict = judgeProbation(changed, runtime.observed, now - runtime.servingSince, probation)
  if (verdict.state === 'failed') return [{ kind: 'roll-back', failure: verdict.failure, runtime: undefined }]
  return verdict.state === 'passed' ? [{ kind: 'end-probation' }] : []
}

/** The current set does not start, or dies again and again: back to the one before, where there is one that can. What only
 *  the disk lost is no fault of the version and can be had again: until then the one before serves (`servingSet`), and
 *  nothing is denied. */
function giveUpCurrent(situation: Situation): Step[] {
  const { slots, tries } = situation
  if (slots.candidate !== null || slots.rollingBack !== null || slots.previous === null || !hasEarlier(slots)) return []
  const crashes = tries.get(keyOf(slots.current))?.crashes ?? 0
  if (!isGivenUp(situation) && crashes < crashesMax) return []
  if (!arePresent(slots.previous, situation) || !arePresent(slots.current, situation)) return []
  const failure = tries.get(keyOf(slots.current))?.last
  return failure === undefined ? [] : [{ kind: 'roll-back-late', failure }]
}

/** Starts what shall serve, hands it the socket, makes room for it where only one fits. */
function serveRightSet(situation: Situation): Step[] {
  const { runtimes } = situation
  const set = servingSet(situation)
  const key = keyOf(set)
  const runtime = runtimes.find((one) => one.key === key && isAlive(one))
  if (runtime === undefined) return startOrMakeRoom(situation, set, new Set([key]))
  return runtime.phase === 'ready' || runtime.phase === 'released' ? [{ kind: 'serve', runtime: runtime.id }] : []
}

function noteProgressOfWish(situation: Situation): Step[] {
  const { slots, wish } = situation
  if (wish === undefined) return []
  const places = new Set([...wish.bundles, ...wish.shadows].map(placeOf))
  const noted = [
    ...wish.bundles.map((wished) => noteOf(wished, situation)),
    ...wish.shadows.map((shadow) => noteOfShadow(shadow, situation)),
  ]
  const notes = noted.filter((note) => isNews(slots, note))
  const isUnwished = slots.progress.some((one) => !places.has(placeOf(one)))
  const isNewer = wish.generation > slots.generation
  return notes.length > 0 || isUnwished || isNewer ? [{ kind: 'note', notes, places }] : []
}

function noteOf(wished: WishedBundle, situation: Situation): Note {
  const { slots, staged, wish } = situation
  const { deployment, manifest } = wished
  const isWished = (bundle: { deployment: string; manifest: string } | undefined) =>
    bundle?.deployment === deployment && bundle.manifest === manifest
  const note = (state: Note['state'], words: Omit<Note, 'bundle' | 'state'> = {}): Note => ({
    bundle: wished,
    state,
    ...words,
  })
  // Activated, and being taken back: how that ends is told by `end-roll-back`.
  if (slots.rollingBack?.culprits.some(isWished)) return note('activating')
  if (slots.candidate !== null && isWished(bundleOf(slots.candidate, deployment))) return note(slots.candidate.phase)
  if (isWished(bundleOf(slots.current, deployment))) return note('already_current')
  const denial = denialOf(slots, wished)
  if (denial !== undefined) return note('failed', { reason: denial.reason, detail: 'failed here before' })
  if (wished.misfit !== undefined) return note('rejected', { reason: 'incompatible', detail: wished.misfit })
  if (slots.candidate === null && staged?.key === keyOf(targetOf(wish, slots))) return note('staged')
  return note(situation.filesOf(manifest).state === 'fetching' ? 'downloading' : 'accepted')
}

/** Says how a roll-back ended, once that is known. */
function settleRollBack(situation: Situation): Step[] {
  const { slots, runtimes } = situation
  if (slots.rollingBack === null || slots.candidate !== null) return []
  const key = keyOf(slots.current)
  if (runtimes.some((one) => one.key === key && one.phase === 'serving')) return [{ kind: 'end-roll-back', able: true }]
  return isGivenUp(situation) ? [{ kind: 'end-roll-back', able: false }] : []
}

/** Only what is on disk is reported: otherwise a kill could make the device tell an earlier state after a later one. */
function report({ slots, now, reportNotBefore, unsaved }: Situation): Step[] {
  return slots.unreported.length > 0 && !unsaved && now >= reportNotBefore ? [{ kind: 'report' }] : []
}

function save({ unsaved, now, saveNotBefore }: Situation): Step[] {
  return unsaved && now >= saveNotBefore ? [{ kind: 'save' }] : []
}

function dropDownloads(situation: Situation): Step[] {
  const { fetching, slots, wish } = situation
  const bundles = [...targetOf(wish, slots).bundles, ...slots.current.bundles, ...wantedShadows(situation)]
  const wanted = new Set(bundles.map(({ manifest }) => manifest))
  const manifests = fetching.filter((manifest) => !wanted.has(manifest))
  return manifests.length > 0 ? [{ kind: 'cancel-downloads', manifests }] : []
}

/** A confirmation counts only for the trial after which it was asked for. */
function unstage({ staged, runtimes, slots, wish }: Situation): Step[] {
  if (staged === undefined) return []
  const isWished = staged.key === keyOf(targetOf(wish, slots))
  const isThere = staged.runtime === undefined || runtimes.some((one) => one.id === staged.runtime && isAlive(one))
  return isWished && isThere ? [] : [{ kind: 'unstage' }]
}

/** What the disk lost of the current set and could not be had so far: again now and then, for as long as it is wished. */
function repairCurrent({ slots, wish, filesOf, now, repairNotBefore }: Situation): Step[] {
  if (wish === undefined || now < repairNotBefore) return []
  const bundles = targetOf(wish, slots).bundles.filter(
    ({ deployment, manifest }) =>
      bundleOf(slots.current, deployment)?.manifest === manifest && filesOf(manifest).state === 'failed',
  )
  return bundles.length > 0 ? [{ kind: 'repair', bundles }] : []
}

/** Download, trial, confirmation, activation of what is wished. */
function prepareTarget(situation: Situation): Step[] {
  const { slots, wish } = situation
  if (wish === undefined || wish.expired || slots.candidate !== null || slots.rollingBack !== null) return []
  const target = targetOf(wish, slots)
  const missing = target.bundles.filter(({ manifest }) => situation.filesOf(manifest).state === 'missing')
  if (missing.length > 0) return [{ kind: 'download', bundles: missing }]
  if (keyOf(target) === keyOf(slots.current)) return []
  for (const bundle of changedBundles(target, slots.current)) {
    const files = situation.filesOf(bundle.manifest)
    if (files.state !== 'failed') continue
    const failure = { ...files.failure, deployment: bundle.deployment }
    return [{ kind: 'fail-trial', set: target, failure, runtime: undefined }]
  }
  return arePresent(target, situation) ? tryTarget(situation, target) : []
}

/** Everything is on disk. `warm` proves it in a process of its own first; `stop-start` can do so only when it takes over. */
function tryTarget(situation: Situation, target: BundleSet): Step[] {
  const { staged, runtimes } = situation
  const key = keyOf(target)
  const runtime = runtimes.find((one) => one.key === key && isAlive(one))
  if (situation.switch === 'warm' && runtime === undefined) {
    return startOrMakeRoom(situation, target, new Set([key, keyOf(servingSet(situation))]))
  }
  if (isWaiting(situation, key)) return []
  if (runtime !== undefined && !runtime.proven) return []
  if (staged?.key !== key) return [{ kind: 'stage', key, runtime: runtime?.id }]
  return confirmOrActivate(situation, target)
}

function confirmOrActivate({ wish, staged, hello, now, connected, saveNotBefore }: Situation, set: BundleSet): Step[] {
  if (wish === undefined || staged === undefined) return []
  if (wish.hello > staged.hello && now - wish.askedAt <= confirmationMaxMs) {
    return now >= saveNotBefore ? [{ kind: 'activate', set }] : []
  }
  const isAsked = hello.count > Math.max(staged.hello, wish.hello) && now - hello.at < confirmationRetryMs
  return connected && !isAsked ? [{ kind: 'confirm' }] : []
}

/** While a candidate is on probation the version before it stays warm. */
function keepStandby(situation: Situation): Step[] {
  const { slots, runtimes } = situation
  if (situation.switch !== 'warm' || slots.candidate === null) return []
  const key = keyOf(slots.current)
  if (runtimes.some((one) => one.key === key && isAlive(one)) || isGivenUp(situation)) return []
  const isServed = runtimes.some((one) => one.phase === 'serving')
  return isServed ? startOrMakeRoom(situation, slots.current, new Set([key, keyOf(slots.candidate)])) : []
}

/** Nobody needs these runtimes any more. Nothing is stopped before the right set serves. */
function stopRest(situation: Situation): Step[] {
  const { runtimes, slots, wish } = situation
  const serving = keyOf(servingSet(situation))
  if (!runtimes.some((one) => one.key === serving && one.phase === 'serving')) return []
  const second = slots.candidate === null ? targetOf(wish, slots) : slots.current
  const needed = new Set([serving, keyOf(second)])
  return runtimes
    .filter((one) => isAlive(one) && one.shadows === undefined && !needed.has(one.key))
    .map(({ id }) => ({ kind: 'stop-runtime', runtime: id }))
}

function keepFiles(situation: Situation): Step[] {
  const { slots, wish, kept } = situation
  const shadows = (wish?.shadows ?? []).filter((one) =>
    ['wanted', 'waiting'].includes(standingOf(one, situation).state),
  )
  const sets = [...keptSets(slots), targetOf(wish, slots), { bundles: shadows }]
  const manifests = new Set<Digest>(sets.flatMap((set) => set.bundles.map(({ manifest }) => manifest)))
  return manifests.symmetricDifference(kept).size > 0 ? [{ kind: 'keep-files', manifests }] : []
}

/** What should answer requests now: the candidate, else the current set, else, while files of that are missing, the one
 *  before it, else a runtime that knows no model. */
function servingSet(situation: Situation): BundleSet {
  const { slots } = situation
  if (slots.candidate !== null) return slots.candidate
  if (!isGivenUp(situation)) return slots.current
  if (canStandIn(situation, slots.previous)) return slots.previous
  const key = keyOf(slots.current)
  const isTriedElse = situation.runtimes.some(
    (one) => isAlive(one) && one.shadows === undefined && one.key !== key && one.key !== keyOf(emptySet),
  )
  const canRetry = !isTriedElse && !isWaiting(situation, key) && arePresent(slots.current, situation)
  return canRetry ? slots.current : emptySet
}

function canStandIn(situation: Situation, previous: BundleSet | null): previous is BundleSet {
  const { slots, tries } = situation
  if (previous === null || !hasEarlier(slots) || arePresent(slots.current, situation)) return false
  const failures = tries.get(keyOf(previous))?.loadFailures ?? 0
  return arePresent(previous, situation) && failures < loadFailuresMax
}

/** The current set cannot be started: its files are gone, or it failed to load again and again. */
function isGivenUp(situation: Situation): boolean {
  const { slots, runtimes, tries } = situation
  const key = keyOf(slots.current)
  if (runtimes.some((one) => one.key === key && isAlive(one) && one.proven)) return false
  return !arePresent(slots.current, situation) || (tries.get(key)?.loadFailures ?? 0) >= loadFailuresMax
}

function startOrMakeRoom(situation: Situation, set: BundleSet, spared: ReadonlySet<string>): Step[] {
  const alive = situation.runtimes.filter(({ phase }) => phase !== 'dead')
  if (isWaiting(situation, keyOf(set))) return []
  if (alive.length < runtimesMax[situation.switch]) return [{ kind: 'start-runtime', set }]
  // With room for two, what serves goes on serving; with room for one it has to make way.
  const mayGo = alive.filter(
    (one) => !spared.has(one.key) && (situation.switch === 'stop-start' || one.phase !== 'serving'),
  )
  const mayGoAlive = mayGo.filter(isAlive)
  const least = mayGoAlive.find(({ shadows }) => shadows !== undefined) ?? mayGoAlive[0]
  return least === undefined || alive.some(({ phase }) => phase === 'stopping')
    ? []
    : [{ kind: 'stop-runtime', runtime: least.id }]
}

const isAlive = ({ phase }: RuntimeView) => phase !== 'dead' && phase !== 'stopping'

/** A set that died lately is not started again at once. */
const isWaiting = ({ tries, now }: Situation, key: string) => now < (tries.get(key)?.notBefore ?? 0)

const arePresent = (set: BundleSet, { filesOf }: Situation) =>
  set.bundles.every(({ manifest }) => filesOf(manifest).state === 'present')
