// Whether probabilities are kept: reliability bins, and the expected calibration error over them
// (Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning"; Guo et al. 2017).

import type { Weights } from './sum.ts'

/** Bins of equal width over [0, 1]. A probability on an edge falls into the bin below, 0 into the first, as in
 *  sklearn.calibration.calibration_curve(strategy='uniform'). */
export const calibrationBins = 10

export type ReliabilityBin = {
  /** Over `from` (the first bin: from it on) up to `to`. */
  from: number
  to: number
  /** Weight of the rows in it. */
  rows: number
  /** Mean probability, and the share of rows in which the event happened; null where there are no rows. */
  confidence: number | null
  frequency: number | null
}

/** The bin of each probability. */
export const assignBins = (probability: Float64Array): Uint8Array => Uint8Array.from(probability, binOf)

/** @param probability of an event for each row
 *  @param happened whether it did
 *  @param bins from `assignBins`, where many resamples share them */
export function reliabilityBins(
  probability: Float64Array,
  happened: (row: number) => boolean,
  weights?: Weights,
  bins = assignBins(probability),
): ReliabilityBin[] {
  const rows = new Float64Array(calibrationBins)
  const probabilities = new Float64Array(calibrationBins)
  const events = new Float64Array(calibrationBins)
  for (let row = 0; row < probability.length; row++) {
    const weight = weights === undefined ? 1 : (weights[row] ?? 0)
    if (weight === 0) continue
    const p = probability[row] ?? 0
    const bin = bins[row] ?? 0
    rows[bin] = (rows[bin] ?? 0) + weight
    probabilities[bin] = (probabilities[bin] ?? 0) + weight * p
    if (happened(row)) events[bin] = (events[bin] ?? 0) + weight
  }
  return Array.from({ length: calibrationBins }, (_, bin) => {
    const count = rows[bin] ?? 0
    return {
      from: edge(bin),
      to: edge(bin + 1),
      rows: count,
      confidence: count === 0 ? null : (probabilities[bin] ?? 0) / count,
      frequency: count === 0 ? null : (events[bin] ?? 0) / count,
    }
  })
}

/** Mean distance of confidence and frequency, bins weighted by their rows; undefined where there are none. */
export function expectedCalibrationError(bins: readonly ReliabilityBin[]): number | undefined {
  let total = 0
  let distance = 0
  for (const { rows, confidence, frequency } of bins) {
    total += rows
    distance += rows * Math.abs((confidence ?? 0) - (frequency ?? 0))
  }
  return total === 0 ? undefined : distance / total
}

/** numpy.linspace(0, 1, 11): i times the step, so the same doubles. */
const edge = (i: number): number => (i === calibrationBins ? 1 : i * (1 / calibrationBins))

/** The first bin whose upper edge is not below p. */
function binOf(p: number): number {
  let bin = Math.min(calibrationBins - 1, Math.max(0, Math.floor(p * calibrationBins)))
  while (bin > 0 && p <= edge(bin)) bin -= 1
  while (bin < calibrationBins - 1 && p > edge(bin + 1)) bin += 1
  return bin
}
