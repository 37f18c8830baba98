// The rows of a dataset in groups by the values of a column: for slices, for fairness, for rows that belong together.

import type { Column } from '../datasets/columns.ts'
import { EvaluationError } from './evaluation-error.ts'
import type { Grouping } from './figures.ts'
import type { Clusters } from './measure.ts'

/** Slices of one column; the values with the most rows are taken. */
export const slicesMax = 20
/** Groups that fairness compares: with more, the extreme ones are extreme by chance. */
export const fairnessGroupsMax = 20
/** Longer values are cut where they become names. */
const nameCharactersMax = 200
const missing = '(missing)'

/** Groups by value, those with most rows first (equal ones by name). Rows of values beyond `slicesMax` are in none: -1.
 *  @param rows of the column, in the order of the answers */
export function slicesBy(name: string, column: Column, rows: Int32Array): Grouping & { others: number } {
  const counts = new Map<string, number>()
  for (const row of rows) {
    const value = valueAt(column, row)
    counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  const kept = [...counts]
    .sort(([a, rowsOfA], [b, rowsOfB]) => rowsOfB - rowsOfA || (a < b ? -1 : 1))
    .slice(0, slicesMax)
    .map(([value]) => value)
  const numbers = new Map(kept.map((value, i) => [value, i]))
  const of = Int32Array.from(rows, (row) => numbers.get(valueAt(column, row)) ?? -1)
  return { column: name, names: kept, of, others: of.filter((group) => group < 0).length }
}

/** @throws EvaluationError too-many-groups */
export function fairnessBy(name: string, column: Column, rows: Int32Array): Grouping {
  const { others, ...grouping } = slicesBy(name, column, rows)
  if (others === 0) return grouping
  throw new EvaluationError(
    'too-many-groups',
    `the column ${name} has more than ${fairnessGroupsMax} values; fairness compares at most that many groups`,
  )
}

/** Every value of the column a cluster. */
export function clustersBy(column: Column, rows: Int32Array): Clusters {
  const numbers = new Map<string, number>()
  const of = Int32Array.from(rows, (row) => {
    const value = valueAt(column, row)
    const number = numbers.get(value) ?? numbers.size
    numbers.set(value, number)
    return number
  })
  return { of, count: numbers.size }
}

function valueAt(column: Column, row: number): string {
  const value = column.values[row] ?? null
  if (value === null || Number.isNaN(value)) return missing
  return String(value).slice(0, nameCharactersMax)
}
