// Candidates that run beside what serves: on the primary's inputs, in a process of their own, answering nobody.
// A device has room for two runtimes. Where the second one is not needed for a change of what serves, it is theirs;
// where it is, they make way and come back afterwards.

import { type Bundle, bundleOf, keyOf } from './bundle-set.ts'
import { placeOf } from './progress.ts'
import { denialOf } from './slots.ts'
import type { RuntimeView, Situation } from './steps.ts'
import { targetOf, type WishedBundle } from './target.ts'

/** `sample`: the share of the primary's inferences that it repeats. */
export type ShadowBundle = Bundle & { role: 'shadow'; sample: number }
export type WishedShadow = ShadowBundle & Pick<WishedBundle, 'misfit'>

/** All shadows of a device: one runtime process. */
export type ShadowSet = { generation: number; bundles: readonly ShadowBundle[] }

/** Never the key of a set that serves. */
export const shadowKeyOf = (bundles: readonly Bundle[]): string =>
  `shadow ${keyOf({ generation: 0, bundles: [...bundles] })}`

export type Standing =
  | { state: 'wanted' }
  /** Nothing to run beside yet, or what serves is about to change, to this very version maybe. */
  | { state: 'waiting' }
  | { state: 'denied' }
  | { state: 'misfit'; why: string }

/** What this device makes of one wished shadow. */
export function standingOf(shadow: WishedShadow, situation: Situation): Standing {
  const { slots, wish } = situation
  const { deployment, manifest, misfit } = shadow
  if (denialOf(slots, shadow) !== undefined) return { state: 'denied' }
  if (misfit !== undefined) return { state: 'misfit', why: misfit }
  if (wasRejected(shadow, situation)) return { state: 'misfit', why: 'it was found not to fit' }
  if (situation.switch === 'stop-start') return { state: 'misfit', why: noRoom }
  const primary = bundleOf(slots.current, deployment)
  const next = bundleOf(targetOf(wish, slots), deployment)
  if (primary === undefined || primary.manifest === manifest || next?.manifest === manifest) return { state: 'waiting' }
  const why = situation.misfitBeside(manifest, primary.manifest)
  if (why === undefined) return { state: 'wanted' }
  return next?.manifest === primary.manifest ? { state: 'misfit', why } : { state: 'waiting' }
}

/** Final for an attempt, as all that was told of it. */
const wasRejected = (shadow: WishedShadow, { slots }: Situation): boolean =>
  slots.progress.some(
    (one) =>
      placeOf(one) === placeOf(shadow) &&
      one.manifest === shadow.manifest &&
      one.attempt === shadow.attempt &&
      one.state === 'rejected',
  )

const noRoom = 'this device has room for one runtime (switch: stop-start): nothing can run beside what serves'

/** Those that shall run, with or without their files. */
export function wantedShadows(situation: Situation): WishedShadow[] {
  return (situation.wish?.shadows ?? []).filter((shadow) => standingOf(shadow, situation).state === 'wanted')
}

/** Those of them that can. */
export function shadowSetOf(situation: Situation): ShadowSet {
  const bundles = wantedShadows(situation)
    .filter(({ manifest }) => situation.filesOf(manifest).state === 'present')
    .map(({ misfit: _, ...bundle }) => bundle)
  return { generation: situation.wish?.generation ?? 0, bundles }
}

/** The wished shadows that a runtime runs, under the attempt they are wished with now. */
export function wishedOf({ shadows = [] }: RuntimeView, { wish }: Situation): WishedShadow[] {
  const runs = (one: Bundle) =>
    shadows.some(({ deployment, manifest }) => deployment === one.deployment && manifest === one.manifest)
  return (wish?.shadows ?? []).filter(runs)
}
