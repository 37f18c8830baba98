import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseRule } from '../../../hub/promotion/parse-rule.ts'
import {
  type Bound,
  byteUnits,
  comparators,
  type Metric,
  printRule,
  type Rule,
  versionMeasures,
} from '../../../hub/promotion/rule.ts'

const parse = (text: string): Rule => {
  const parsed = parseRule(text)
  if (!parsed.ok) throw new Error(`${text}: ${parsed.message} at ${parsed.at}`)
  return parsed.rule
}

describe('a rule', () => {
  test.each([
    ['accuracy >= champion - 0.01 with 95 % confidence'],
    ['accuracy>=champion-0.01 with 95% confidence', 'accuracy >= champion - 0.01 with 95 % confidence'],
    ['equalised_odds_difference <= 0.1'],
    ['size <= 4 MB'],
    ['size<=4MB', 'size <= 4 MB'],
    ['size <= 4000000'],
    ['size <= champion + 1.5 MiB'],
    ['roc_auc[site=north] >= 0.8'],
    ['roc_auc[site="north wing"]>=0.8', 'roc_auc[site="north wing"] >= 0.8'],
    ['recall[ "a \\"b\\" \\\\" = x ] > 0', 'recall["a \\"b\\" \\\\"=x] > 0'],
    ['equalised_odds_difference[site] <= 0.1'],
    ['latency_p99_ms <= 20'],
    ['latency_p99_ms <= champion * 1.2'],
    ['accuracy > champion'],
    ['accuracy > champion + 0', 'accuracy > champion'],
    ['metrics.loss < 0.3'],
    ['metrics."val/loss, mean" < -3e-7', 'metrics."val/loss, mean" < -3e-7'],
    ['metrics.val-loss<.5', 'metrics.val-loss < 0.5'],
    ['parameters <= 1e6', 'parameters <= 1000000'],
    ['runs on raspberry-pi-5'],
    ['runs   on\n raspberry-pi-5', 'runs on raspberry-pi-5'],
    ['runs >= 3'],
  ])('%s', (text, canonical = text) => {
    expect(printRule(parse(text))).toBe(canonical)
  })

  test.each([
    ['', 0, 'expected the name of a metric, or "runs on", found the end'],
    ['accuracy', 8, 'expected >=, <=, > or <, found the end'],
    ['accuracy = 0.9', 9, 'expected >=, <=, > or <, found "="'],
    ['accuracy >= ', 12, 'expected a number or "champion", found the end'],
    ['accuracy >= Champion', 12, 'expected a number or "champion", found "Champion"'],
    ['accuracy >= 0.9 and f1 >= 0.9', 16, 'only size has a unit; expected "with" or the end, found "and"'],
    ['accuracy >= 0.9 ; drop', 16, 'expected "with … % confidence" or the end of the rule, found ";"'],
    ['accuracy >= 90 %', 15, 'expected "with … % confidence" or the end of the rule, found "%"'],
    ['accuracy >= champion - -1', 23, 'the sign stands before already'],
    ['accuracy >= champion * 0', 23, 'a factor is more than 0'],
    ['champion <= accuracy', 0, 'champion stands on the right: write the metric first'],
    ['size <= 4 Mb', 10, 'expected one of B, kB, MB, GB, KiB, MiB, GiB, or "with", found "Mb"'],
    ['latency_p99_ms <= 20 ms', 21, 'only size has a unit; expected "with" or the end, found "ms"'],
    ['accuracy >= 0.9 with 95', 23, 'expected %, found the end'],
    ['accuracy >= 0.9 with 100 % confidence', 21, 'a confidence is more than 50 % and less than 100 %'],
    ['accuracy >= 0.9 with 50 % confidence', 21, 'a confidence is more than 50 % and less than 100 %'],
    ['accuracy >= 0.9 with 95 % luck', 26, 'expected "confidence", found "luck"'],
    ['size <= 4 MB with 95 % confidence', 13, 'size is known exactly: leave out the confidence'],
    ['roc_auc[site >= 1', 13, 'expected = or ], found ">"'],
    ['roc_auc[] >= 1', 8, 'expected the name of a column, found "]"'],
    ['roc_auc[site="north] >= 1', 13, 'a text in quotes that does not end'],
    ['runs on Pi', 8, 'expected the name of a device profile, found "Pi"'],
    ['accuracy >= 1e999', 12, 'the number is too large'],
    ['metrics. < 1', 9, 'expected the name of a metric of the registration, found "<"'],
    ['metrics.loss < 1 with 95 % confidence', 17, expect.stringContaining('has no interval')],
    ['accuracy > champion * 1.1 with 95 % confidence', 0, expect.stringContaining('not of ratios')],
    [`accuracy >= ${'1'.repeat(600)}`, 500, 'a rule is at most 500 characters'],
    [`roc_auc[site=${'x'.repeat(201)}] > 1`, 13, 'a name is at most 200 characters'],
  ])('%j is refused at %i', (text, at, message) => {
    expect(parseRule(text)).toEqual({ ok: false, at, message })
  })
})

