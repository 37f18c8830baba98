import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Labelled, Labels, matches, parseQuery, type Query } from '../../../hub/fleet/labels.ts'

const parse = (text: string): Query => {
  const parsed = parseQuery(text)
  if (!parsed.ok) throw new Error(`${text}: ${parsed.message} at ${parsed.at}`)
  return parsed.query
}

const device: Labelled = {
  id: 'd-1',
  profile: 'raspberry-pi-5',
  labels: { site: 'north', 'rack/row': '7', note: 'says "hi" \\ and (more)', state: 'or', empty: '' },
}

describe('a query', () => {
  test.each([
    ['all', true],
    ['not all', false],
    ['site = north', true],
    ['site=north', true],
    ['site = "north"', true],
    ['site = South', false],
    ['site != north', false],
    ['site != south', true],
    ['floor != 3', true],
    ['floor = ""', false],
    ['empty = ""', true],
    ['exists empty', true],
    ['exists floor', false],
    ['not exists floor', true],
    ['site in (south, north)', true],
    ['site in (south)', false],
    ['site not in (south, west)', true],
    ['floor not in (1)', true],
    ['id = d-1', true],
    ['profile = raspberry-pi-5 and site = north', true],
    ['rack/row = 7', true],
    ['state = or', true],
    ['state in (and, or, not, in)', true],
    ['note = "says \\"hi\\" \\\\ and (more)"', true],
    ['site = south or site = north and profile = x', false],
    ['(site = south or site = north) and profile = raspberry-pi-5', true],
    ['site = north or site = south and profile = x', true],
    ['not site = south and site = north', true],
    ['not (site = south or site = north)', false],
    ['not not site = north', true],
    ['exists constructor', false],
  ])('%s is %s', (text, holds) => {
    expect(matches(parse(text), device)).toBe(holds)
  })

  test.each([
    ['', 0, 'expected the name of a label, found the end'],
    ['site', 4, 'expected =, !=, "in" or "not in", found the end'],
    ['site =', 6, 'expected a value, found the end'],
    ['site = north and', 16, 'expected the name of a label, found the end'],
    ['site = north site = south', 13, 'expected and, or, or the end of the query, found "site"'],
    ['(site = north', 13, 'expected ), found the end'],
    ['site = north)', 12, 'expected and, or, or the end of the query, found ")"'],
    ['site in ()', 9, 'expected a value, found ")"'],
    ['site in (a b)', 11, 'expected ), found "b"'],
    ['site in (a,)', 11, 'expected a value, found ")"'],
    ['site not = a', 9, 'expected "in", found "="'],
    ['site ~ north', 5, '"~" cannot stand here'],
    ['site = "north', 7, 'a text in quotes that does not end cannot stand here'],
    ['site = "a\nb"', 7, 'a text in quotes that does not end cannot stand here'],
    ['Site = north', 0, 'Site cannot be the name of a label'],
    ['"site" = north', 0, 'expected the name of a label, found "site"'],
    ['exists and', 7, 'expected the name of a label, found "and"'],
    ['all all', 4, 'expected and, or, or the end of the query, found "all"'],
    [`${'('.repeat(100)}all${')'.repeat(100)}`, 32, 'more than 32 parentheses and "not" within each other'],
    [`${'not '.repeat(400)}all`, 128, 'more than 32 parentheses and "not" within each other'],
    [`site = ${'a'.repeat(3_000)}`, 2_000, 'a query is at most 2000 characters'],
  ])('%j is refused at %i', (text, at, message) => {
    expect(parseQuery(text)).toEqual({ ok: false, at, message })
  })
})

const keys = ['site', 'rack/row', 'a.b', 'id', 'profile', 'x_1']
const values = ['north', 'south', '', 'or', 'ä ö', 'say "x"', '\\', 'a,b', '7', '(', 'd-1']
const key = fc.constantFrom(...keys)
const value = fc.constantFrom(...values)

const query = fc.letrec<{ query: Query }>((tie) => ({
  query: fc.oneof(
    { depthSize: 'small', maxDepth: 5 },
    fc.constant<Query>({ kind: 'all' }),
    fc.record({ kind: fc.constant('in' as const), key, values: fc.array(value, { minLength: 1, maxLength: 4 }) }),
    fc.record({ kind: fc.constant('exists' as const), key }),
    fc.record({ kind: fc.constant('not' as const), query: tie('query') }),
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      queries: fc.array(tie('query'), { minLength: 2, maxLength: 3 }),
    }),
  ),
})).query

