// How long a rollout may be left alone: a look reads all its devices, and mostly nothing has happened since the last.

/** Looks are this far apart at most; the time limits of stages and installations are kept to it. */
export const restMsMax = 10_000
const restMsMin = 1_000
/** Of the time in which nothing has happened: what happens next is seen an eighth of that later at most. */
const restShare = 1 / 8

/** When a rollout was last looked at, and when a look last changed something; hub clock, ms. */
export type Rest = { lookedAt: number; movedAt: number }

/** After one more look. */
export const rested = (before: Rest | undefined, hasMoved: boolean, nowMs: number): Rest => ({
  lookedAt: nowMs,
  movedAt: hasMoved ? nowMs : Math.min(before?.movedAt ?? nowMs, nowMs),
})

/** Whether it is to be looked at: each second while things happen, and where the clock was set back. */
export function isDue(rest: Rest | undefined, nowMs: number): boolean {
  if (rest === undefined || nowMs < rest.lookedAt) return true
  const { lookedAt, movedAt } = rest
  const restMs = Math.min(restMsMax, Math.max(restMsMin, (lookedAt - movedAt) * restShare))
  // timers come a little early or late
  return lookedAt === movedAt || nowMs - lookedAt >= restMs - restMsMin / 10
}
