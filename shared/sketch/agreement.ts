// The agreement of a shadow with its primary, added up. Differences are kept per output column as sums, so that mean,
// mean distance and root mean square of any two places and times come out of the sums.

import type { Agreement, Difference } from '../protocol/records.ts'

type PairedLabels = NonNullable<Agreement['labels']>

/** Both together, in any order and grouping: counts exactly, sums as `mergeColumns` does.
 *  Of one primary; whether it is the same, the caller has looked (canMergeWindows). */
export function mergeAgreement(a: Agreement, b: Agreement): Agreement {
  const labels =
    a.labels === undefined || b.labels === undefined ? (a.labels ?? b.labels) : addLabels(a.labels, b.labels)
  const dropped = a.dropped === undefined && b.dropped === undefined ? undefined : (a.dropped ?? 0) + (b.dropped ?? 0)
  const primary = a.primary ?? b.primary
  return {
    pairs: a.pairs + b.pairs,
    agreed: a.agreed + b.agreed,
    outputs: mergeDifferences(a.outputs, b.outputs),
    errors: {
      both: a.errors.both + b.errors.both,
      onlyPrimary: a.errors.onlyPrimary + b.errors.onlyPrimary,
      onlyCandidate: a.errors.onlyCandidate + b.errors.onlyCandidate,
    },
    ...(labels === undefined ? {} : { labels }),
    ...(dropped === undefined ? {} : { dropped }),
    ...(primary === undefined ? {} : { primary }),
  }
}

/** Names in code unit order, built from entries, for the reasons that mergeColumnRecords has. */
function mergeDifferences(a: Agreement['outputs'], b: Agreement['outputs']): Agreement['outputs'] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort()
  return Object.fromEntries(names.map((name) => [name, addDifferences(own(a, name), own(b, name))]))
}

const own = (outputs: Agreement['outputs'], name: string): Difference =>
  (Object.hasOwn(outputs, name) ? outputs[name] : undefined) ?? noDifference

const noDifference: Difference = { count: 0, sum: 0, sumAbs: 0, sumSquares: 0 }

const addDifferences = (a: Difference, b: Difference): Difference => ({
  count: a.count + b.count,
  sum: a.sum + b.sum,
  sumAbs: a.sumAbs + b.sumAbs,
  sumSquares: a.sumSquares + b.sumSquares,
})

const addLabels = (a: PairedLabels, b: PairedLabels): PairedLabels => ({
  bothRight: a.bothRight + b.bothRight,
  onlyPrimaryRight: a.onlyPrimaryRight + b.onlyPrimaryRight,
  onlyCandidateRight: a.onlyCandidateRight + b.onlyCandidateRight,
  bothWrong: a.bothWrong + b.bothWrong,
})
