// The scorer is shared with registrations and refuses at once when its line is full. What waits in the queue of
// evaluations has time: it asks again.

import { setTimeout as delay } from 'node:timers/promises'
import { type Score, ScoreError } from '../registry/scoring.ts'

/** Pauses between two tries: twice as long each time, up to the longest. */
const firstPauseMs = 250
const longestPauseMs = 30_000
/** Together seven minutes and a half: longer than any one run of the scorer, which has five. */
export const triesMax = 21

export type Pause = (ms: number, signal: AbortSignal) => Promise<unknown>

/** As `score`, but tried again while it is `busy`, `triesMax` times. It is busy before it has read the first vector, so
 *  that none is lost.
 *  @throws what `score` throws, `busy` after the last try; the reason of `signal` */
export function patientScore(score: Score, signal: AbortSignal, pause: Pause = untilAborted): Score {
  return async function* patient(request) {
    for (let tries = 1; ; tries++) {
      try {
        return yield* score(request)
      } catch (error) {
        if (!(error instanceof ScoreError) || error.code !== 'busy' || tries >= triesMax) throw error
      }
      await pause(Math.min(longestPauseMs, firstPauseMs * 2 ** (tries - 1)), signal)
      signal.throwIfAborted()
    }
  }
}

/** The caller throws the signal's own reason. */
const untilAborted: Pause = (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined)
