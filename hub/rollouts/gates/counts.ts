// The gate on installations: a count against what is allowed. Devices that refuse (it does not fit) are counted apart, and
// those that were never reached are in neither number.

import { counted } from '../../wording.ts'
import { shareInterval } from './binomial.ts'
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
    `${failed} of ${counted(accepted, 'device')} that accepted it failed to install it, ${failuresMax} allowed`,
    ...(acknowledged > 0
      ? [`${counted(Math.min(acknowledged, counts.failed), 'more was acknowledged', 'more were acknowledged')}`]
      : []),
    ...(refused > 0 ? [`${refused} refused it because it does not fit`] : []),
    ...(accepted > 0 && failed <= failuresMax
      ? [`from so many devices one can tell that at most ${Math.round(high * 100)} % of such would fail`]
      : []),
  ]
  return { outcome: failed > failuresMax ? 'fail' : 'pass', failed, low, high, sentence: said.join('; ') }
}
