// What is known of one device when a stage is judged: what it counted on the new version since the stage began (or on
// the old one, where it is compared with), and what it counted before the rollout. Plain data, for gates and simulator.

import { type Agreement, LabelCounts, MetricSum } from '@roost/shared/protocol/records.ts'
import { ColumnCounts } from '@roost/shared/sketch/column.ts'
import { LatencyCounts } from '@roost/shared/sketch/latency.ts'
import { z } from 'zod'

const Count = z.number().int().nonnegative()

/** Window reports added up. `ok`, `error`, `refused`: inferences by result. Outputs by column, on the scale of the version
 *  that ran before (a distribution on another scale is brought onto it when it is read). */
export const Counts = z.object({
  windows: Count,
  ok: Count,
  error: Count,
  refused: Count,
  latency: LatencyCounts,
  labels: LabelCounts.optional(),
  metrics: z.record(z.string(), MetricSum).optional(),
  outputs: z.record(z.string(), ColumnCounts).optional(),
  /** Of the last of them, hub clock. */
  lastReceivedAt: z.number().nullable(),
})
export type Counts = z.infer<typeof Counts>

/** What a shadow found in one block of time. `from`: its begin, milliseconds, hub clock as far as it can be told. */
export type AgreementBlock = { from: number; agreement: Agreement }

/** One device of the rollout as a look at a stage sees it. */
export type DeviceCounts = {
  device: string
  /** What it was drawn within: profile and site. */
  stratum: string
  stage: number
  /** The new version was offered to it in this stage or an earlier one (in a shadow stage: as a shadow). A device that is
   *  not treated is control: it runs what it ran before. */
  treated: boolean
  /** Since the stage began to admit: treated devices on the new version, the others on what they ran before. */
  since: Counts | null
  /** On what it ran before, received before the rollout started. */
  before: Counts | null
  /** The same by slots of time, where the rollout has few devices. All its devices share the slots: the same index is the
   *  same time, null where the device reported nothing. `before` ends where the rollout started. */
  blocks?: { before: (Counts | null)[]; since: (Counts | null)[] }
  /** Shadow stages only: the pairs of this device, block by block. */
  shadow?: AgreementBlock[]
  /** Why its numbers are left out of the gates. */
  suspect?: string
  /** The new version was offered to it: what failed installations and silence are counted against. */
  assigned: boolean
  /** How long it has neither been connected nor reported; 0 while connected, null where nobody has heard of it since
   *  before the rollout. */
  silentForMs: number | null
}

/** Rollouts of at most so many devices are also judged by blocks of windows: a draw among so few says little. */
export const blockDevicesMax = 40
