// How the command line prints: tables for people, with --json exactly what the hub said for programs.

import { utcTime } from '../wording.ts'
import { columnsOf, cutToColumns, padToColumns } from './terminal-columns.ts'

export type Output = {
  /** With --json the data, else the lines. */
  print(data: unknown, lines: readonly string[]): void
}

export function createOutput(json: boolean, write: (text: string) => void): Output {
  return {
    print: (data, lines) =>
      write(
        json ? `${legibleJson(JSON.stringify(data, null, 2))}\n` : lines.map((line) => `${legible(line)}\n`).join(''),
      ),
  }
}

/** Without what a terminal takes for a command: whoever names a run, and a device that says what happened on it, moves
 *  nobody's cursor. Lines and tabs stay. */
export const legible = (text: string): string => text.replace(/(?![\n\t])\p{Cc}/gu, '\ufffd')

/** The same in JSON, which may hold these as they are within its strings: it says what it said before. */
export const legibleJson = (json: string): string =>
  json.replace(/[\u007f-\u009f]/g, (control) => `\\u00${control.charCodeAt(0).toString(16)}`)

export type Cell = string | number | null | undefined

/** Columns padded to their widest cell, header first; "none" where there are no rows. At a terminal the widest columns are
 *  cut so that a row fits on a line, but never the first, which names things; what is piped is whole.
 *  @param columns of the terminal, undefined for none */
export function table(
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
  columns: number | undefined = process.stdout.isTTY ? process.stdout.columns : undefined,
): string[] {
  if (rows.length === 0) return ['none']
  const cells = [
    header,
    ...rows.map((row) => row.map((cell) => (cell === null || cell === undefined ? '' : onOneLine(String(cell))))),
  ]
  const widest = header.map((_, column) => Math.max(...cells.map((row) => columnsOf(row[column] ?? ''))))
  const widths = fittingWidths(widest, columns)
  return cells.map((row) =>
    row
      .map((cell, column) => padToColumns(cutToColumns(cell, widths[column] ?? 0), widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** A row is a line, whatever stands in it. */
const onOneLine = (text: string): string => legible(text.split(/[\n\r\t\u2028\u2029]+/).join(' '))

/** Narrower tells nothing. */
const columnWidthMin = 8

/** The widest is narrowed first, as far as the next. */
function fittingWidths(widths: readonly number[], columns: number | undefined): readonly number[] {
  if (columns === undefined) return widths
  const fitting = [...widths]
  const lineLength = () => fitting.reduce((sum, width) => sum + width, 2 * (fitting.length - 1))
  while (lineLength() > columns) {
    const most = Math.max(...fitting.slice(1))
    if (most <= columnWidthMin) break
    fitting[fitting.indexOf(most, 1)] = most - 1
  }
  return fitting
}

/** A measured number, short enough to stand beside others: six digits. */
export const figure = (value: number | string): string =>
  typeof value === 'string' ? value : String(Number(value.toPrecision(6)))

/** `2026-11-24 08:15:02`, UTC; empty for null. */
export const time = (ms: number | null | undefined): string => (ms === null || ms === undefined ? '' : utcTime(ms))

/** `line=3 site=north` */
export const labelWords = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ')

/** A figure: four digits after the point, six that count where it is large. */
export const digits = (value: number): string => (Math.abs(value) < 1000 ? value.toFixed(4) : value.toPrecision(6))