const name = fc
  .oneof(
    fc.constantFrom('north', 'a b', '"', '\\', 'ä', 'with', 'champion', '[x=y]', '-', ''),
    fc.string({ maxLength: 20 }),
  )
  .filter((text) => !/\p{Cc}/u.test(text))
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
  fc.integer({ min: -1000, max: 1000 }),
)
const figure: fc.Arbitrary<Metric> = fc.record(
  {
    source: fc.constant('evaluation' as const),
    name: fc.constantFrom('accuracy', 'roc_auc', 'runs', 'mae', 'with'),
    slice: fc.record({ column: name, value: name }, { requiredKeys: ['column'] }),
  },
  { requiredKeys: ['source', 'name'] },
)
const registered: fc.Arbitrary<Metric> = fc.record({ source: fc.constant('registration' as const), name })
const measure: fc.Arbitrary<Metric> = fc.record({
  source: fc.constant('version' as const),
  name: fc.constantFrom(...versionMeasures),
})

function bound(metric: Metric, ratios: boolean): fc.Arbitrary<Bound> {
  const sized = metric.source === 'version' && metric.name === 'size'
  const units = Object.keys(byteUnits).filter((unit): unit is keyof typeof byteUnits => unit in byteUnits)
  const quantity = fc
    .record({ number, unit: fc.constantFrom(...units) }, { requiredKeys: ['number'] })
    .map(({ number, unit }) => (sized && unit !== undefined ? { number, unit } : { number }))
  const parts: fc.Arbitrary<Bound>[] = [
    quantity.map((quantity) => ({ kind: 'number', quantity })),
    quantity.map((offset) => ({ kind: 'champion', offset: offset.number === 0 ? { number: 0 } : offset })),
  ]
  const factor = fc.double({ min: Number.MIN_VALUE, max: 1e9, noNaN: true })
  if (ratios) parts.push(factor.map((factor) => ({ kind: 'share-of-champion', factor })))
  return fc.oneof(...parts)
}

const comparison: fc.Arbitrary<Rule> = fc
  .record({
    metric: fc.oneof(figure, registered, measure),
    comparator: fc.constantFrom(...comparators),
    sure: fc.option(fc.double({ min: 50, max: 100, minExcluded: true, maxExcluded: true, noNaN: true })),
  })
  .chain(({ metric, comparator, sure }) => {
    const confidence = metric.source === 'evaluation' ? sure : null
    return bound(metric, confidence === null).map(
      (bound): Rule => ({
        kind: 'compare',
        metric,
        comparator,
        bound,
        ...(confidence === null ? {} : { confidence }),
      }),
    )
  })
const rule: fc.Arbitrary<Rule> = fc.oneof(
  { weight: 9, arbitrary: comparison },
  {
    weight: 1,
    arbitrary: fc.constantFrom('raspberry-pi-5', 'x', 'on').map((profile): Rule => ({ kind: 'runs-on', profile })),
  },
)

const fuzz = { seed: 20261125, numRuns: 5_000 }

describe('every rule', () => {
  test('is the same after it was written down and read', () => {
    fc.assert(
      fc.property(rule, (rule) => {
        const text = printRule(rule)
        fc.pre(text.length <= 500)
        expect(parse(text)).toEqual(rule)
        expect(printRule(parse(text))).toBe(text)
      }),
      fuzz,
    )
  })

  test('is read or refused at a place within it, whatever was typed', () => {
    const broken = fc
      .tuple(
        rule,
        fc.nat(),
        fc.nat({ max: 3 }),
        fc.constantFrom('', ' ', '"', '[', '=', '-', '9', '.', 'with', '%', '\u{1f600}'),
      )
      .map(([rule, at, length, put]) => {
        const text = printRule(rule)
        const from = at % (text.length + 1)
        return text.slice(0, from) + put + text.slice(from + length)
      })
    const noise = fc.oneof(
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 80 }) },
      { weight: 4, arbitrary: broken },
    )
    let read = 0
    fc.assert(
      fc.property(noise, (text) => {
        const parsed = parseRule(text)
        if (parsed.ok) {
          read += 1
          expect(parse(printRule(parsed.rule))).toEqual(parsed.rule)
          return
        }
        expect(parsed.at).toBeGreaterThanOrEqual(0)
        expect(parsed.at).toBeLessThanOrEqual(text.length)
        expect(parsed.message).not.toBe('')
      }),
      fuzz,
    )
    expect(read).toBeGreaterThan(100)
  })
})
