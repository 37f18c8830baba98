// Whether a window report can be true. What cannot be is no evidence for or against a version: the device that sent it is
// left out of the gates and shown with the reason, so that one broken or lying device stops no rollout and passes none.

import type { WindowReport } from '@roost/shared/protocol/records.ts'

/** Inferences a second that no device makes; a small model on a fast core makes 20,000 to 50,000. */
export const inferencesPerSecondMax = 1_000_000
/** A clock may be ahead of the hub's by so much (a wrong time zone is half a day), or of the time a bundle was made. */
export const clockAheadMsMax = 86_400_000
/** Recorded time may exceed the time that passed by so much, and by half of it: clocks that were set, windows that
 *  overlap at a change of the runtime. */
const spareMs = 600_000

/** What cannot be in one window, or undefined. A clock that is wrong is not in here: see `clockFault`. */
export function windowFault({ from, to, counts, latency }: WindowReport): string | undefined {
  const { ok, error, refused } = counts
  const binned = latency.bins.reduce((sum, [, count]) => sum + count, 0)
  if (latency.count !== binned) return `it reports ${latency.count} latencies, its bins hold ${binned}`
  if (latency.count !== ok) return `it reports ${ok} answers and ${latency.count} latencies in one window`
  // A window of a burst may last less than a second.
  const seconds = Math.max(1, (to - from) / 1000)
  const perSecond = (ok + error + refused) / seconds
  if (perSecond > inferencesPerSecondMax) return `it reports ${whole(perSecond)} inferences a second`
  return undefined
}

/** Sums of counts that are whole numbers each may be none that can be stored, whatever a device claims to have counted. */
export const beyondCounting = 'it reports more than can be added up'

/** What is wrong with the device's clock by this window. The clock may be set right later: this holds until then.
 *  @param madeMs when the bundle was made, hub clock */
export function clockFault({ to }: WindowReport, receivedAt: number, madeMs: number): string | undefined {
  if (to > receivedAt + clockAheadMsMax) return `its clock is ${days(to - receivedAt)} days ahead`
  if (to < madeMs - clockAheadMsMax) return `its clock is ${days(madeMs - to)} days behind the making of what it runs`
  return undefined
}

/** Windows of one bundle follow one another: together they cannot last longer than the time that passed.
 *  @param recordedMs what the windows since then lasted
 *  @param passedMs hub clock */
export function durationFault(recordedMs: number, passedMs: number): string | undefined {
  if (recordedMs <= passedMs * 1.5 + spareMs) return undefined
  return `it reports ${whole(recordedMs / 60_000)} minutes of work in ${whole(passedMs / 60_000)}`
}

const days = (ms: number) => whole(ms / 86_400_000)
const whole = (value: number) => Math.round(value).toLocaleString('en-US')
