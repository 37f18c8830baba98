// The rules of the plan that concern shadows: what to fetch, when to start and stop them, when one has failed.
// None of them ever touches what serves.

import { keyOf } from './bundle-set.ts'
import { judgeProbation } from './probation.ts'
import type { Note } from './progress.ts'
import { shadowKeyOf, shadowSetOf, standingOf, type WishedShadow, wantedShadows, wishedOf } from './shadow-set.ts'
import { denialOf } from './slots.ts'
import type { RuntimeView, Situation, Step } from './steps.ts'
import { targetOf } from './target.ts'

/** However a shadow died, it does not matter to what serves; that it did not stay alive is its failure. */
export function buryShadow(dead: RuntimeView, situation: Situation): Step[] {
  const bundles = wishedOf(dead, situation)
  const { id, failure } = dead
  if (failure === undefined || bundles.length === 0) return [{ kind: 'bury', runtime: id }]
  return [{ kind: 'fail-shadow', bundles, failure, runtime: id }]
}

/** By what a version on probation is judged by, for as long as it shadows. */
export function judgeShadow(situation: Situation): Step[] {
  const shadow = situation.runtimes.find((one) => one.shadows !== undefined && one.phase === 'ready')
  if (shadow === undefined) return []
  const bundles = wishedOf(shadow, situation).filter((one) => denialOf(situation.slots, one) === undefined)
  const limits = { ...situation.probation, durationMs: Number.POSITIVE_INFINITY }
  const verdict = judgeProbation(bundles, shadow.observed, 0, limits)
  return verdict.state === 'failed'
    ? [{ kind: 'fail-shadow', bundles, failure: verdict.failure, runtime: undefined }]
    : []
}

export function noteOfShadow(shadow: WishedShadow, situation: Situation): Note {
  const note = (state: Note['state'], words: Omit<Note, 'bundle' | 'state'> = {}): Note => ({
    bundle: shadow,
    state,
    ...words,
  })
  const standing = standingOf(shadow, situation)
  if (standing.state === 'denied') {
    const reason = denialOf(situation.slots, shadow)?.reason
    return note('failed', { ...(reason && { reason }), detail: 'failed here before' })
  }
  if (standing.state === 'misfit') return note('rejected', { reason: 'incompatible', detail: standing.why })
  const isReady = situation.runtimes.some((one) => one.phase === 'ready' && wishedOf(one, situation).includes(shadow))
  if (standing.state === 'wanted' && isReady) return note('shadowing')
  return note(situation.filesOf(shadow.manifest).state === 'fetching' ? 'downloading' : 'accepted')
}

/** What is not wished any more, or has failed, ends at once. */
export function stopShadow(situation: Situation): Step[] {
  const key = shadowKeyOf(shadowSetOf(situation).bundles)
  return situation.runtimes
    .filter((one) => one.shadows !== undefined && isAlive(one) && one.key !== key)
    .map(({ id }) => ({ kind: 'stop-runtime', runtime: id }))
}

export function fetchShadows(situation: Situation): Step[] {
  const { filesOf, wish } = situation
  if (wish === undefined || wish.expired) return []
  const wanted = wantedShadows(situation)
  const missing = wanted.filter(({ manifest }) => filesOf(manifest).state === 'missing')
  if (missing.length > 0) return [{ kind: 'download', bundles: missing }]
  for (const shadow of wanted) {
    const files = filesOf(shadow.manifest)
    if (files.state !== 'failed') continue
    return [{ kind: 'fail-shadow', bundles: [shadow], failure: files.failure, runtime: undefined }]
  }
  return []
}

/** Only beside what is proven and serves, and only where nothing else is about to need the place. */
export function runShadow(situation: Situation): Step[] {
  const { runtimes, slots, wish, tries, now } = situation
  const set = shadowSetOf(situation)
  if (wish === undefined || wish.expired || set.bundles.length === 0) return []
  if (slots.candidate !== null || slots.rollingBack !== null) return []
  const target = targetOf(wish, slots)
  const isChanging = keyOf(target) !== keyOf(slots.current)
  if (isChanging && target.bundles.every(({ manifest }) => situation.filesOf(manifest).state === 'present')) return []
  const key = shadowKeyOf(set.bundles)
  const running = runtimes.find((one) => one.key === key && isAlive(one))
  if (running !== undefined) return sample(running, set.bundles)
  const isServed = runtimes.some((one) => one.key === keyOf(slots.current) && one.phase === 'serving')
  const others = runtimes.filter(({ phase }) => phase !== 'dead')
  if (!isServed || others.length > 1 || now < (tries.get(key)?.notBefore ?? 0)) return []
  return [{ kind: 'start-shadow', set }]
}

function sample({ id, shadows = [] }: RuntimeView, bundles: readonly WishedShadow[]): Step[] {
  const isSame = bundles.every((wished) =>
    shadows.some((one) => one.deployment === wished.deployment && one.sample === wished.sample),
  )
  return isSame ? [] : [{ kind: 'sample-shadow', runtime: id, bundles }]
}

const isAlive = ({ phase }: RuntimeView) => phase !== 'dead' && phase !== 'stopping'
