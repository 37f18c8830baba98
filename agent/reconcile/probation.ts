// Did the candidate do well enough while it served? Counts in, a verdict out.
// Crash, hang and memory need no judging: they show as a dead runtime process.

import type { Bundle } from './bundle-set.ts'
import type { Failure } from './slots.ts'

/** What one deployment of a runtime did since it began to serve. `slow`: longer than its manifest's `inferenceMs`. */
export type Observed = { ok: number; error: number; slow: number }

/** From the device's profile. */
export type ProbationLimits = { durationMs: number; errorShareMax: number }

/** Shares are taken of at least so many inferences: one failure among three is no verdict. */
export const inferencesMin = 20

export type ProbationVerdict = { state: 'waiting' } | { state: 'passed' } | { state: 'failed'; failure: Failure }

/** Judges the bundles that changed; what did not change answers as it did before. A device without traffic passes by
 *  its golden vectors and by staying alive. `servedMs`: how long the candidate has served. */
export function judgeProbation(
  changed: readonly Bundle[],
  observed: ReadonlyMap<string, Observed>,
  servedMs: number,
  limits: ProbationLimits,
): ProbationVerdict {
  for (const { deployment } of changed) {
    const counts = observed.get(deployment)
    if (counts === undefined) continue
    const inferences = counts.ok + counts.error
    const base = Math.max(inferences, inferencesMin)
    if (counts.error / base > limits.errorShareMax) {
      const detail = `${counts.error} of ${inferences} inferences failed`
      return { state: 'failed', failure: { reason: 'errors', deployment, detail } }
    }
    if (counts.slow / base > limits.errorShareMax) {
      const detail = `${counts.slow} of ${inferences} inferences took longer than the manifest allows`
      return { state: 'failed', failure: { reason: 'latency', deployment, detail } }
    }
  }
  return { state: servedMs >= limits.durationMs ? 'passed' : 'waiting' }
}
