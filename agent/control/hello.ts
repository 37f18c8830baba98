// What this device says of itself in every hello. Pure.

import type { Hello, SlotReport } from '@roost/shared/protocol/messages.ts'
import type { PinnedState } from '../identity/pinned-state.ts'
import { bundleOf } from '../reconcile/bundle-set.ts'
import type { Slots } from '../reconcile/slots.ts'

export type HelloParts = {
  agent: string
  profile: string
  pinned: PinnedState
  slots: Slots
  outbox: Hello['outbox']
}

export function describeDevice({ agent, profile, pinned, slots, outbox }: HelloParts): Omit<Hello, 'nonce' | 'stale'> {
  return {
    agent,
    profile,
    rootVersion: pinned.rootVersion,
    generation: pinned.generation,
    slots: slotReports(slots),
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
