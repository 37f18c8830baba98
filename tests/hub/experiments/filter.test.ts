// The filter language: what it reads, and that nothing a client writes becomes anything but a bound value.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FilterError, parseFilter, parseOrder } from '../../../hub/experiments/filter.ts'
import { compileFilter, compileOrder, runVocabulary } from '../../../hub/experiments/run-filter.ts'
import { globOf } from '../../../hub/experiments/sql.ts'

const seed = Number(process.env.FC_SEED ?? 20261125)
const check = <T>(property: fc.IProperty<T>) => fc.assert(property, { seed, numRuns: 500 })
const parse = (text: string) => parseFilter(text, runVocabulary)

describe('it reads', () => {
  const number = (entity: string, key: string, operator: string, value: number) => ({
    kind: 'number',
    entity,
    key,
    operator,
    value,
  })
  const text = (entity: string, key: string, operator: string, value: string) => ({
    kind: 'text',
    entity,
    key,
    operator,
    value,
  })
  test.each([
    ['', []],
    ['  \n', []],
    ['metrics.rmse < 0.5', [number('metric', 'rmse', '<', 0.5)]],
    ['metric.a>=-1e-3', [number('metric', 'a', '>=', -0.001)]],
    [
      'params.lr = \'0.1\' and tag.mlflow.source.name != "x"',
      [text('param', 'lr', '=', '0.1'), text('tag', 'mlflow.source.name', '!=', 'x')],
    ],
    ['params."learning rate" = \'a\'', [text('param', 'learning rate', '=', 'a')]],
    ['metrics.`val.loss/1` = 1', [number('metric', 'val.loss/1', '=', 1)]],
    ["tags.`it's` LIKE 'a%'", [text('tag', "it's", 'LIKE', 'a%')]],
    ["params.p = 'it''s'", [text('param', 'p', '=', "it's")]],
    ["params.p = 'a AND params.q = ''b'''", [text('param', 'p', '=', "a AND params.q = 'b'")]],
    ["status = 'FINISHED'", [text('attribute', 'status', '=', 'FINISHED')]],
    ["attributes.`Run name` ilike '%X'", [text('attribute', 'run_name', 'ILIKE', '%X')]],
    ['attr.Created > 5', [number('attribute', 'start_time', '>', 5)]],
    [
      "run.run_id IN ('a', 'b')",
      [{ kind: 'list', entity: 'attribute', key: 'run_id', operator: 'IN', values: ['a', 'b'] }],
    ],
    ["run_id not in ('a')", [{ kind: 'list', entity: 'attribute', key: 'run_id', operator: 'NOT IN', values: ['a'] }]],
    ["dataset.context = 'training'", [text('dataset', 'context', '=', 'training')]],
    [
      'tags.a IS NULL AND params.b is not null',
      [
        { kind: 'absent', entity: 'tag', key: 'a' },
        { kind: 'present', entity: 'param', key: 'b' },
      ],
    ],
    ["tags.and = 'and' AND metrics.in > 1", [text('tag', 'and', '=', 'and'), number('metric', 'in', '>', 1)]],
  ])('%s', (filter, comparisons) => {
    expect(parse(filter)).toEqual(comparisons)
  })
})

describe('it refuses, and says what', () => {
  test.each([
    ['params.n > 3', 'comparator'],
    ['params.n = 3', 'quoted string'],
    ["metrics.a = '1'", 'numeric'],
    ["metrics.a LIKE '1'", 'comparator'],
    ["metrics.a IN ('1')", 'list'],
    ['metrics.a IS NULL', 'IS NULL'],
    ["params.a = 'x' OR params.b = 'y'", 'expected AND'],
    ["(params.a = 'x')", 'Invalid clause'],
    ["params.a = 'x' AND", 'ends too early'],
    ["AND params.a = 'x'", 'Invalid attribute key'],
    ['metrics.', 'Invalid clause'],
    ['metrics', 'Invalid attribute key'],
    ['metrics.a', 'ends too early'],
    ['metrics.a >', 'ends too early'],
    ["params.a = 'x", 'Invalid clause'],
    ["nothing.a = 'x'", 'entity type'],
    ["artifact = 'x'", 'attribute key'],
    ["constructor = 'x'", 'attribute key'],
    ["constructor.a = 'x'", 'entity type'],
    ["dataset.size = 'x'", 'dataset key'],
    ['run_id IN ()', 'quoted'],
    ["run_id IN ('a'", 'ends too early'],
    ['params.a = params.b', 'quoted string'],
    ['metrics.a > 1; DROP TABLE runs', 'expected AND'],
    ['metrics.a > 1 -- x', 'expected AND'],
    [`tags.a LIKE '${'%'.repeat(9)}'`, '%'],
    [Array.from({ length: 26 }, () => 'metrics.a > 1').join(' AND '), 'at most'],
    ['x'.repeat(100_001), 'at most'],
  ])('%s', (filter, why) => {
    expect(() => parse(filter)).toThrow(FilterError)
    expect(() => parse(filter)).toThrow(why)
  })

  test.each(['metrics.a up', 'metrics.a DESC DESC', 'dataset.name', '', 'nothing', 'metrics.a, metrics.b', '1'])(
    'the order %s',
    (order) => {
      expect(() => parseOrder(order, runVocabulary)).toThrow(FilterError)
    },
  )
})

