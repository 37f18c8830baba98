// A verdict in a sentence for an operator: how many other draws looked as bad, what the effect is, what is allowed.

import type { Finding } from './findings.ts'
import type { Outcome } from './verdict.ts'

type Numbers = { asBad: number; asGood: number; low: number | null; high: number | null }

export function comparisonSentence(outcome: Outcome, finding: Finding, numbers: Numbers): string {
  const { scale, margin, tested, notes } = finding
  const { difference } = tested
  const effect =
    scale.effectInWords?.({ difference, ...numbers }, margin) ??
    `${scale.label} ${scale.inWords(difference)} (${range(finding, numbers)}) where ${scale.inWords(margin)} is allowed`
  return [`${counted(outcome, finding, numbers)}: ${effect}`, ...notes].join('; ')
}

function counted(outcome: Outcome, { tested, method }: Finding, { asBad, asGood }: Numbers): string {
  const total = tested.draws.toLocaleString('en')
  const others = {
    redraw: `of ${total} other draws`,
    blocks: `of ${total} other choices of time`,
    paired: `of ${total} other choices of sign`,
    own_past: `nobody is left to compare with; beside the devices' own past, of ${total} other choices of sign`,
  }[method]
  const looked = (count: number, how: string) => `${others}, ${count.toLocaleString('en')} looked as ${how}`
  if (outcome === 'fail') return looked(asBad, 'bad')
  if (outcome === 'pass' && method !== 'own_past') return looked(asGood, 'good')
  return method === 'own_past'
    ? looked(asBad, 'bad')
    : `${looked(asBad, 'bad')} and ${asGood.toLocaleString('en')} as good`
}

/** From the least value of the metric to the greatest. */
function range({ scale }: Finding, ends: Numbers): string {
  const [low, high] = scale.falls ? [ends.high, ends.low] : [ends.low, ends.high]
  if (low === null && high === null) return 'too few devices for an interval'
  if (low === null) return `at most ${scale.inWords(high ?? 0)}`
  if (high === null) return `at least ${scale.inWords(low)}`
  return `${scale.inWords(low)} to ${scale.inWords(high)}`
}
