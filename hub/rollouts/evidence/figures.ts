// The figure a gate compares, of the counts of one device: with how much lies behind it.

import { jensenShannonDistance } from '@roost/shared/drift/measures/jensen-shannon.ts'
import type { ColumnCounts } from '@roost/shared/sketch/column.ts'
import { latencyQuantile } from '@roost/shared/sketch/latency.ts'
import type { Gate } from '../plan/gate.ts'
import type { Counts } from './counts.ts'

/** In the metric's unit: share, microseconds, distance 0 … 1, or the application's own. `weight`: inferences, labels or
 *  values behind it. */
export type Figure = { value: number; weight: number }

/** Gates that look at what windows count, device by device. */
export type CountedGate = Exclude<Gate, { metric: 'installation' | 'silence' | 'agreement' }>

/** @param past what prediction drift is measured from; other figures do without
 *  @returns null where the counts say nothing of it */
export function figureOf(gate: CountedGate, counts: Counts | null, past: Counts | null): Figure | null {
  if (counts === null) return null
  switch (gate.metric) {
    case 'error_rate':
      return share(counts.error, counts.ok + counts.error)
    case 'latency': {
      const value = latencyQuantile(counts.latency, gate.quantile)
      return value === null ? null : { value, weight: counts.latency.count }
    }
    case 'accuracy': {
      const { truePositive = 0, falsePositive = 0, trueNegative = 0, falseNegative = 0 } = counts.labels ?? {}
      return share(truePositive + trueNegative, truePositive + falsePositive + trueNegative + falseNegative)
    }
    case 'custom': {
      const metric = ownOf(counts.metrics, gate.name)
      return metric === undefined ? null : { value: metric.sum / metric.count, weight: metric.count }
    }
    case 'prediction_drift':
      return driftOf(counts.outputs ?? {}, past?.outputs ?? {}, gate.output)
  }
}

const share = (part: number, whole: number): Figure | null =>
  whole === 0 ? null : { value: part / whole, weight: whole }

function ownOf<T>(values: Record<string, T> | undefined, name: string): T | undefined {
  return values !== undefined && Object.hasOwn(values, name) ? values[name] : undefined
}

/** Of so few values a distribution is not told. */
const valuesMin = 30
/** Bins two distributions are compared on: those of the past, merged to about equal shares. */
const groupsMax = 10

/** The greatest distance among the output's columns, or among all: a drift of one is a drift.
 *  @param output a column, or a tensor whose elements or statistics are columns (`name[0]`, `name.mean`) */
function driftOf(now: Columns, past: Columns, output: string | undefined): Figure | null {
  const names = Object.keys(past).filter((name) => output === undefined || isOf(name, output))
  const figures = names.flatMap((name) => {
    const counts = ownOf(now, name)
    const before = ownOf(past, name)
    const figure = counts === undefined || before === undefined ? null : distance(before, counts)
    return figure === null ? [] : [figure]
  })
  return figures.reduce<Figure | null>(
    (most, figure) => (most === null || figure.value > most.value ? figure : most),
    null,
  )
}

type Columns = Record<string, ColumnCounts>

const isOf = (column: string, output: string) =>
  column === output || column.startsWith(`${output}[`) || column.startsWith(`${output}.`)

/** Jensen-Shannon distance to base 2 of two samples on the same bins, less what two samples of one distribution differ by:
 *  the expected divergence of k bins with n and m values is (k - 1) / (8 ln 2) (1/n + 1/m), from the second order of its
 *  series (half a chi-square with k - 1 degrees over 4 n ln 2; Grosse et al. 2002, Phys. Rev. E 65, 041905). Else a device
 *  that has reported less would seem to drift more. */
function distance(past: ColumnCounts, now: ColumnCounts): Figure | null {
  const n = sum(past.bins)
  const m = sum(now.bins)
  if (past.bins.length !== now.bins.length || n < valuesMin || m < valuesMin) return null
  const groups = groupsOf(past.bins, n)
  const before = mergeBins(past.bins, groups)
  const since = mergeBins(now.bins, groups)
  const expected = ((before.length - 1) / (8 * Math.LN2)) * (1 / n + 1 / m)
  const divergence = jensenShannonDistance(before, since) ** 2
  return { value: Math.sqrt(Math.max(0, divergence - expected)), weight: m }
}

/** For each bin which tenth of the past its middle lies in; what the past never saw goes with its neighbours. */
function groupsOf(bins: readonly number[], total: number): number[] {
  let before = 0
  return bins.map((count) => {
    const middle = (before + count / 2) / total
    before += count
    return Math.min(groupsMax - 1, Math.floor(groupsMax * middle))
  })
}

function mergeBins(bins: readonly number[], groups: readonly number[]): number[] {
  const merged = new Map<number, number>()
  for (const [i, group] of groups.entries()) merged.set(group, (merged.get(group) ?? 0) + (bins[i] ?? 0))
  return [...merged.values()]
}

const sum = (bins: readonly number[]) => bins.reduce((total, count) => total + count, 0)
