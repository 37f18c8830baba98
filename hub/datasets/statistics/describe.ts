// The second of two readings of a snapshot: statistics of every column, each in memory that does not grow with the rows.

import { chooseScale } from '@roost/shared/drift/baseline.ts'
import { binsMax, type ColumnScale } from '@roost/shared/sketch/column.ts'
import { numberOf, textOf } from '../cells.ts'
import type { SchemaColumn } from '../schema.ts'
import { type ColumnSummary, quantileShares, type Statistics } from '../summary.ts'
import type { Table } from '../table.ts'
import { createDistinctCount } from './distinct.ts'
import { createQuantiles, type Quantiles } from './quantiles.ts'
import { createTopValues } from './top-values.ts'

/** What all columns share: 8 MiB of quantile buffers a level (of which there are few), and top values. */
const quantileValuesMax = 1_048_576
const topValuesMax = 131_072
/** Longer texts are told apart by their beginning only. */
const keptCharacters = 200
const shownTop = 20
/** Points on a column's distribution that its scale is chosen from. */
const scalePoints = 4_096

/** @throws TableError */
export async function describeColumns(table: Table, columns: readonly SchemaColumn[]): Promise<ColumnSummary[]> {
  const describers = columns.map((column) => createDescriber(column, columns.length))
  for await (const cells of table.rows) {
    for (const [i, describer] of describers.entries()) describer.add(cells[i])
  }
  return describers.map(({ finish }) => finish())
}

type Describer = { add(cell: unknown): void; finish(): ColumnSummary }

function createDescriber(column: SchemaColumn, beside: number): Describer {
  const room = evenWithin(quantileValuesMax / beside, 256, 65_536)
  const topRoom = evenWithin(topValuesMax / beside, 2 * binsMax, 2_048)
  return column.type === 'text' ? textDescriber(column, topRoom) : numberDescriber(column, column.type, room, topRoom)
}

const evenWithin = (wanted: number, least: number, most: number) =>
  2 * Math.floor(Math.min(most, Math.max(least, wanted)) / 2)

function numberDescriber(
  column: SchemaColumn,
  type: Exclude<SchemaColumn['type'], 'text'>,
  room: number,
  topRoom: number,
): Describer {
  const quantiles = createQuantiles(room)
  const frequent = createFrequent<number>(topRoom)
  let missing = 0
  let count = 0
  // Welford, "Note on a method for calculating corrected sums of squares and products" (1962)
  let mean = 0
  let squares = 0
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  return {
    add: (cell) => {
      const value = numberOf(cell, type)
      if (Number.isNaN(value)) {
        missing += 1
        return
      }
      count += 1
      const offset = value - mean
      mean += offset / count
      squares += offset * (value - mean)
      min = Math.min(min, value)
      max = Math.max(max, value)
      quantiles.add(value)
      frequent.add(value === 0 ? 0 : value) // no -0
    },
    finish: () => {
      const values = quantiles.at(quantileShares)
      const empty = count === 0
      return {
        ...column,
        statistics: {
          count,
          missing,
          ...frequent.finish(),
          min: empty ? null : min,
          max: empty ? null : max,
          mean: empty ? null : finiteOrNull(mean),
          standardDeviation: empty ? null : finiteOrNull(Math.sqrt(Math.max(0, squares / count))),
          quantiles: empty ? [] : quantileShares.map((share, i) => ({ share, value: values[i] ?? 0 })),
          quantileRankError: quantiles.rankError(),
        },
        scale: empty ? null : scaleOf(quantiles, min, max),
      }
    },
  }
}

/** Sums of doubles near their limit overflow: then there is no figure that could be told. */
const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** With the outermost values: the sketch may have dropped them. */
const scaleOf = (quantiles: Quantiles, min: number, max: number): ColumnScale =>
  chooseScale(Float64Array.from([min, ...quantiles.spread(scalePoints), max]))

function textDescriber(column: SchemaColumn, topRoom: number): Describer {
  const frequent = createFrequent<string>(topRoom)
  let count = 0
  let missing = 0
  return {
    add: (cell) => {
      const text = textOf(cell)
      if (text === null) {
        missing += 1
        return
      }
      count += 1
      frequent.add(shortText(text))
    },
    finish: () => ({
      ...column,
      statistics: {
        count,
        missing,
        ...frequent.finish(),
        min: null,
        max: null,
        mean: null,
        standardDeviation: null,
        quantiles: [],
        quantileRankError: 0,
      },
      scale:
        count === 0 ? null : { type: 'categorical', values: frequent.values.top(binsMax).map(({ value }) => value) },
    }),
  }
}

/** How a text is written among top values and categories. */
export const shortText = (text: string): string =>
  text.length <= keptCharacters ? text : `${text.slice(0, keptCharacters).toWellFormed()}…`

/** Top values, and the number of different ones: exact while all can be kept. */
function createFrequent<V extends string | number>(room: number) {
  const distinct = createDistinctCount()
  let dropped = false
  const values = createTopValues<V>(room, () => {
    dropped = true
    for (const value of values.all() ?? []) distinct.add(value)
  })
  return {
    values,
    add: (value: V) => {
      values.add(value)
      if (dropped) distinct.add(value)
    },
    finish: (): Pick<Statistics, 'distinct' | 'distinctExact' | 'top' | 'topError'> => ({
      distinct: values.distinct() ?? distinct.estimate(),
      distinctExact: values.distinct() !== undefined,
      top: values.top(shownTop),
      topError: values.error(),
    }),
  }
}
