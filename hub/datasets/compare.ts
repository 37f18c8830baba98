// Two snapshots against each other: what changed in the schema, and how far each column has moved. Both are counted on
// the scales of the first one. The measures are shared/drift's, on the same bins as a device's; they show, they decide
// nothing (docs/drift.md).

import { chiSquareContingency } from '@roost/shared/drift/chi-square.ts'
import { eachMeasure, measureColumn, measuredRowsMin } from '@roost/shared/drift/measures.ts'
import { type ColumnCounts, ColumnScale } from '@roost/shared/sketch/column.ts'
import { z } from 'zod'
import type { BlobStore } from '../storage/blobs.ts'
import { ColumnType } from './cells.ts'
import { readInProcess } from './reader-process.ts'
import type { Snapshot } from './snapshots.ts'
import type { ColumnSummary } from './summary.ts'

const Both = <S extends z.ZodType>(schema: S) => z.object({ from: schema, to: schema })
const Figure = z.number().nullable()

export const SchemaChanges = z.object({
  added: z.array(z.string()),
  removed: z.array(z.string()),
  /** Of another type than before. */
  retyped: z.array(z.object({ name: z.string(), ...Both(ColumnType).shape })),
  /** Without a missing value before, with one now. */
  nowNullable: z.array(z.string()),
})
export type SchemaChanges = z.infer<typeof SchemaChanges>

export const ColumnComparison = z.object({
  name: z.string(),
  type: ColumnType,
  /** Shares of the rows. */
  missing: Both(z.number()),
  mean: Both(Figure),
  standardDeviation: Both(Figure),
  distinct: Both(z.number()),
  /** Null where a measure does not apply, or fewer than 30 values are there. */
  ...eachMeasure(() => Figure),
  chiSquare: z.object({ statistic: z.number(), degrees: z.number(), pValue: z.number() }).nullable(),
  /** Counts of both on one scale; null where the first has no value. */
  counts: z.object({ scale: ColumnScale, ...Both(z.array(z.number())).shape }).nullable(),
})
export type ColumnComparison = z.infer<typeof ColumnComparison>

export type Comparison = { schema: SchemaChanges; columns: ColumnComparison[] }

/** Reads both files.
 *  @throws Problem overloaded */
export async function compareSnapshots(
  { blobs }: { blobs: BlobStore },
  from: Snapshot,
  to: Snapshot,
): Promise<Comparison> {
  const shared = from.columns.filter(({ name, type }) => columnOf(to, name)?.type === type)
  const counted = shared.flatMap(({ name, type, scale }) => (scale === null ? [] : [{ name, type, scale }]))
  const countsOf = async ({ digest, format }: Snapshot): Promise<Map<string, ColumnCounts>> => {
    if (counted.length === 0) return new Map()
    const request = { kind: 'count' as const, path: blobs.pathOf(digest), format, columns: counted }
    const { counts } = await readInProcess(request, 'counted')
    return new Map(counts.map((count, i) => [counted[i]?.name ?? '', count]))
  }
  const before = await countsOf(from)
  const after = from.digest === to.digest ? before : await countsOf(to)
  const columns = shared.map((column): ColumnComparison => {
    const { name } = column
    return compareColumn(column, columnOf(to, name) ?? column, before.get(name), after.get(name))
  })
  return { schema: schemaChanges(from.columns, to.columns), columns }
}

const columnOf = ({ columns }: Snapshot, name: string) => columns.find((column) => column.name === name)

type Described = Pick<ColumnSummary, 'name' | 'type' | 'nullable'>

export function schemaChanges(from: readonly Described[], to: readonly Described[]): SchemaChanges {
  const before = new Map(from.map((column) => [column.name, column]))
  const after = new Map(to.map((column) => [column.name, column]))
  return {
    added: to.filter(({ name }) => !before.has(name)).map(({ name }) => name),
    removed: from.filter(({ name }) => !after.has(name)).map(({ name }) => name),
    retyped: from.flatMap(({ name, type }) => {
      const now = after.get(name)?.type
      return now === undefined || now === type ? [] : [{ name, from: type, to: now }]
    }),
    nowNullable: to
      .filter(({ name, nullable }) => nullable && before.get(name)?.nullable === false)
      .map(({ name }) => name),
  }
}

/** Counts are on the scale of `from`; without them nothing is measured. */
export function compareColumn(
  from: ColumnSummary,
  to: ColumnSummary,
  before: ColumnCounts | undefined,
  after: ColumnCounts | undefined,
): ColumnComparison {
  const { scale } = from
  const both = <T>(figure: (column: ColumnSummary) => T) => ({ from: figure(from), to: figure(to) })
  const drift =
    scale === null || before === undefined || after === undefined
      ? { ...eachMeasure(() => null), chiSquare: null, counts: null }
      : { ...measured(from, scale, before, after), counts: { scale, from: before.bins, to: after.bins } }
  return {
    name: from.name,
    type: from.type,
    missing: both(({ statistics: { count, missing } }) => missing / (count + missing)),
    mean: both(({ statistics }) => statistics.mean),
    standardDeviation: both(({ statistics }) => statistics.standardDeviation),
    distinct: both(({ statistics }) => statistics.distinct),
    ...drift,
  }
}

function measured({ statistics }: ColumnSummary, scale: ColumnScale, before: ColumnCounts, after: ColumnCounts) {
  const { mean, standardDeviation } = statistics
  const windows = [[...before.bins, before.missing]]
  const measures = measureColumn({ kind: 'feature', scale, mean, standardDeviation, windows }, after)
  const enough = [before, after].every(({ bins }) => bins.reduce((sum, count) => sum + count, 0) >= measuredRowsMin)
  const categories = scale.type === 'categorical' && enough
  return { ...measures, chiSquare: categories ? chiSquareContingency(before.bins, after.bins) : null }
}
