// The gate on installations: a count against what is allowed. Devices that refuse (it does not fit) are counted apart, and
// those that were never reached are in neither number.

import { counted } from '../../wording.ts'
import { shareInterval } from './binomial.ts'
import type { GateEvidence, Installations } from './evidence.ts'

/** Of deaths of the version's runtime on a device: fewer may be an accident. */
export const deathsMin = 3

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
    `${failed} of ${counted(accepted, 'device')} that accepted it ${whatHappened(failed, counts)}, ${failuresMax} allowed`,
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

/** What became of those that failed. */
function whatHappened(failed: number, { tookBack, died }: Pick<Installations, 'tookBack' | 'died'>): string {
  const kinds: [number, string][] = [
    [failed - tookBack - died, 'failed to install it'],
    [tookBack, 'took it back'],
    [died, `saw it die ${deathsMin} times or more`],
  ]
  const known = kinds.filter(([count]) => count > 0)
  const [only] = known
  if (only === undefined) return 'failed to install it or took it back'
  return known.length === 1 ? only[1] : `failed: ${known.map(([count, what]) => `${count} ${what}`).join(', ')}`
}
