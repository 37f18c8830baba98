// What the hub and the process that reads a snapshot say to each other (structured clones).

import { ColumnCounts, ColumnScale } from '@roost/shared/sketch/column.ts'
import { z } from 'zod'
import { ColumnType } from '../cells.ts'
import { ColumnSummary } from '../summary.ts'
import { formats } from '../table.ts'
import { tableErrorCodes } from '../table-error.ts'

const file = { path: z.string(), format: z.enum(formats) }
const Typed = z.object({ name: z.string(), type: ColumnType })

export const ReaderRequest = z.discriminatedUnion('kind', [
  /** Schema and statistics. */
  z.object({ kind: z.literal('describe'), ...file }),
  /** The values of these columns, in blocks of rows. */
  z.object({ kind: z.literal('read'), ...file, columns: z.array(Typed) }),
  /** How many values lie where on these scales. */
  z.object({ kind: z.literal('count'), ...file, columns: z.array(Typed.extend({ scale: ColumnScale })) }),
])
export type ReaderRequest = z.infer<typeof ReaderRequest>

/** Values of one column: numbers (NaN is missing) or texts (null is missing). */
export const Block = z.union([z.instanceof(Float64Array), z.array(z.string().nullable())])
export type Block = z.infer<typeof Block>

export const ReaderReply = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('up') }),
  z.object({ kind: z.literal('described'), rows: z.number().int(), columns: z.array(ColumnSummary) }),
  /** Column by column, as they were asked for. */
  z.object({ kind: z.literal('block'), rows: z.number().int(), columns: z.array(Block) }),
  z.object({ kind: z.literal('read'), rows: z.number().int() }),
  z.object({ kind: z.literal('counted'), rows: z.number().int(), counts: z.array(ColumnCounts) }),
  z.object({ kind: z.literal('failed'), code: z.enum(tableErrorCodes), message: z.string() }),
])
export type ReaderReply = z.infer<typeof ReaderReply>