const aDevice = fc.record({
  id: fc.constantFrom('d-1', 'd-2'),
  profile: fc.constantFrom('north', 'x'),
  labels: fc.dictionary(fc.constantFrom('site', 'rack/row', 'a.b', 'x_1'), value, { noNullPrototype: true }),
})

const quote = (text: string) => `"${text.replaceAll(/["\\]/g, (letter) => `\\${letter}`)}"`

/** The query as text, with every part in parentheses. */
function print(query: Query): string {
  switch (query.kind) {
    case 'all':
      return 'all'
    case 'in':
      return `${query.key} in (${query.values.map(quote).join(',')})`
    case 'exists':
      return `exists ${query.key}`
    case 'not':
      return `not (${print(query.query)})`
    default:
      return query.queries.map((part) => `(${print(part)})`).join(` ${query.kind} `)
  }
}

/** What a query means, said another way: as a plain JavaScript expression. */
function meaning(query: Query, { id, profile, labels }: Labelled): boolean {
  const all = new Map(Object.entries({ ...labels, id, profile }))
  switch (query.kind) {
    case 'all':
      return true
    case 'in':
      return query.values.some((value) => all.get(query.key) === value)
    case 'exists':
      return all.has(query.key)
    case 'not':
      return !meaning(query.query, { id, profile, labels })
    case 'and':
      return query.queries.reduce((holds, part) => holds && meaning(part, { id, profile, labels }), true)
    case 'or':
      return query.queries.reduce((holds, part) => holds || meaning(part, { id, profile, labels }), false)
  }
}

const fuzz = { seed: 20261124, numRuns: 2_000 }

describe('every query', () => {
  test('means the same after it was written down and read', () => {
    fc.assert(
      fc.property(query, aDevice, (query, device) => {
        fc.pre(print(query).length <= 2_000)
        expect(matches(parse(print(query)), device)).toBe(meaning(query, device))
      }),
      fuzz,
    )
  })

  test('is either parsed or refused at a place within it; nothing else happens', () => {
    const noise = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc
        .array(
          fc.constantFrom('site', '=', '!=', 'in', 'not', '(', ')', ',', 'and', 'or', 'exists', 'all', '"', 'x', ' '),
          {
            maxLength: 40,
          },
        )
        .map((parts) => parts.join(' ')),
    )
    let parsedOnes = 0
    fc.assert(
      fc.property(noise, (text) => {
        const parsed = parseQuery(text)
        if (parsed.ok) {
          parsedOnes += 1
          matches(parsed.query, device)
        } else {
          expect(parsed.at).toBeGreaterThanOrEqual(0)
          expect(parsed.at).toBeLessThanOrEqual(text.length)
          expect(parsed.message).not.toBe('')
        }
      }),
      { ...fuzz, numRuns: 10_000 },
    )
    expect(parsedOnes).toBeGreaterThan(10)
  })

  test('is read whole, however long', () => {
    const text = Array.from({ length: 200 }, () => 'a = b').join(' or ')
    expect(text.length).toBeLessThan(2_000)
    expect(parse(text)).toMatchObject({ kind: 'or' })
    expect(parseQuery(`a = "${'\\\\'.repeat(900)}`)).toMatchObject({ ok: false, at: 4 })
  })
})

describe('labels', () => {
  test.each([
    { id: 'x' },
    { profile: 'x' },
    { and: 'x' },
    { all: 'x' },
    { Site: 'x' },
    { 'a b': 'x' },
    { '': 'x' },
    { 'a-': 'x' },
    { site: 'a\u0007' },
    { site: 'a'.repeat(254) },
  ])('%j are refused', (labels) => {
    expect(Labels.safeParse(labels).success).toBe(false)
  })

  test('may be what a query can ask for', () => {
    const labels = { site: 'north', 'rack/row': '7', 'a.b_c-d': 'ä "quoted"' }
    expect(Labels.parse(labels)).toEqual(labels)
  })

  test('are at most 64', () => {
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, '']))
    expect(Labels.safeParse(many).success).toBe(false)
  })
})
