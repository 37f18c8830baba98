// Every figure against scikit-learn's and Fairlearn's own (tests/fixtures/evaluation), and what must hold for any input.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ClassAnswers, calibratedEvent, mostProbable, prepare } from '../../../hub/evaluation/figures.ts'
import { quantile } from '../../../hub/evaluation/metrics/bootstrap.ts'
import { reliabilityBins } from '../../../hub/evaluation/metrics/calibration.ts'
import { confusionOf } from '../../../hub/evaluation/metrics/confusion.ts'
import { ascendingOrder, weightedQuantiles } from '../../../hub/evaluation/metrics/latency.ts'
import { prepareRocAuc } from '../../../hub/evaluation/metrics/ranking.ts'
import { sumOf } from '../../../hub/evaluation/metrics/sum.ts'
import fixtures from '../../fixtures/evaluation/scikit-learn.json' with { type: 'json' }

const relative = 1e-12

/** Scalars that the fixture states; null there is undefined here. */
function expectFigures(got: Record<string, number | undefined>, want: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(want)) {
    if (typeof value === 'number') expectNear(got[name], value, name)
    else if (value === null) expect(got[name], name).toBeUndefined()
  }
}

function expectNear(got: number | undefined, want: number, name: string): void {
  expect(Math.abs((got ?? Number.NaN) - want), `${name}: ${got} is not ${want}`).toBeLessThanOrEqual(
    relative * Math.max(1, Math.abs(want)),
  )
}

function binaryAnswers(
  labels: readonly number[],
  probability: readonly number[],
): ClassAnswers & { latencies: undefined } {
  const positive = Float64Array.from(probability)
  return {
    kind: 'classification',
    classes: ['no', 'yes'],
    labels: Int32Array.from(labels),
    predicted: Int32Array.from(probability, (p) => (p >= 0.5 ? 1 : 0)),
    probabilities: [positive.map((p) => 1 - p), positive],
    scores: positive,
    latencies: undefined,
  }
}

function manyAnswers(
  labels: readonly number[],
  rows: readonly (readonly number[])[],
): ClassAnswers & { latencies: undefined } {
  const probabilities = (rows[0] ?? []).map((_, k) => Float64Array.from(rows, (row) => row[k] ?? 0))
  return {
    kind: 'classification',
    classes: probabilities.map((_, k) => `class ${k}`),
    labels: Int32Array.from(labels),
    predicted: Int32Array.from(rows, (_, row) => mostProbable(probabilities, row)),
    probabilities,
    scores: undefined,
    latencies: undefined,
  }
}

function expectConfusion(answers: ClassAnswers, weights: number[] | undefined, want: readonly number[][]): void {
  const { counts } = confusionOf(answers.labels, answers.predicted, answers.classes.length, weights)
  expect([...counts]).toEqual(want.flat())
}

function expectBins(
  answers: ClassAnswers,
  want: { frequency: number[]; confidence: number[]; counts: number[] },
): void {
  const { probability, happened } = calibratedEvent(answers, answers.probabilities ?? [])
  const bins = reliabilityBins(probability, happened)
  expect(bins.map(({ rows }) => rows)).toEqual(want.counts)
  const filled = bins.filter(({ rows }) => rows > 0)
  for (const [i, { confidence, frequency }] of filled.entries()) {
    expectNear(confidence ?? undefined, want.confidence[i] ?? Number.NaN, 'confidence')
    expectNear(frequency ?? undefined, want.frequency[i] ?? Number.NaN, 'frequency')
  }
}

describe(`figures are those of scikit-learn ${fixtures.versions.sklearn}`, () => {
  test.each(fixtures.binary)('of two classes: $name', ({ labels, probability, weights, want }) => {
    const answers = binaryAnswers(labels, probability)
    expectFigures(prepare(answers)(weights ?? undefined), want)
    expectConfusion(answers, weights ?? undefined, want.confusion)
    if (want.bins !== undefined) expectBins(answers, want.bins)
  })

  test.each(fixtures.multiclass)('of more classes: $name', ({ labels, probabilities, weights, want }) => {
    const answers = manyAnswers(labels, probabilities)
    const got = prepare(answers)(weights ?? undefined)
    expectFigures(got, want)
    expectNear(got.f1, want.f1_macro, 'f1 is the macro average')
    expectConfusion(answers, weights ?? undefined, want.confusion)
    if (want.bins !== undefined) expectBins(answers, want.bins)
  })

  test.each(fixtures.regression)('of numbers: $name', ({ targets, predicted, weights, want }) => {
    const answers = { targets: Float64Array.from(targets), predicted: Float64Array.from(predicted) }
    expectFigures(prepare({ kind: 'regression', ...answers, latencies: undefined })(weights ?? undefined), want)
  })
})

describe(`fairness is that of Fairlearn ${fixtures.versions.fairlearn}`, () => {
  test.each(fixtures.fairness)('$name', ({ labels, predicted, groups, want }) => {
    const answers = { ...binaryAnswers(labels, predicted), predicted: Int32Array.from(predicted) }
    const names = [...new Set(groups)].map(String)
    const got = prepare(answers, [{ column: 'site', names, of: Int32Array.from(groups) }])()
    expectFigures(got, want)
    expect(got['equalised_odds_difference[site]']).toBe(got.equalised_odds_difference)
  })
})

