// The hot path of watching: one value in, a bin counted. Nothing is allocated by recording.
// All columns of a window share two buffers, because a typed array of its own costs more than the counts in it.

import { binCount, type ColumnCounts, type ColumnScale } from './column.ts'

/** Takes the values of one column, one a row. */
export interface ColumnRecorder {
  /** A number; NaN and the infinities count as missing. On a categorical scale the number is a category. */
  record(value: number): void
  /** A category, null is missing. On a numeric scale a text is missing. */
  recordCategory(value: string | number | null): void
  snapshot(): ColumnCounts
  reset(): void
}

/** A recorder for one scale; for the many columns of a window take createColumnRecorders, it needs less memory. */
export function createColumnRecorder(scale: ColumnScale): ColumnRecorder {
  const edges = scale.type === 'numeric' ? scale.edges.length : 0
  const numbers = new Float64Array(edges + momentCount)
  return columnRecorder(scale, numbers, 0, new Uint32Array(binCount(scale) + 1), 0)
}

/** One recorder for each scale, in their order. A count holds 2^32 - 1 rows and wraps beyond:
 *  at 10,000 rows a second five days, and a window lasts a day at most. */
export function createColumnRecorders(scales: readonly ColumnScale[]): ColumnRecorder[] {
  const numbersSize = (scale: ColumnScale) => momentCount + (scale.type === 'numeric' ? scale.edges.length : 0)
  const countsSize = (scale: ColumnScale) => binCount(scale) + 1
  const numbers = new Float64Array(scales.reduce((size, scale) => size + numbersSize(scale), 0))
  const counts = new Uint32Array(scales.reduce((size, scale) => size + countsSize(scale), 0))
  let numbersAt = 0
  let countsAt = 0
  return scales.map((scale) => {
    const recorder = columnRecorder(scale, numbers, numbersAt, counts, countsAt)
    numbersAt += numbersSize(scale)
    countsAt += countsSize(scale)
    return recorder
  })
}

/** What lies beyond counts as this much, in all but its bin: squares of 1e200 add up to infinity, which no report may hold,
 *  and one such number would cost its whole window. */
export const recordedMax = 1e140

/** min, max, sum, sum of squares. */
const momentCount = 4

function columnRecorder(
  scale: ColumnScale,
  numbers: Float64Array,
  numbersAt: number,
  counts: Uint32Array,
  countsAt: number,
): ColumnRecorder {
  return scale.type === 'numeric'
    ? new NumericRecorder(scale.edges, numbers, numbersAt, counts, countsAt)
    : new CategoricalRecorder(scale.values, counts, countsAt)
}

// Classes, where closures would do, for memory: methods on a prototype cost nothing a column.
class NumericRecorder implements ColumnRecorder {
  /** min, max, sum, sum of squares, then the edges, from `numbersAt`. */
  private readonly numbers: Float64Array
  private readonly numbersAt: number
  /** missing, then the bins, from `countsAt`. */
  private readonly counts: Uint32Array
  private readonly countsAt: number
  private readonly edgeCount: number

  constructor(
    edges: readonly number[],
    numbers: Float64Array,
    numbersAt: number,
    counts: Uint32Array,
    countsAt: number,
  ) {
    this.numbers = numbers
    this.numbersAt = numbersAt
    this.counts = counts
    this.countsAt = countsAt
    this.edgeCount = edges.length
    numbers.set(edges, numbersAt + momentCount)
    this.reset()
  }

  record(value: number): void {
    const { numbers, numbersAt, counts, countsAt } = this
    if (value - value !== 0) {
      counts[countsAt] = at(counts, countsAt) + 1
      return
    }
    // The number of edges <= value, by halving without an early exit: the same few steps for every value.
    let low = numbersAt + momentCount
    let length = this.edgeCount
    while (length > 1) {
      const half = length >>> 1
      low += at(numbers, low + half - 1) <= value ? half : 0
      length -= half
    }
    const bin = low - numbersAt - momentCount + (at(numbers, low) <= value ? 1 : 0)
    const slot = countsAt + 1 + bin
    counts[slot] = at(counts, slot) + 1
    const kept = value > recordedMax ? recordedMax : value < -recordedMax ? -recordedMax : value
    if (kept < at(numbers, numbersAt)) numbers[numbersAt] = kept
    if (kept > at(numbers, numbersAt + 1)) numbers[numbersAt + 1] = kept
    numbers[numbersAt + 2] = at(numbers, numbersAt + 2) + kept
    numbers[numbersAt + 3] = at(numbers, numbersAt + 3) + kept * kept
  }

  recordCategory(value: string | number | null): void {
    this.record(typeof value === 'number' ? value : Number.NaN)
  }

  snapshot(): ColumnCounts {
    const { numbers, numbersAt, counts, countsAt } = this
    const bins = Array.from(counts.subarray(countsAt + 1, countsAt + 2 + this.edgeCount))
    const empty = at(numbers, numbersAt) > at(numbers, numbersAt + 1)
    return {
      bins,
      missing: at(counts, countsAt),
      min: empty ? null : at(numbers, numbersAt),
      max: empty ? null : at(numbers, numbersAt + 1),
      sum: at(numbers, numbersAt + 2),
      sumSquares: at(numbers, numbersAt + 3),
    }
  }

  reset(): void {
    this.counts.fill(0, this.countsAt, this.countsAt + 2 + this.edgeCount)
    this.numbers[this.numbersAt] = Number.POSITIVE_INFINITY
    this.numbers[this.numbersAt + 1] = Number.NEGATIVE_INFINITY
    this.numbers[this.numbersAt + 2] = 0
    this.numbers[this.numbersAt + 3] = 0
  }
}

class CategoricalRecorder implements ColumnRecorder {
  private readonly slots: Map<string | number, number>
  /** missing, then one a value, then any other, from `countsAt`. */
  private readonly counts: Uint32Array
  private readonly countsAt: number

  constructor(values: readonly (string | number)[], counts: Uint32Array, countsAt: number) {
    this.slots = new Map(values.map((value, i) => [value, countsAt + 1 + i]))
    this.counts = counts
    this.countsAt = countsAt
  }

  record(value: number): void {
    this.recordCategory(value - value === 0 ? value : null)
  }

  recordCategory(value: string | number | null): void {
    const missing = value === null || Number.isNaN(value)
    const slot = missing ? this.countsAt : (this.slots.get(value) ?? this.countsAt + 1 + this.slots.size)
    this.counts[slot] = at(this.counts, slot) + 1
  }

  snapshot(): ColumnCounts {
    const bins = Array.from(this.counts.subarray(this.countsAt + 1, this.countsAt + 2 + this.slots.size))
    return { bins, missing: at(this.counts, this.countsAt), min: null, max: null, sum: 0, sumSquares: 0 }
  }

  reset(): void {
    this.counts.fill(0, this.countsAt, this.countsAt + 2 + this.slots.size)
  }
}

/** An element that is there by construction; 0 satisfies the type where it is not. V8 inlines it. */
function at(array: Float64Array | Uint32Array, index: number): number {
  return array[index] ?? 0
}
