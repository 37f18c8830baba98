// What a command ends with, for the script that ran it.

/** `refused`: also for what went wrong otherwise. `hubAway`: whether it was done is not known. `changed`: since --if-match,
 *  or since it was read. */
export const exitCodes = { done: 0, refused: 1, hubAway: 3, changed: 4, gatesFail: 5, gatesUndecided: 6 } as const

/** No answer, or a proxy's that the hub is away. */
export const awayStatuses: ReadonlySet<number> = new Set([0, 502, 503, 504])

/** @param status of the answer, 0 where there was none */
export function exitCodeOf(status: number): number {
  if (status === 412) return exitCodes.changed
  return awayStatuses.has(status) ? exitCodes.hubAway : exitCodes.refused
}
