// The gate on installations: a count against what is allowed. Devices that refuse (it does not fit) are counted apart, and
// those that were never reached are in neither number.

import type { GateEvidence } from './evidence.ts'

export type Counted = {
  outcome: 'pass' | 'fail'
  /** Failures that count: those an operator has not acknowledged by resuming. */
  failed: number
  /** Interval of the share of devices on which it would fail (Clopper & Pearson 1934, 95 %). */
  low: number
  high: number
  sentence: string
}

export function judgeCounts(failuresMax: number, counts: Extract<GateEvidence, { kind: 'counts' }>): Counted {
  const { accepted, refused, acknowledged } = counts
  const failed = Math.max(0, counts.failed - acknowledged)
  const { low, high } = shareInterval(Math.min(counts.failed, accepted), accepted)
  const said = [
    `${failed} of ${accepted} devices that accepted it failed to install it, ${failuresMax} allowed`,
    ...(acknowledged > 0 ? [`${Math.min(acknowledged, counts.failed)} more were acknowledged`] : []),
    ...(refused > 0 ? [`${refused} refused it because it does not fit`] : []),
    ...(accepted > 0 ? [`so many devices can tell that it fails on at most ${Math.round(high * 100)} % of such`] : []),
  ]
  return { outcome: failed > failuresMax ? 'fail' : 'pass', failed, low, high, sentence: said.join('; ') }
}

const tail = 0.025

/** Exact interval of a share of which `hits` of `tries` were seen; 0 to 1 where nothing was tried. */
export function shareInterval(hits: number, tries: number): { low: number; high: number } {
  if (tries === 0) return { low: 0, high: 1 }
  const low = hits === 0 ? 0 : bisect((p) => 1 - binomialUpTo(hits - 1, tries, p) < tail)
  const high = hits >= tries ? 1 : bisect((p) => binomialUpTo(hits, tries, p) > tail)
  return { low, high }
}

/** The share up to which `holds`. */
function bisect(holds: (share: number) => boolean): number {
  let from = 0
  let to = 1
  for (let i = 0; i < 50; i++) {
    const middle = (from + to) / 2
    if (holds(middle)) from = middle
    else to = middle
  }
  return (from + to) / 2
}

/** Probability of at most `hits` of `tries` at share `p`, 0 < p < 1. */
function binomialUpTo(hits: number, tries: number, p: number): number {
  let log = tries * Math.log1p(-p)
  let sum = Math.exp(log)
  for (let k = 1; k <= hits; k++) {
    log += Math.log((tries - k + 1) / k) + Math.log(p) - Math.log1p(-p)
    sum += Math.exp(log)
  }
  return Math.min(1, sum)
}
