// What one device has reported since a stage began to admit, window by window added up: a few kilobytes however long the
// stage lasts, so that a look never reads a window twice. Which windows count, and from when, is decided here.

import { Agreement, type WindowReport } from '@roost/shared/protocol/records.ts'
import { mergeAgreement } from '@roost/shared/sketch/agreement.ts'
import { z } from 'zod'
import { addCounts, countsOf, noCounts } from './add-up.ts'
import { Counts } from './counts.ts'
import { beyondCounting, clockFault, durationFault, windowFault } from './sanity.ts'
import { noSlots, putInSlot, slotsOf } from './slots.ts'

const AgreementSlots = slotsOf(Agreement)
const CountsSlots = slotsOf(Counts)

export const Tally = z.object({
  /** On the new version, on what ran before, and on the new version in shadow. */
  target: Counts,
  previous: Counts,
  shadow: Counts,
  /** By time since the stage began, where the rollout has few devices. */
  blocks: z.object({ target: CountsSlots, previous: CountsSlots }).optional(),
  agreement: AgreementSlots,
  /** The least that a window of this clock was received after its end: what the device's clock is behind at most, and
   *  negative by what it is ahead. Null before the first window. */
  behindMs: z.number().nullable(),
  /** The last window's end, device clock. */
  lastTo: z.number().nullable(),
  /** What the counted windows lasted. */
  recordedMs: z.number(),
  /** The longest of the counted windows that are one window. */
  windowMs: z.number(),
  /** Windows that began before the stage did, or before that cannot be told: they count nowhere. */
  straddling: z.number(),
  /** What cannot be true of this device, for the rest of the stage; and what its clock says now. */
  fault: z.string().optional(),
  clock: z.string().optional(),
})
export type Tally = z.infer<typeof Tally>

export const noTally: Tally = {
  target: noCounts,
  previous: noCounts,
  shadow: noCounts,
  agreement: noSlots,
  behindMs: null,
  lastTo: null,
  recordedMs: 0,
  windowMs: 0,
  straddling: 0,
}

/** The tally as it may be stored: one that no counts can be is begun anew, its device suspect. */
export const storable = (tally: Tally): Tally =>
  Tally.safeParse(tally).success ? tally : { ...noTally, lastTo: tally.lastTo, fault: tally.fault ?? beyondCounting }

/** Windows of a shadow and of its primary end at about the same time and come in either order. */
const outOfOrderMs = 1_000

/** A window as the hub holds it; `receivedAt`: hub clock, ms. */
export type Received = { receivedAt: number; report: WindowReport }

export type TallyContext = {
  /** When the stage began to admit, hub clock, ms. */
  sinceMs: number
  /** By how much the hub's clock has jumped while the rollout was watched; `sinceMs` has been moved by as much. */
  shiftMs: number
  target: string
  /** Null where nothing ran before, or the same. */
  previous: string | null
  /** The rollout has offered the version to this device. */
  offered: boolean
  /** When the window's bundle was made, hub clock; null where the registry does not hold it. */
  madeMs: number | null
  withOutputs: boolean
  withBlocks: boolean
}

/** The tally after one more window of the rollout's deployment.
 *
 *  What belongs to the stage is told by the hub's clock: a window began at its own `from` plus the least that any of this
 *  clock's windows took to arrive. A device's clock may be wrong by any constant; where it is set back, the estimate
 *  begins anew. A window that began before the stage (it straddles its begin, or comes from a backlog) counts nowhere; one
 *  that was merged under pressure is taken as a whole, or not. */
export function addWindow(tally: Tally, { receivedAt, report }: Received, context: TallyContext): Tally {
  const setBack = tally.lastTo !== null && report.to < tally.lastTo - outOfOrderMs
  const lagMs = receivedAt - context.shiftMs - report.to
  const behindMs = tally.behindMs === null || setBack ? lagMs : Math.min(tally.behindMs, lagMs)
  const clock = clockFault(report, receivedAt, context.madeMs ?? 0)
  const timed = { ...withoutClock(tally), behindMs, lastTo: report.to, ...(clock === undefined ? {} : { clock }) }
  const kind = kindOf(report, context)
  if (kind === undefined) return timed

  const fault = kind === 'unknown' ? unknownBundle(report) : windowFault(report)
  if (fault !== undefined) return { ...timed, fault: tally.fault ?? fault }
  if (kind === 'unknown' || clock !== undefined) return timed
  const beganMs = report.from + behindMs - (context.sinceMs - context.shiftMs)
  if (beganMs < 0) return { ...timed, straddling: tally.straddling + 1 }
  return counted(timed, kind, { receivedAt, report, beganMs }, context)
}

type Kind = 'target' | 'previous' | 'shadow' | 'unknown'

/** Undefined for what is known and neither: another version that the registry holds, or a shadow of one. */
function kindOf({ manifest, role }: WindowReport, { target, previous, madeMs }: TallyContext): Kind | undefined {
  if (role === 'shadow') return manifest === target ? 'shadow' : undefined
  if (manifest === previous) return 'previous'
  if (manifest === target) return 'target'
  return madeMs === null ? 'unknown' : undefined
}

const unknownBundle = ({ manifest }: WindowReport): string =>
  `it reports for ${manifest.slice(0, 12)}…, a bundle that the registry does not hold`

function counted(
  tally: Tally,
  kind: Exclude<Kind, 'unknown'>,
  { receivedAt, report, beganMs }: Received & { beganMs: number },
  { sinceMs, offered, previous, target, withOutputs, withBlocks }: TallyContext,
): Tally {
  const counts = countsOf(report, receivedAt, withOutputs)
  const lastedMs = Math.max(0, report.to - report.from)
  const recordedMs = tally.recordedMs + (kind === 'shadow' ? 0 : lastedMs)
  const neverOffered = kind !== 'previous' && !offered && previous !== target
  const fault =
    (neverOffered ? `it reports for version ${report.version}, which was never offered to it` : undefined) ??
    durationFault(recordedMs, receivedAt - sinceMs)
  const { agreement } = report
  const blocks = withBlocks && kind !== 'shadow' ? inBlocks(tally, kind, beganMs, counts) : undefined
  return {
    ...tally,
    [kind]: addCounts(tally[kind], counts),
    ...(blocks === undefined ? {} : { blocks }),
    // compared with another version than it runs beside by the plan, it says nothing of the difference
    ...(kind === 'shadow' && agreement !== undefined && (agreement.primary ?? previous) === previous
      ? { agreement: putInSlot(tally.agreement, beganMs, agreement, mergeAgreement) }
      : {}),
    recordedMs,
    windowMs: report.windows === 1 ? Math.max(tally.windowMs, lastedMs) : tally.windowMs,
    ...(fault === undefined ? {} : { fault: tally.fault ?? fault }),
  }
}

function inBlocks(tally: Tally, kind: 'target' | 'previous', beganMs: number, counts: Counts): Tally['blocks'] {
  const blocks = tally.blocks ?? { target: noSlots, previous: noSlots }
  return { ...blocks, [kind]: putInSlot(blocks[kind], beganMs, counts, addCounts) }
}

function withoutClock(tally: Tally): Tally {
  const { clock: _, ...rest } = tally
  return rest
}
