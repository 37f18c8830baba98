// A stretch of time cut into equal steps, and windows put into them: the columns of a heat map. Counts on shared edges add
// up, so the steps of a day, added up, are the day.

import { type ColumnCounts, mergeColumns } from '@roost/shared/sketch/column.ts'

export type Range = { fromMs: number; toMs: number }
export type Steps = { fromMs: number; stepMs: number; count: number }

/** As many as a screen shows side by side. */
export const stepsWanted = 36
/** The most that may be asked for. */
export const stepsMax = 100

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
/** What people count time in; beyond these, whole weeks. */
const lengths = [1, 2, 5, 10, 15, 30]
  .map((n) => n * second)
  .concat(
    [1, 2, 5, 10, 15, 30].map((n) => n * minute),
    [1, 2, 3, 6, 12].map((n) => n * hour),
    [1, 2].map((n) => n * day),
  )

/** The shortest length of which at most `stepsWanted` cover the range and which is no shorter than a window: a step that no
 *  window fits into would look as if data were missing. */
export function stepFor({ fromMs, toMs }: Range, windowMs: number): number {
  const fits = (stepMs: number) => stepMs >= windowMs && stepsOver({ fromMs, toMs }, stepMs).count <= stepsWanted
  const found = lengths.find(fits)
  if (found !== undefined) return found
  let weeks = 1
  while (!fits(weeks * 7 * day)) weeks *= 2
  return weeks * 7 * day
}

/** Steps that begin at multiples of their length (UTC) and cover the range; one for an empty range. */
export function stepsOver({ fromMs, toMs }: Range, stepMs: number): Steps {
  const first = Math.floor(fromMs / stepMs)
  const last = Math.ceil(toMs / stepMs)
  return { fromMs: first * stepMs, stepMs, count: Math.max(1, last - first) }
}

/** Which step a moment belongs to; undefined outside of all. */
export function stepAt({ fromMs, stepMs, count }: Steps, atMs: number): number | undefined {
  const index = Math.floor((atMs - fromMs) / stepMs)
  return index >= 0 && index < count ? index : undefined
}

type Placed = { fromMs: number; columns: Readonly<Record<string, ColumnCounts>> }

/** The windows that begin in each step, in their order; those outside of all steps are left out. */
export function windowsByStep<W extends { fromMs: number }>(windows: readonly W[], steps: Steps): W[][] {
  const cut = Array.from({ length: steps.count }, (): W[] => [])
  for (const window of windows) {
    const step = stepAt(steps, window.fromMs)
    if (step !== undefined) cut[step]?.push(window)
  }
  return cut
}

/** What several windows counted together, column by column; the same in any order and grouping. All counts of a column are
 *  on one scale. */
export function pooled(windows: readonly Placed[]): Map<string, ColumnCounts> {
  const sums = new Map<string, ColumnCounts>()
  for (const { columns } of windows) {
    for (const [name, counts] of Object.entries(columns)) {
      const before = sums.get(name)
      sums.set(name, before === undefined ? counts : mergeColumns(before, counts))
    }
  }
  return sums
}
