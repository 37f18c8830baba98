import fc from 'fast-check'
import { expect, test } from 'vitest'
import { table } from '../../../hub/cli/output.ts'
import { columnsOf, cutToColumns } from '../../../hub/cli/terminal-columns.ts'

/** One letter each, as a person sees it, with the columns that a terminal gives it. */
const letters: readonly (readonly [letter: string, columns: number])[] = [
  ['x', 1],
  ['é', 1],
  ['e\u0301', 1],
  ['日', 2],
  ['Ａ', 2],
  // half-width katakana with its voiced mark, which has a column of its own
  ['ｶﾞ', 2],
  ['한', 2],
  // the same in its parts
  ['\u1112\u1161\u11ab', 2],
  // a Thai consonant with a vowel behind it
  ['กำ', 2],
  ['☺', 1],
  ['☺\ufe0f', 2],
  ['🦆', 2],
  ['👍🏽', 2],
  ['🇩🇪', 2],
  ['👩‍👩‍👧‍👦', 2],
  ['…', 1],
  ['\ufffd', 1],
]
const text = fc.array(fc.constantFrom(...letters), { maxLength: 12 })
type Text = (typeof letters)[number][]
const spelled = (of: Text) => of.map(([letter]) => letter).join('')
const wide = (of: Text) => of.reduce((sum, [, columns]) => sum + columns, 0)
const fuzz = { seed: 20261126, numRuns: 200 }

test.each(letters)('%s takes its columns', (letter, columns) => expect(columnsOf(letter)).toBe(columns))

test('what is not seen takes none', () => expect(columnsOf('a\u200bb\u200e')).toBe(2))

test('a text takes the columns of its letters, and is cut behind the last whole one that leaves room for the ellipsis', () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 26 }), (of, columns) => {
      expect(columnsOf(spelled(of))).toBe(wide(of))
      const fitting = of.findLastIndex((_, i) => wide(of.slice(0, i + 1)) <= columns - 1) + 1
      const expected = wide(of) <= columns ? spelled(of) : `${spelled(of.slice(0, fitting))}…`
      expect(cutToColumns(spelled(of), columns)).toBe(expected)
    }),
    fuzz,
  )
})

test('columns of a table begin below each other, and a row fits on the line of a terminal, whatever is in it', () => {
  const row = fc.tuple(text, text, text)
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), fc.integer({ min: 50, max: 80 }), (rows, columns) => {
      const cells = rows.map((row) => row.map(spelled))
      const [first, second] = ([0, 1] as const).map((i) => Math.max(1, ...rows.map((row) => wide(row[i]))))
      const padded = (of: Text, to = 0) => spelled(of) + ' '.repeat(to - wide(of))
      expect(table(['a', 'b', 'c'], cells, undefined).slice(1)).toEqual(
        rows.map(([a, b, c]) => `${padded(a, first)}  ${padded(b, second)}  ${spelled(c)}`.trimEnd()),
      )
      // the first is never cut: at most 24, and eight for each other
      for (const line of table(['a', 'b', 'c'], cells, columns)) expect(columnsOf(line)).toBeLessThanOrEqual(columns)
    }),
    fuzz,
  )
})

test('what a terminal would take for a command is counted as the sign that takes its place', () => {
  expect(
    table(
      ['name', 'next'],
      [
        ['a\u0007b', '1'],
        ['abc', '2'],
      ],
    ),
  ).toEqual(['name  next', 'a\ufffdb   1', 'abc   2'])
})
