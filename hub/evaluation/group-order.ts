// In which order groups of rows are told: slices, and the groups that fairness compares.

export type Group = { column?: string; value: string; rows: number }

const names = new Intl.Collator('en', { numeric: true })
const isNumber = (text: string): boolean => text.trim() !== '' && Number.isFinite(Number(text))

/** Numbers by what they are, before the rest; names that hold numbers by them: `line 2` before `line 10`. */
export function byName(a: string, b: string): number {
  if (isNumber(a) && isNumber(b)) return Number(a) - Number(b)
  return Number(isNumber(b)) - Number(isNumber(a)) || names.compare(a, b)
}

/** Columns as they are given; within each the groups with most rows first, equal ones by name. */
export const largestFirst = <G extends Group>(groups: readonly G[]): G[] =>
  [...Map.groupBy(groups, ({ column }) => column).values()].flatMap((ofColumn) =>
    ofColumn.toSorted((a, b) => b.rows - a.rows || byName(a.value, b.value)),
  )
