// The last values of the fields of one key, and what is computed over them. Nothing is kept running: every value is
// computed anew from the window, oldest first, so that its bits depend on the window alone, not on what ran before.

/** How many of its last values a field keeps, the newest included. */
export type Layout = { rows: number[]; starts: number[]; cells: number }

/** Each value is written twice, `rows` cells apart, so that any window up to `rows` lies in one piece. */
export function layOut(rows: number[]): Layout {
  const starts: number[] = []
  let cells = 0
  for (const count of rows) {
    starts.push(cells)
    cells += 2 * count
  }
  return { rows, starts, cells }
}

export type History = { cells: Float64Array; records: number }

/** An empty history: NaN everywhere, so that a record that never was and a missing value are the same thing. */
export function emptyHistory(layout: Layout): History {
  return { cells: new Float64Array(layout.cells).fill(Number.NaN), records: 0 }
}

/** Writes the values of one record, one a field. */
export function append(history: History, layout: Layout, values: Float64Array): void {
  for (let field = 0; field < layout.rows.length; field++) {
    const rows = layout.rows[field] ?? 1
    const at = (layout.starts[field] ?? 0) + (history.records % rows)
    history.cells[at] = history.cells[at + rows] = values[field] ?? Number.NaN
  }
  history.records += 1
}

/** The cell of the newest value of a field; the `n`-th before it lies `n` cells lower. */
export function newestCell(history: History, layout: Layout, field: number): number {
  const rows = layout.rows[field] ?? 1
  return (layout.starts[field] ?? 0) + rows + ((history.records - 1) % rows)
}

/** Mean of the present values among the `rows` cells that end at `newest`; NaN when the newest is missing.
 *  Summed as differences from the newest value: exact for a constant window, and no loss of digits on a high level. */
export function windowMean(cells: Float64Array, newest: number, rows: number): number {
  const level = cells[newest] ?? Number.NaN
  let sum = 0
  let present = 0
  for (let i = newest - rows + 1; i <= newest; i++) {
    const value = cells[i] ?? Number.NaN
    if (!Number.isNaN(value)) {
      sum += value - level
      present += 1
    }
  }
  return level + sum / present
}

/** Population standard deviation of the same values about their `mean`; 0 for one value. */
export function windowDeviation(cells: Float64Array, newest: number, rows: number, mean: number): number {
  let sum = 0
  let present = 0
  for (let i = newest - rows + 1; i <= newest; i++) {
    const value = cells[i] ?? Number.NaN
    if (!Number.isNaN(value)) {
      sum += (value - mean) * (value - mean)
      present += 1
    }
  }
  return Math.sqrt(sum / present)
}
