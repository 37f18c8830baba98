// Pieces of SQL that carry what they bind, and what one comparison of the filter language is in SQL.

import { z } from 'zod'
import type { Value } from '../storage/database.ts'
import type { Comparison } from './filter.ts'

/** A piece of SQL with what it binds, in the order of its question marks. */
export type Fragment = { sql: string; args: Value[] }

/** A REAL column, which may hold infinities; zod's own numbers are finite. */
export const RealColumn = z.custom<number>((value) => typeof value === 'number', { message: 'expected a number' })

/** The comparison of a column. LIKE minds case, as in the standard: SQLite's own does not, its GLOB does.
 *  `column` is ours. */
export function matches(column: string, comparison: Comparison): Fragment {
  switch (comparison.kind) {
    case 'number': {
      const { sql, args } = number(comparison.value)
      return { sql: `${column} ${comparison.operator} ${sql}`, args }
    }
    case 'text':
      switch (comparison.operator) {
        case 'LIKE':
          return { sql: `${column} GLOB ?`, args: [globOf(comparison.value)] }
        case 'ILIKE':
          return { sql: `${column} LIKE ?`, args: [comparison.value] }
        default:
          return { sql: `${column} ${comparison.operator} ?`, args: [comparison.value] }
      }
    case 'list':
      return {
        sql: `${column} ${comparison.operator} (SELECT value FROM json_each(?))`,
        args: [JSON.stringify(comparison.values)],
      }
    case 'absent':
      return { sql: `${column} IS NULL`, args: [] }
    case 'present':
      return { sql: `${column} IS NOT NULL`, args: [] }
  }
}

/** The client refuses to bind infinities. */
export function number(value: number): Fragment {
  if (Number.isFinite(value)) return { sql: '?', args: [value] }
  return { sql: value > 0 ? '9e999' : '-9e999', args: [] }
}

/** % and _ as GLOB's * and ?, and what GLOB would take for more than itself in brackets. */
export const globOf = (pattern: string): string =>
  pattern.replaceAll(/[*?[%_]/g, (character) => (character === '%' ? '*' : character === '_' ? '?' : `[${character}]`))
