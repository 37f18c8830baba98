// When a stage's gates are judged: at growing distances, so that a large effect is seen at once and the error budget is not
// spent on the same data again and again.

/** The first look is at this share of the bake time; each later one at twice the time of the one before. */
const firstShare = 1 / 16
/** No look before this share of the time limit: at most 14 looks in a stage. */
const smallestShare = 1 / 4096

/** `admittedMs`: how long admitting took, once the bake has begun. */
export type StageTimes = { bakeMs: number; timeLimitMs: number; admittedMs?: number | undefined }

/** Times of all looks since the stage began to admit, ascending: doubling, one at the end of the bake, one at the time
 *  limit. */
export function lookTimes({ bakeMs, timeLimitMs, admittedMs }: StageTimes): number[] {
  const end = Math.max(timeLimitMs, 1)
  const times = [end]
  const start = Math.max(Math.min(bakeMs, end) * firstShare, end * smallestShare)
  for (let at = start; at < end; at *= 2) times.push(Math.round(at))
  if (admittedMs !== undefined) times.push(Math.min(admittedMs + bakeMs, end))
  return [...new Set(times)].filter((at) => at > 0).sort((a, b) => a - b)
}

/** Number of the look that is due, if one is. Looks that were missed are not made up for; the last is at the time limit.
 *  @param elapsedMs since the stage began to admit
 *  @param looksDone number of the last look, 0 before the first */
export function lookDue(elapsedMs: number, looksDone: number, stage: StageTimes): number | undefined {
  const due = lookTimes(stage).filter((at) => at <= elapsedMs).length
  return due > looksDone ? due : undefined
}
