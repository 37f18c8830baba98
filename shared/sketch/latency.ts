// Latency as counts in logarithmic bins (1 % relative error), after DDSketch (Masson, Rim, Lee, VLDB 2019).
// The range is fixed, so counts of any two places and times add up exactly and never outgrow their bound.

import { z } from 'zod'

export const latencyBinsMax = 1024

/** `bins` are pairs [index, count], rising by index, at most 1,024 of them; microseconds.
 *  Bin i holds gamma^(i-1) < us <= gamma^i, gamma = 1.01 / 0.99: bin 0 all of at most 1 µs,
 *  bin 1,023 all beyond gamma^1022 µs (12.5 minutes). Only in these two the error may exceed 1 %. */
export const LatencyCounts = z.object({
  bins: z.custom<[number, number][]>(isBins, `bins are at most ${latencyBinsMax} pairs of an index and a count`).meta({
    type: 'array',
    items: { type: 'array', items: { type: 'integer', minimum: 0 }, minItems: 2, maxItems: 2 },
    maxItems: latencyBinsMax,
  }),
  count: z.number().int().nonnegative(),
  sumUs: z.number().nonnegative(),
})
export type LatencyCounts = z.infer<typeof LatencyCounts>

/** In one loop, for the reason that column.ts gives. */
function isBins(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > latencyBinsMax) return false
  for (let i = 0; i < value.length; i++) if (!isBin(value[i])) return false
  return true
}

function isBin(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false
  const [index, count] = value
  return Number.isSafeInteger(index) && index >= 0 && index < latencyBinsMax && Number.isSafeInteger(count) && count > 0
}

const relativeError = 0.01
const gamma = (1 + relativeError) / (1 - relativeError)
const perLog = 1 / Math.log(gamma)
/** Sums are kept in steps of 1/1024 µs: multiples of a power of two add exactly (up to 2^43 µs, 101 days). */
const stepsPerUs = 1024

export interface LatencyRecorder {
  /** Microseconds; negative counts as 0. @throws RangeError for NaN and infinities, which no clock gives */
  record(us: number): void
  snapshot(): LatencyCounts
  reset(): void
}

export function createLatencyRecorder(): LatencyRecorder {
  const counts = new Float64Array(latencyBinsMax)
  let sumUs = 0
  return {
    record(us) {
      if (!Number.isFinite(us)) throw new RangeError(`a latency of ${us} µs`)
      const index = latencyBin(us)
      counts[index] = (counts[index] ?? 0) + 1
      sumUs += Math.max(us, 0)
    },
    snapshot() {
      return sparse(counts, Math.round(sumUs * stepsPerUs) / stepsPerUs)
    },
    reset() {
      counts.fill(0)
      sumUs = 0
    },
  }
}

/** Both together; exact, in any order and grouping. */
export function mergeLatency(a: LatencyCounts, b: LatencyCounts): LatencyCounts {
  const counts = new Float64Array(latencyBinsMax)
  for (const { bins } of [a, b]) for (const [index, count] of bins) counts[index] = (counts[index] ?? 0) + count
  return sparse(counts, a.sumUs + b.sumUs)
}

/** The latency in microseconds at quantile `q` (0 … 1), within 1 % of the value of that rank (rank floor(q (n - 1)));
 *  null when nothing was recorded. Quantiles of the first and the last bin are 1 µs and 12.5 minutes. */
export function latencyQuantile(counts: LatencyCounts, q: number): number | null {
  const total = counts.bins.reduce((sum, [, count]) => sum + count, 0)
  if (total === 0) return null
  const rank = Math.floor(Math.min(1, Math.max(0, q)) * (total - 1))
  let seen = 0
  let index = 0
  for (const [bin, count] of counts.bins) {
    index = bin
    seen += count
    if (seen > rank) break
  }
  // The value whose relative distance to both ends of the bin is the same (DDSketch, lemma 2).
  return index === 0 ? 1 : (2 * gamma ** index) / (gamma + 1)
}

function latencyBin(us: number): number {
  if (us <= 1) return 0
  return Math.min(latencyBinsMax - 1, Math.ceil(Math.log(us) * perLog))
}

function sparse(counts: Float64Array, sumUs: number): LatencyCounts {
  const bins: [number, number][] = []
  let count = 0
  for (let index = 0; index < counts.length; index++) {
    const here = counts[index] ?? 0
    if (here === 0) continue
    bins.push([index, here])
    count += here
  }
  return { bins, count, sumUs }
}
