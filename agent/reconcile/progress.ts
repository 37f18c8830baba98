// How far each wished bundle has come on this device, and the reports about it that are not in the outbox yet.
// Within an attempt a state only moves forward; what the hub hears is exactly what was noted here.

import { type FailureReason, isTerminal, type ProgressState } from '@roost/shared/protocol/progress.ts'
import { DeviceEvent } from '@roost/shared/protocol/records.ts'
import type { z } from 'zod'
import type { Bundle } from './bundle-set.ts'
import type { Slots } from './slots.ts'

export const ProgressEvent = DeviceEvent.options[0]
export type ProgressEvent = z.infer<typeof ProgressEvent>

/** One wished bundle. `generation`: of the assignment in force when the state was noted. */
export const Progress = ProgressEvent.pick({
  deployment: true,
  manifest: true,
  attempt: true,
  generation: true,
  state: true,
  reason: true,
  role: true,
})
export type Progress = z.infer<typeof Progress>

/** Reports that wait for the outbox (a full disk, a crash in between). Beyond it the oldest is forgotten: the newest tell the end. */
export const unreportedMax = 512

/** States a device itself reports, with how far they are. What failed after it succeeded moves on too; nothing moves back. */
const rank: Partial<Record<ProgressState, number>> = {
  accepted: 1,
  downloading: 2,
  staged: 3,
  shadowing: 4,
  activating: 5,
  probation: 6,
  succeeded: 7,
  already_current: 7,
  rejected: 8,
  failed: 8,
  rolled_back: 8,
}

export const isForward = (from: ProgressState, to: ProgressState): boolean => (rank[to] ?? 0) > (rank[from] ?? 0)

export type Note = {
  bundle: Pick<Bundle, 'deployment' | 'manifest' | 'attempt'> & { role?: 'shadow' }
  state: ProgressState
  reason?: FailureReason
  detail?: string
}

/** A deployment's primary and its shadow are followed apart. */
export const placeOf = ({ deployment, role }: { deployment: string; role?: 'shadow' | undefined }): string =>
  role === undefined ? deployment : `${deployment} ${role}`

const isOf = (progress: Progress, { bundle }: Note) =>
  progress.manifest === bundle.manifest && progress.attempt === bundle.attempt

/** True where `noteProgress` would change anything. */
export function isNews(slots: Slots, note: Note): boolean {
  const known = progressOf(slots, note)
  return known === undefined || !isOf(known, note) || isForward(known.state, note.state)
}

/** Notes a state and queues its report. A step back within an attempt is no news and changes nothing.
 *  `generation` is that of the latest accepted assignment, `at` the device's wall clock in milliseconds. */
export function noteProgress(slots: Slots, note: Note, generation: number, at: number): Slots {
  if (!isNews(slots, note)) return slots
  const entry = entryOf(note, generation)
  const others = slots.progress.filter((one) => placeOf(one) !== placeOf(entry))
  return report({ ...slots, progress: [...others, entry] }, note, generation, at)
}

/** Moves an attempt that is followed. Of one that is no longer wished only the end is reported: it is the truth, if late. */
export function advanceProgress(slots: Slots, note: Note, generation: number, at: number): Slots {
  const known = progressOf(slots, note)
  if (known !== undefined && isOf(known, note)) return noteProgress(slots, note, generation, at)
  return isTerminal(note.state) ? report(slots, note, generation, at) : slots
}

const progressOf = (slots: Slots, { bundle }: Note): Progress | undefined =>
  slots.progress.find((one) => placeOf(one) === placeOf(bundle))

/** Forgets places that are not wished any more. */
export function keepWished(slots: Slots, places: ReadonlySet<string>): Slots {
  const progress = slots.progress.filter((one) => places.has(placeOf(one)))
  return progress.length === slots.progress.length ? slots : { ...slots, progress }
}

function report(slots: Slots, note: Note, generation: number, at: number): Slots {
  const event: ProgressEvent = {
    kind: 'event',
    event: 'progress',
    at,
    ...entryOf(note, generation),
    ...(note.detail === undefined ? {} : { detail: note.detail.slice(0, 500) }),
  }
  return { ...slots, unreported: [...slots.unreported, event].slice(-unreportedMax) }
}

function entryOf({ bundle, state, reason }: Note, generation: number): Progress {
  const { deployment, manifest, attempt, role } = bundle
  return { deployment, manifest, attempt, generation, state, ...(reason && { reason }), ...(role && { role }) }
}
