// The Markdown of a model card as blocks of plain text: headings, paragraphs, lists and tables are all that a card has.
// What is shown is text: nothing in it becomes a link or HTML.

export type Block =
  | { kind: 'heading'; level: number; text: string }
  | { kind: 'paragraph'; text: string; isNote: boolean }
  | { kind: 'list'; items: string[] }
  | { kind: 'table'; header: string[]; rows: string[][] }

export function readCard(markdown: string): Block[] {
  return markdown
    .split(/\n{2,}/)
    .map((block) => block.trim())
    .filter((block) => block !== '')
    .map(readBlock)
}

function readBlock(block: string): Block {
  const lines = block.split('\n')
  const heading = /^(#{1,6}) (.*)$/.exec(block)
  if (heading !== null) return { kind: 'heading', level: heading[1]?.length ?? 1, text: plain(heading[2] ?? '') }
  if (lines.every((line) => line.startsWith('| ') || line.startsWith('|-'))) {
    const [header = [], , ...rows] = lines.map(cellsOf)
    return { kind: 'table', header, rows }
  }
  if (lines.every((line) => line.startsWith('- '))) {
    return { kind: 'list', items: lines.map((line) => plain(line.slice(2))) }
  }
  const note = /^_([^_]*)_$/.exec(block)
  return { kind: 'paragraph', text: plain(note?.[1] ?? block), isNote: note !== null }
}

/** What stands between bars that are not escaped. */
function cellsOf(line: string): string[] {
  const cells: string[] = []
  let cell = ''
  for (let at = 1; at < line.length; at++) {
    const letter = line[at]
    if (letter === '\\') {
      cell += line.slice(at, at + 2)
      at += 1
    } else if (letter === '|') {
      cells.push(plain(cell.trim()))
      cell = ''
    } else cell += letter
  }
  return cells
}

/** Without the backslashes that kept signs from meaning anything. */
const plain = (text: string): string => text.replaceAll(/\\([!-/:-@[-`{-~])/g, '$1')
