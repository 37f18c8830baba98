// What the demo tells while it runs: numbered steps, a line or two for each with the figures, small tables.

export type Cell = string | number | undefined

export type Narration = {
  step: (title: string) => void
  say: (text: string) => void
  table: (header: readonly string[], rows: readonly (readonly Cell[])[]) => void
  /** Lines to be copied, as they are. */
  code: (lines: readonly string[]) => void
  /** "6, a canary takes v2": where the demo is. */
  currentStep: () => string
  seconds: () => number
}

/** @param clock steady milliseconds
 *  @param strong how a title stands out */
export function createNarration(
  write: (text: string) => void,
  clock: () => number,
  strong: (text: string) => string,
): Narration {
  const startedMs = clock()
  const seconds = () => (clock() - startedMs) / 1000
  let number = 0
  let current = 'the start'

  return {
    step(title) {
      number += 1
      current = `step ${number}, ${title}`
      write(`\n${strong(`${String(number).padStart(2)}  ${title}`)}   [${seconds().toFixed(0)} s]\n`)
    },
    say: (text) => write(wrapped(text)),
    table: (header, rows) =>
      write(
        aligned(header, rows)
          .map((line) => `      ${line}\n`)
          .join(''),
      ),
    code: (lines) => write(lines.map((line) => `      ${line}\n`).join('')),
    currentStep: () => current,
    seconds,
  }
}

/** Columns as wide as their widest cell; figures stand to the right, words to the left. */
function aligned(header: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const cells = [header, ...rows.map((row) => header.map((_, column) => textOf(row[column])))]
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const figures = header.map((_, column) => rows.every((row) => isFigure(row[column])))
  const pad = (cell: string, column: number) =>
    figures[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)
  return cells.map((row) => row.map(pad).join('  ').trimEnd())
}

const textOf = (cell: Cell): string => (typeof cell === 'number' ? count(cell) : (cell ?? ''))

const isFigure = (cell: Cell): boolean => /^(-|-?\d[\d,.]*( of [\d,]+)?)?$/.test(textOf(cell))

const widthMax = 116
const indent = '    '

/** Where a line may end: at a space, but not between a figure and its unit. */
const lineEnd = / (?!(?:s|ms|%)(?:[ ,.;:)]|$))/

/** Later lines as far in as the first. */
function wrapped(text: string): string {
  const hanging = `${indent}${/^ */.exec(text)?.[0] ?? ''}`
  const lines: string[] = []
  let line = indent
  for (const word of text.split(lineEnd)) {
    if (line.length + word.length > widthMax && line.trim() !== '') {
      lines.push(line.trimEnd())
      line = hanging
    }
    line += `${word} `
  }
  return [...lines, line.trimEnd(), ''].join('\n')
}

export const count = (value: number): string => value.toLocaleString('en-US')

/** "a, b and c" */
export function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? ''
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`
}
