// What this device says of itself in every hello. Pure.

import type { Hello, SlotReport } from '@roost/shared/protocol/messages.ts'
import type { PinnedState } from '../identity/pinned-state.ts'
import { bundleOf } from '../reconcile/bundle-set.ts'
import type { ShadowBundle } from '../reconcile/shadow-set.ts'
import type { Slots } from '../reconcile/slots.ts'

/** As many as a hello can name. */
const slotsMax = 64

export type HelloParts = {
  agent: string
  profile: string
  pinned: Pick<PinnedState, 'rootVersion' | 'generation'>
  slots: Slots
  /** Those that run now. */
  shadows: readonly ShadowBundle[]
  outbox: Hello['outbox']
}

export function describeDevice(parts: HelloParts): Omit<Hello, 'nonce' | 'stale'> {
  const { agent, profile, pinned, slots, shadows, outbox } = parts
  return {
    agent,
    profile,
    rootVersion: pinned.rootVersion,
    generation: pinned.generation,
    slots: [...slotReports(slots), ...shadows.map(shadowReport)].slice(0, slotsMax),
    // the newest, should the hub allow fewer than a device remembers
    denied: [...new Set(slots.denied.map(({ manifest }) => manifest))].slice(-256),
    outbox: { epoch: outbox.epoch, head: outbox.head, tail: outbox.tail },
  }
}

/** What serves: the candidate while there is one, else the current set. */
export function slotReports({ candidate, current }: Slots): SlotReport[] {
  return (candidate ?? current).bundles.map(({ deployment, manifest, model, version, attempt }) => {
    const isProven = bundleOf(current, deployment)?.manifest === manifest
    const state = candidate === null || isProven ? 'succeeded' : candidate.phase
    return { deployment, manifest, model, version, attempt, state }
  })
}

const shadowReport = ({ deployment, manifest, model, version, attempt }: ShadowBundle): SlotReport => ({
  deployment,
  manifest,
  model,
  version,
  attempt,
  state: 'shadowing',
})