const quotes = ["'", '"', '`']
const quote = (text: string, by: string) =>
  by === '`' ? `\`${text.replaceAll('`', '')}\`` : by + text.replaceAll(by, by + by) + by
/** What attackers and careless people write. */
const anyText = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom("' OR 1=1 --", '"; DROP TABLE runs; --', '?', '?1', ':a', '$x', '%_*?[]', 'a.b', "''"),
)

test(`whatever stands in quotes is only ever a value (seed ${seed})`, () => {
  check(
    fc.property(
      anyText,
      anyText,
      fc.constantFrom(...quotes),
      fc.constantFrom('=', '!=', 'LIKE', 'ILIKE'),
      (key, value, by, operator) => {
        fc.pre(key !== '' && !(by === '`' && (key.includes('`') || value.includes('`'))) && value.split('%').length < 9)
        const [comparison] = parse(`params.${quote(key, by)} ${operator} ${quote(value, by)}`)
        expect(comparison).toEqual({ kind: 'text', entity: 'param', key, operator, value })
        const { joins, conditions } = compileFilter(comparison === undefined ? [] : [comparison])
        const plain = compileFilter(parse(`params.k ${operator} 'v'`))
        expect([joins, conditions].map((some) => some.map(({ sql }) => sql))).toEqual(
          [plain.joins, plain.conditions].map((some) => some.map(({ sql }) => sql)),
        )
        for (const { sql, args } of [...joins, ...conditions]) expect(sql.split('?').length - 1).toBe(args.length)
      },
    ),
  )
})

test(`any text is read or refused in words, in no time (seed ${seed})`, () => {
  const words = fc.constantFrom(
    'metrics.a',
    'params."b c"',
    "'x'",
    '>',
    '=',
    'IN',
    'NOT',
    '(',
    ')',
    ',',
    'AND',
    'IS',
    'NULL',
    '1',
    '-1e9',
    'LIKE',
    '`',
    '"',
    "'",
    '.',
    '\\',
  )
  check(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words, { maxLength: 40 }).map((some) => some.join(' ')),
      ),
      (text) => {
        for (const read of [() => parse(text), () => [parseOrder(text, runVocabulary)]]) {
          try {
            expect(Array.isArray(read())).toBe(true)
          } catch (error) {
            expect(error).toBeInstanceOf(FilterError)
          }
        }
      },
    ),
  )
})

test(`numbers are read as JavaScript reads them (seed ${seed})`, () => {
  check(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(parse(`metrics.a = ${value}`)).toMatchObject([{ value }])
    }),
  )
})

test(`a pattern matches what SQL says it does (seed ${seed})`, () => {
  const character = fc.constantFrom('a', 'b', '*', '?', '[', ']', '^', '-', '.')
  check(
    fc.property(fc.array(fc.oneof(character, fc.constantFrom('%', '_'))), (pattern) => {
      // each piece of the GLOB stands for the piece of the pattern
      const glob = globOf(pattern.join(''))
      const back = glob.replaceAll(
        /\[([*?[])\]|\*|\?/g,
        (token, kept: string | undefined) => kept ?? (token === '*' ? '%' : '_'),
      )
      expect(back).toBe(pattern.join(''))
    }),
  )
})

test('an order ends in what makes every run differ from every other', () => {
  const { terms } = compileOrder([parseOrder('metrics.a DESC', runVocabulary)])
  expect(terms.slice(-2).map(({ sql, descending }) => [sql, descending])).toEqual([
    ['r.start_time', true],
    ['r.id', false],
  ])
  expect(parseOrder('metrics.`a b` desc', runVocabulary)).toEqual({ entity: 'metric', key: 'a b', descending: true })
})
