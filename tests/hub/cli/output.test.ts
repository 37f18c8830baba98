import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createOutput, table } from '../../../hub/cli/output.ts'
import { progressOn, waitingOn } from '../../../hub/cli/progress.ts'

const cell = fc.string({ minLength: 1, maxLength: 60 }).map((text) => `x${text.replaceAll(/\s/g, '-')}x`)
const rows = fc
  .integer({ min: 1, max: 6 })
  .chain((n) => fc.array(fc.array(cell, { minLength: n, maxLength: n }), { minLength: 1, maxLength: 5 }))

test('a table fits the terminal where its first column and eight characters of each other do; nothing else is cut', () => {
  fc.assert(
    fc.property(rows, fc.integer({ min: 20, max: 200 }), (cells, columns) => {
      const header = (cells[0] ?? []).map((_, i) => `h${i}`)
      const whole = table(header, cells, undefined)
      const fitted = table(header, cells, columns)
      const first = Math.max(2, ...cells.map((row) => row[0]?.length ?? 0))
      const needed = header.slice(1).reduce((sum, _, i) => {
        const widest = Math.max(2, ...cells.map((row) => row[i + 1]?.length ?? 0))
        return sum + 2 + Math.min(8, widest)
      }, first)
      for (const line of fitted) expect(line.length).toBeLessThanOrEqual(Math.max(columns, needed))
      if (whole.every((line) => line.length <= columns)) expect(fitted).toEqual(whole)
      for (const [i, row] of cells.entries()) expect(fitted[i + 1]?.startsWith(row[0] ?? '')).toBe(true)
    }),
    { seed: 20261126, numRuns: 300 },
  )
})

test('a cell that is cut says so', () => {
  expect(table(['id', 'text'], [['d-1', 'a long sentence about it']], 20)).toEqual([
    'id   text',
    'd-1  a long sentenc…',
  ])
})

test('what somebody logged gives no command to the terminal and makes no rows of its own; programs get it as it is', () => {
  const name = 'run\u001b]0;title\u0007\u009b2J\r\nfake  row'
  const written: string[] = []
  const write = (text: string) => void written.push(text)
  createOutput(false, write).print({ name }, [...table(['id', 'name'], [['r-1', name]]), `last: ${name}`])
  expect(written.join('')).toBe(
    'id   name\nr-1  run\ufffd]0;title\ufffd\ufffd2J fake  row\nlast: run\ufffd]0;title\ufffd\ufffd2J\ufffd\nfake  row\n',
  )
  written.length = 0
  createOutput(true, write).print({ name }, [])
  expect(JSON.parse(written.join(''))).toEqual({ name })
})

test('JSON gives no command to the terminal either, and says the same', () => {
  const control = fc.constantFrom('\u007f', '\u0080', '\u009b2J', '\u009f', '\\', '"', 'ü', '\u001b[2J', '\u{1f986}')
  const text = fc.oneof(
    fc.array(control).map((parts) => parts.join('')),
    fc.string({ unit: 'binary' }),
  )
  fc.assert(
    fc.property(fc.dictionary(text, text), (data) => {
      let written = ''
      createOutput(true, (piece) => {
        written += piece
      }).print({ data }, [])
      expect(written.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
      expect(JSON.parse(written)).toEqual({ data })
    }),
    { seed: 20261126, numRuns: 100 },
  )
})

test('half of a character is not left where a cell is cut', () => {
  expect(table(['id', 'text'], [['d-1', '🦆🦆🦆🦆🦆🦆🦆🦆']], 15)).toEqual(['id   text', 'd-1  🦆🦆🦆🦆…'])
})

test('progress is one line at a terminal, ended when all is sent, and nothing elsewhere', () => {
  const written: string[] = []
  const write = (text: string) => written.push(text)
  const halves = [0, 8_388_608, 16_777_216]
  for (const done of halves) progressOn({ isTTY: false, write })(done, 16_777_216)
  expect(written).toEqual([])
  for (const done of halves) progressOn({ isTTY: true, write })(done, 16_777_216)
  const sent = ['  0 %  0.0 of 16.0 MiB sent\r', ' 50 %  8.0 of 16.0 MiB sent\r', '100 %  16.0 of 16.0 MiB sent\n']
  expect(written).toEqual(sent)
})

test('what is waited for stands on one line of a terminal, which is empty again afterwards; nobody else hears of it', () => {
  const written: string[] = []
  const write = (text: string) => written.push(text)
  let nowMs = 5_000
  const silent = waitingOn({ isTTY: false, write }, () => nowMs)
  silent.say('e-1 is queued')
  silent.end()
  expect(written).toEqual([])
  const waiting = waitingOn({ isTTY: true, write }, () => nowMs)
  waiting.say('e-1 is queued')
  nowMs += 12_900
  waiting.say('e-1 is running')
  waiting.end()
  waiting.end()
  const toEnd = '\u001b[K'
  expect(written).toEqual([`\re-1 is queued, 0 s${toEnd}`, `\re-1 is running, 12 s${toEnd}`, `\r${toEnd}`])
})
