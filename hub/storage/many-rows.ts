// Thousands of rows at once. The driver takes some two microseconds for every value that it hands over: for ten thousand
// rows of sixteen columns a third of a second, in which nothing else happens. As one text it is a tenth of that. They are
// checked in turns, between which the hub does what else there is to do.

import { setImmediate as letOthers } from 'node:timers/promises'
import { z } from 'zod'
import type { Reader, Value } from './database.ts'

const Text = z.object({ rows: z.string() })
/** Some ten milliseconds. */
const rowsPerTurn = 1_000

const Plain = z.array(z.array(z.union([z.string(), z.number(), z.null()])))

/** As `reader.all` of the columns that `rowSchema` names. Text, integers and nulls come as they are, real numbers with 15
 *  digits; other values cannot be had.
 *  @param from what follows the columns in `SELECT … FROM …`, with its ORDER BY and without a LIMIT */
export async function manyRows<S extends z.ZodObject>(
  reader: Reader,
  rowSchema: S,
  from: string,
  args: readonly Value[],
): Promise<z.output<S>[]> {
  const names = Object.keys(rowSchema.shape)
  const columns = names.join(', ')
  const sql = `SELECT json_group_array(json_array(${columns})) AS rows FROM (SELECT ${columns} ${from})`
  const text = await reader.first(Text, sql, args)
  const rows = Plain.parse(JSON.parse(text?.rows ?? '[]'))
  const checked: z.output<S>[] = []
  for (const [place, row] of rows.entries()) {
    if (place % rowsPerTurn === rowsPerTurn - 1) await letOthers()
    checked.push(rowSchema.parse(Object.fromEntries(names.map((name, i) => [name, row[i]]))))
  }
  return checked
}
