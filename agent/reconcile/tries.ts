// How long to wait before a set that died is started again: at once after the first accident, longer with each further one.

import type { Failure } from './slots.ts'
import type { Tries } from './steps.ts'

export const restartDelayMinMs = 1_000
export const restartDelayMaxMs = 60_000
/** A runtime that served so long was well: what kills it then is a new accident. */
export const healthyMs = 60_000

/** The record after one more death. `servedMs`: how long the dead one had served; `proven`: whether its trial had passed. */
export function countDeath(
  before: Tries | undefined,
  death: { failure: Failure; proven: boolean; servedMs: number },
  now: number,
): Tries {
  const crashes = death.servedMs >= healthyMs ? 1 : (before?.crashes ?? 0) + 1
  const loadFailures = death.proven ? 0 : (before?.loadFailures ?? 0) + 1
  return { crashes, loadFailures, notBefore: now + restartDelayMs(crashes), last: death.failure }
}

/** 0, 1, 2, 4 … 60 seconds. */
export const restartDelayMs = (crashes: number): number =>
  crashes <= 1 ? 0 : Math.min(restartDelayMaxMs, restartDelayMinMs * 2 ** Math.min(crashes - 2, 20))
