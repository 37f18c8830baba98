// How the command line prints: tables for people, with --json exactly what the hub said for programs.

import { utcTime } from '../wording.ts'

export type Output = {
  /** With --json the data, else the lines. */
  print(data: unknown, lines: readonly string[]): void
}

export function createOutput(json: boolean, write: (text: string) => void): Output {
  return {
    print: (data, lines) =>
      write(json ? `${JSON.stringify(data, null, 2)}\n` : lines.map((line) => `${line}\n`).join('')),
  }
}

export type Cell = string | number | null | undefined

/** Columns padded to their widest cell, header first; "none" where there are no rows. */
export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  if (rows.length === 0) return ['none']
  const cells = [
    header,
    ...rows.map((row) => row.map((cell) => (cell === null || cell === undefined ? '' : String(cell)))),
  ]
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
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
