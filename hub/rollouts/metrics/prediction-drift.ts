// How far the predictions' distribution lies from what it was before, of one output or of all: canary at most control +
// `margin`.

import { jensenShannonDistance } from '@roost/shared/drift/measures/jensen-shannon.ts'
import type { ColumnCounts } from '@roost/shared/sketch/column.ts'
import { z } from 'zod'
import { plain } from '../gates/scale.ts'
import { gateDefaults } from '../plan/defaults.ts'
import { answers } from '../plan/gate-answers.ts'
import { comparing, type Figure, ownOf } from './metric.ts'

export const predictionDrift = comparing({
  name: 'prediction_drift',
  schema: z.strictObject({
    metric: z.literal('prediction_drift'),
    margin: z.number().nonnegative().default(gateDefaults.prediction_drift.margin),
    output: z.string().min(1).max(256).optional(),
    ...answers,
  }),
  scale: ({ output, margin }) => ({
    ...plain(output === undefined ? 'prediction drift' : `prediction drift of ${output}`, 1),
    margin: () => margin,
  }),
  told: {
    by: 'windows',
    figure: ({ output }, counts, past) => driftOf(counts.outputs ?? {}, past?.outputs ?? {}, output),
    paired: () => null,
    nothing: () => 'no distribution of outputs can be compared with one of before: too few, or no baseline',
    isFromPast: true,
  },
  usual: () => [],
})

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