describe('quantiles are those of numpy', () => {
  test('of values', () => {
    const { values, p, want } = fixtures.quantiles
    const sorted = Float64Array.from(values).sort()
    for (const [i, at] of p.entries()) expectNear(quantile(sorted, at), want[i] ?? Number.NaN, `quantile ${at}`)
  })

  test('of values that count more than once, or not at all', () => {
    const { values, weights, p, want } = fixtures.weighted_quantiles
    const data = Float64Array.from(values)
    const order = ascendingOrder(data)
    for (const [i, at] of p.entries()) {
      const [found] = weightedQuantiles(data, order, [at], weights)
      expectNear(found, want[i] ?? Number.NaN, `quantile ${at}`)
      // in one walk with another
      expect(weightedQuantiles(data, order, [at / 2, at, at, 1], weights)[1]).toBe(found)
    }
    expect(weightedQuantiles(data, order, [0.5, 0.9], new Uint16Array(data.length))).toEqual([undefined, undefined])
  })
})

const binaryRows = fc.array(
  fc.record({
    label: fc.constantFrom(0, 1),
    p: fc.integer({ min: 0, max: 20 }),
    weight: fc.integer({ min: 0, max: 3 }),
  }),
  { minLength: 1, maxLength: 40 },
)

describe('for any answers', () => {
  test('a weight counts like as many equal rows', () => {
    fc.assert(
      fc.property(binaryRows, (rows) => {
        const repeated = rows.flatMap((row) => Array.from({ length: row.weight }, () => row))
        const figuresOf = (some: typeof rows) =>
          prepare({
            ...binaryAnswers(
              some.map(({ label }) => label),
              some.map(({ p }) => p / 20),
            ),
            latencies: Float64Array.from(some, ({ p }) => p),
          })
        const weighted = figuresOf(rows)(rows.map(({ weight }) => weight))
        const plain = figuresOf(repeated)()
        for (const name of new Set([...Object.keys(weighted), ...Object.keys(plain)])) {
          const value = plain[name]
          if (value === undefined) expect(weighted[name], name).toBeUndefined()
          else expectNear(weighted[name], value, name)
        }
      }),
      { seed: 1 },
    )
  })

  test('numbers that count more than once count like as many equal rows', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 }), fc.integer({ min: 0, max: 3 })),
          {
            minLength: 1,
            maxLength: 30,
          },
        ),
        (rows) => {
          const repeated = rows.flatMap((row) => Array.from({ length: row[2] }, () => row))
          const figuresOf = (some: typeof rows) =>
            prepare({
              kind: 'regression',
              targets: Float64Array.from(some, ([target]) => target),
              predicted: Float64Array.from(some, ([, predicted]) => predicted),
              latencies: undefined,
            })
          const weighted = figuresOf(rows)(rows.map(([, , weight]) => weight))
          const plain = figuresOf(repeated)()
          for (const [name, value] of Object.entries(plain)) {
            if (value === undefined) expect(weighted[name], name).toBeUndefined()
            else expectNear(weighted[name], value, name)
          }
        },
      ),
      { seed: 2 },
    )
  })

  test('the area under the curve is the share of pairs in the right order, ties half', () => {
    fc.assert(
      fc.property(binaryRows, (rows) => {
        const scores = Float64Array.from(rows, ({ p }) => p)
        const area = prepareRocAuc(scores, (row) => rows[row]?.label === 1)()
        const positives = rows.filter(({ label }) => label === 1)
        const negatives = rows.filter(({ label }) => label === 0)
        const pairs = positives.flatMap((a) => negatives.map((b) => (a.p > b.p ? 1 : a.p === b.p ? 0.5 : 0)))
        if (pairs.length === 0) expect(area).toBeUndefined()
        else expectNear(area, pairs.reduce((sum: number, won) => sum + won, 0) / pairs.length, 'area')
      }),
      { seed: 3 },
    )
  })

  test('bounded figures stay within their bounds, and the order of rows does not matter', () => {
    fc.assert(
      fc.property(binaryRows, (rows) => {
        const figuresOf = (some: typeof rows) =>
          prepare(
            binaryAnswers(
              some.map(({ label }) => label),
              some.map(({ p }) => p / 20),
            ),
          )()
        const got = figuresOf(rows)
        const backwards = figuresOf(rows.toReversed())
        for (const [name, value] of Object.entries(got)) {
          if (value === undefined) continue
          expect(value, name).toBeGreaterThanOrEqual(0)
          if (name !== 'log_loss') expect(value, name).toBeLessThanOrEqual(1)
          expectNear(backwards[name], value, name)
        }
      }),
      { seed: 4 },
    )
  })

  test('every probability lies in the bin whose edges hold it', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (p) => {
        const bin = reliabilityBins(Float64Array.of(p), () => true).find(({ rows }) => rows === 1)
        expect(bin !== undefined && (p > bin.from || p === 0) && p <= bin.to).toBe(true)
      }),
      { seed: 5 },
    )
  })

  test('a sum keeps what is small beside what is large', () => {
    const terms = [1, 1e100, 1, -1e100]
    expect(sumOf(terms.length, (i) => terms[i] ?? 0)).toBe(2)
    expect(sumOf(2, (i) => [Number.POSITIVE_INFINITY, 1][i] ?? 0)).toBe(Number.POSITIVE_INFINITY)
  })
})
