// Strict JSON: one text, one meaning, for every parser that may ever read it.

import { depthMax, parseStrictJson } from '@roost/shared/trust/strict-json.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { outcomeOf } from './builders.ts'

const seed = 20_261_124
const parse = (text: string | Uint8Array): unknown => parseStrictJson(Buffer.from(text), z.unknown())

describe('refused', () => {
  test.each([
    ['a key twice', '{"a":1,"a":2}'],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2}'],
    ['a key twice, apart and deep', '{"x":[{"a":1,"b":{"a":1},"a":2}]}'],
    ['a key twice, with white space before the colon', '{"a" \n\t:1,"a"\r :2}'],
    ['the empty key twice', '{"":1,"":2}'],
    ['the key __proto__', '{"__proto__":{"admin":true}}'],
    ['the key __proto__, escaped', '{"\\u005f_proto__":1}'],
    ['a byte order mark', '\ufeff{}'],
    ['a comment', '{"a":1/**/}'],
    ['a trailing comma', '{"a":1,}'],
    ['single quotes', "{'a':1}"],
    ['NaN', '{"a":NaN}'],
    ['a leading zero', '{"a":01}'],
    ['a plain newline in a string', '{"a":"\n"}'],
    ['a second value', '{} {}'],
    ['nothing', ''],
    ['nesting beyond the bound', '['.repeat(depthMax + 1) + ']'.repeat(depthMax + 1)],
    ['nesting that exhausts naive parsers', '['.repeat(500_000) + ']'.repeat(500_000)],
  ])('%s', (_, text) => {
    expect(outcomeOf(() => parse(text))).toBe('malformed')
  })

  test.each([
    ['a lone continuation byte', [0x22, 0x80, 0x22]],
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['UTF-16', [0x7b, 0x00, 0x7d, 0x00]],
  ])('%s', (_, bytes) => {
    expect(outcomeOf(() => parse(Uint8Array.from(bytes)))).toBe('malformed')
  })

  test('numbers that are no safe integer, where an integer is due', () => {
    const schema = z.object({ n: z.number().int() })
    for (const number of ['1e400', '-1e400', '9007199254740993', '1.5', '"1"'])
      expect(
        outcomeOf(() => parseStrictJson(Buffer.from(`{"n":${number}}`), schema)),
        number,
      ).toBe('malformed')
  })
})

describe('accepted', () => {
  test.each([
    '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}',
    '["a","a",":",":"]',
    '{"a":"\\"a\\":1","b":"a\\\\"}',
    '{"a":"}","b":"{"}',
    `${'['.repeat(depthMax)}${']'.repeat(depthMax)}`,
    ' {"constructor" : 1 , "toString" : 2 } ',
  ])('%s', (text) => {
    expect(parse(text)).toEqual(JSON.parse(text))
  })

  test('any JSON value is read as JSON.parse reads it', () => {
    const property = fc.property(fc.json({ maxDepth: 6, noUnicodeString: false }), (text) => {
      fc.pre(!text.includes('__proto__'))
      expect(parse(text)).toEqual(JSON.parse(text))
    })
    fc.assert(property, { seed, numRuns: 3000 })
  })
})

describe('fuzzed', () => {
  // Pieces that make JSON or nearly so; whatever comes out, the reader gives a value or `malformed`, and what it takes
  // must mean the same to a reader that keeps the first of two equal keys.
  const piece = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"a":',
      '"\\u0061":',
      '"b":',
      '1',
      '-0',
      '1e400',
      'null',
      ' ',
      '"',
      '\\',
      '\u0000',
    ],
  )
  const nearly = fc.oneof(
    fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join('')),
    fc
      .array(
        fc.tuple(
          fc.constantFrom('"a"', '"\\u0061"', '"b"', '"c"', '" a"'),
          fc.constantFrom('1', '{}', '{"a":1}', '"a"'),
        ),
      )
      .map((pairs) => `{${pairs.map(([key, value]) => `${key}:${value}`).join(',')}}`),
  )

  test('a text gives a value or is malformed, and no value depends on which of two equal keys counts', () => {
    let taken = 0
    const property = fc.property(nearly, (text) => {
      if (outcomeOf(() => parse(text)) !== 'accepted') return
      taken++
      expect(firstKeyWins(text)).toEqual(JSON.parse(text))
    })
    fc.assert(property, { seed, numRuns: 20_000 })
    expect(taken).toBeGreaterThan(1000)
  })

  test('random bytes never do more than be refused', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      expect(['malformed', 'accepted']).toContain(outcomeOf(() => parse(bytes)))
    })
    fc.assert(property, { seed, numRuns: 5000 })
  })
})

/** Reads like JSON.parse, but keeps the first of two equal keys: renames each repeat by its position, then drops it. */
function firstKeyWins(text: string): unknown {
  let depth = 0
  const seen: Set<string>[] = []
  const marked = text.replace(/"(?:[^"\\]|\\.)*"(\s*:)?|[{}]/g, (token, colon: string | undefined, at: number) => {
    if (token === '{') seen[depth++] = new Set()
    if (token === '}') depth--
    if (colon === undefined) return token
    const key: unknown = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1))
    const keys = seen[depth - 1]
    if (keys === undefined || !keys.has(String(key))) {
      keys?.add(String(key))
      return token
    }
    return `"repeat-${at}":`
  })
  return JSON.parse(marked, (key, value: unknown) => (key.startsWith('repeat-') ? undefined : value))
}
