// A Markdown page as tests read it: its sections by heading, their tables row by row, its links and their anchors.

export type Table = { header: string[]; rows: string[][] }
export type Section = { heading: string; level: number; tables: Table[] }

/** Every heading with the tables between it and the next heading. Fenced blocks hold neither. */
export function readSections(markdown: string): Section[] {
  const sections: Section[] = []
  let table: Table | undefined
  for (const line of withoutFences(markdown).split('\n')) {
    const [, marks, heading] = /^(#{1,6}) (.+)$/.exec(line) ?? []
    if (marks !== undefined && heading !== undefined) sections.push({ heading, level: marks.length, tables: [] })
    if (!line.startsWith('|')) {
      table = undefined
      continue
    }
    const cells = cellsOf(line)
    if (table === undefined) {
      table = { header: cells, rows: [] }
      sections.at(-1)?.tables.push(table)
    } else if (!cells.every((cell) => /^:?-+:?$/.test(cell))) table.rows.push(cells)
  }
  return sections
}

/** What stands between backticks in a cell. */
export const codeIn = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '')

/** The anchor GitHub gives a heading. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

/** Targets of all links, those of pictures included. */
export const linksOf = (markdown: string): string[] =>
  [...withoutFences(markdown).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '')

const withoutFences = (markdown: string): string => markdown.replaceAll(/^ *```.*?^ *```/gms, '')

const cellsOf = (line: string): string[] =>
  line
    .slice(1, line.lastIndexOf('|'))
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim())
