// The hub's keys, made at first start in <data folder>/keys (0600): root, release and assignment.
// Only the assignment key must stay; root and release are to be moved elsewhere, and then only their public halves
// (in root.json) remain.

import type { Root } from '@roost/shared/trust/root.ts'

export type KeyPair = { keyid: string; publicKey: Uint8Array; secretKey: Uint8Array }

export type HubKeys = {
  /** The envelopes of every root from version 1 on, oldest first. */
  roots: readonly Uint8Array[]
  /** The newest of them, verified. */
  root: Root
  assignment: KeyPair
  /** Undefined where the release key was moved elsewhere: then the hub signs no manifest. */
  release: KeyPair | undefined
}
