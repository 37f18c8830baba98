import { readFileSync } from 'node:fs'
import { type BaselineColumn, buildBaseline } from '@roost/shared/drift/baseline.ts'
import { normalScore } from '@roost/shared/drift/charts.ts'
import { chiSquareContingency, chiSquareGoodnessOfFit } from '@roost/shared/drift/chi-square.ts'
import { jensenShannonDistance } from '@roost/shared/drift/measures/jensen-shannon.ts'
import { ksOfCounts } from '@roost/shared/drift/measures/kolmogorov-smirnov.ts'
import { populationStabilityIndex } from '@roost/shared/drift/measures/psi.ts'
import { measureColumn, measuredRowsMin } from '@roost/shared/drift/measures.ts'
import { kolmogorovSmirnov, wassersteinDistance } from '@roost/shared/drift/samples.ts'
import { createColumnRecorder } from '@roost/shared/sketch/recorder.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'

const seed = 20261124

/** What numpy and scipy say; made by tests/fixtures/drift/scipy-values.py. */
const Numbers = z.array(z.number())
const fixture = z
  .object({
    samples: z.object({ reference: z.string(), current: z.string() }),
    sturges: z.object({ reference: Numbers, current: Numbers }),
    deciles: z.object({ edges: Numbers, reference: Numbers, current: Numbers }),
    golden: z.object({
      psi: z.number(),
      js: z.number(),
      js2: z.number(),
      ks: Numbers,
      wd: z.number(),
      psi_decile: z.number(),
      chi2_evidently: Numbers,
      chi2_contingency: Numbers,
      ks_auto_small: Numbers,
    }),
    pairs: z.array(
      z.object({
        name: z.string(),
        a: z.string(),
        b: z.string(),
        ks: z.number(),
        pExact: z.number(),
        wasserstein: z.number(),
      }),
    ),
    tables: z.array(
      z.object({
        reference: Numbers,
        current: Numbers,
        fit: Numbers.nullable(),
        contingency: Numbers,
        js2: z.number(),
        psi: z.number(),
      }),
    ),
    students: z.array(z.object({ t: z.number(), degrees: z.number(), z: z.number() })),
  })
  .parse(JSON.parse(readFileSync(new URL('../../fixtures/drift/scipy.json', import.meta.url), 'utf8')))

const doubles = (packed: string) => new Float64Array(Uint8Array.from(Buffer.from(packed, 'base64')).buffer)
const reference = doubles(fixture.samples.reference)
const current = doubles(fixture.samples.current)
const { golden } = fixture

/** As close as doubles allow, relative. */
function expectSame(got: number, want: number, tolerance = 1e-12) {
  expect(Math.abs(got - want)).toBeLessThanOrEqual(tolerance * Math.max(Math.abs(want), 1e-3))
}

const deviation = (values: Float64Array) => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
}

describe('the golden numbers', () => {
  test('PSI on thirteen bins of equal width, and on deciles of the reference', () => {
    expectSame(populationStabilityIndex(fixture.sturges.reference, fixture.sturges.current), golden.psi)
    expectSame(populationStabilityIndex(fixture.deciles.reference, fixture.deciles.current), golden.psi_decile)
  })

  test('Jensen-Shannon distance to base 2, and thereby to base e', () => {
    const distance = jensenShannonDistance(fixture.sturges.reference, fixture.sturges.current)
    expectSame(distance, golden.js2)
    expectSame(distance * Math.sqrt(Math.LN2), golden.js)
  })

  test('Kolmogorov-Smirnov with the exact p-value, of 2,000 against 1,500 and of 80 against 60', () => {
    const large = kolmogorovSmirnov(reference, current)
    expectSame(large.statistic, golden.ks[0] ?? Number.NaN)
    expect(large.pValue / (golden.ks[1] ?? Number.NaN)).toBeCloseTo(1, 9)
    const small = kolmogorovSmirnov(reference.slice(0, 80), current.slice(0, 60))
    expectSame(small.statistic, golden.ks_auto_small[0] ?? Number.NaN)
    expectSame(small.pValue, golden.ks_auto_small[1] ?? Number.NaN, 1e-10)
  })

  test('Wasserstein distance in deviations of the reference', () => {
    expectSame(wassersteinDistance(reference, current) / deviation(reference), golden.wd)
  })

  test('chi-square, both ways', () => {
    const [before, now] = [
      [500, 300, 200],
      [220, 160, 120],
    ]
    const fit = chiSquareGoodnessOfFit(before, now)
    expect([fit.statistic, fit.pValue].map((x) => x.toPrecision(11))).toEqual(
      golden.chi2_evidently.map((x) => x.toPrecision(11)),
    )
    const table = chiSquareContingency(before, now)
    expect([table.statistic, table.pValue].map((x) => x.toPrecision(11))).toEqual(
      golden.chi2_contingency.map((x) => x.toPrecision(11)),
    )
  })
})

describe('against scipy', () => {
  test.each(fixture.pairs)('samples: $name', ({ a, b, ks, pExact, wasserstein }) => {
    const got = kolmogorovSmirnov(doubles(a), doubles(b))
    expectSame(got.statistic, ks)
    expect(Math.abs(got.pValue - pExact)).toBeLessThanOrEqual(1e-9 * pExact + 1e-14)
    expectSame(wassersteinDistance(doubles(a), doubles(b)), wasserstein, 1e-9)
  })

  test.each(fixture.tables)('counts: $reference, $current', ({ reference, current, fit, contingency, js2, psi }) => {
    expectSame(jensenShannonDistance(reference, current), js2, 1e-9)
    expectSame(populationStabilityIndex(reference, current), psi)
    const table = chiSquareContingency(reference, current)
    expectSame(table.statistic, contingency[0] ?? Number.NaN, 1e-10)
    expect(Math.abs(table.pValue - (contingency[1] ?? Number.NaN))).toBeLessThanOrEqual(1e-9 * table.pValue + 1e-300)
    if (fit === null) {
      expect(chiSquareGoodnessOfFit(reference, current)).toMatchObject({
        statistic: Number.POSITIVE_INFINITY,
        pValue: 0,
      })
      return
    }
    const got = chiSquareGoodnessOfFit(reference, current)
    expectSame(got.statistic, fit[0] ?? Number.NaN, 1e-10)
    expect(Math.abs(got.pValue - (fit[1] ?? Number.NaN))).toBeLessThanOrEqual(1e-9 * got.pValue + 1e-300)
  })

  test.each(fixture.students)('a Student t of $t with $degrees degrees as a normal score', ({ t, degrees, z }) => {
    expect(Math.abs(normalScore(t, degrees) / z - 1)).toBeLessThan(0.01)
    expect(normalScore(-t, degrees)).toBe(-normalScore(t, degrees))
  })
})

const tables = fc
  .integer({ min: 2, max: 20 })
  .chain((bins) => fc.tuple(...[0, 1].map(() => fc.array(fc.nat({ max: 500 }), { minLength: bins, maxLength: bins }))))
  .filter(([a, b]) => [a, b].every((counts) => counts?.some((count) => count > 0)))
const samples = fc
  .array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 40 })
  .map((a) => Float64Array.from(a))

describe('properties', () => {
  test('PSI, Jensen-Shannon and KS of counts: zero on equal, symmetric, within their bounds', () => {
    fc.assert(
      fc.property(tables, ([a = [], b = []]) => {
        for (const measure of [populationStabilityIndex, jensenShannonDistance, ksOfCounts]) {
          expect(Math.abs(measure(a, a))).toBeLessThan(1e-12)
          expect(measure(a, b)).toBeCloseTo(measure(b, a), 9)
          expect(measure(a, b)).toBeGreaterThanOrEqual(0)
        }
        expect(jensenShannonDistance(a, b)).toBeLessThanOrEqual(1)
        expect(ksOfCounts(a, b)).toBeLessThanOrEqual(1)
      }),
      { seed, numRuns: 500 },
    )
  })

  test('Jensen-Shannon keeps the triangle inequality', () => {
    const three = fc.array(fc.array(fc.integer({ min: 1, max: 99 }), { minLength: 5, maxLength: 5 }), {
      minLength: 3,
      maxLength: 3,
    })
    fc.assert(
      fc.property(three, ([a = [], b = [], c = []]) => {
        expect(jensenShannonDistance(a, c)).toBeLessThanOrEqual(
          jensenShannonDistance(a, b) + jensenShannonDistance(b, c) + 1e-9,
        )
      }),
      { seed, numRuns: 300 },
    )
  })

  test('Wasserstein of a shifted sample is the shift; both are symmetric and bounded', () => {
    fc.assert(
      fc.property(samples, samples, fc.integer({ min: -50, max: 50 }), (a, b, shift) => {
        expect(
          wassersteinDistance(
            a,
            a.map((value) => value + shift),
          ),
        ).toBeCloseTo(Math.abs(shift), 9)
        expect(wassersteinDistance(a, b)).toBeCloseTo(wassersteinDistance(b, a), 9)
        const [there, back] = [kolmogorovSmirnov(a, b), kolmogorovSmirnov(b, a)]
        expect(there.statistic).toBe(back.statistic)
        expect(there.pValue).toBeCloseTo(back.pValue, 9)
        expect(there.statistic).toBeLessThanOrEqual(1)
        expect(kolmogorovSmirnov(a, a)).toEqual({ statistic: 0, pValue: 1 })
      }),
      { seed, numRuns: 200 },
    )
  })

  test('samples that cannot be compared are refused', () => {
    const one = Float64Array.of(1)
    expect(() => kolmogorovSmirnov(one, Float64Array.of())).toThrow(RangeError)
    expect(() => wassersteinDistance(Float64Array.of(Number.NaN), one)).toThrow(RangeError)
    expect(() => chiSquareGoodnessOfFit([1, 2], [0, 0])).toThrow(RangeError)
  })
})

function aColumn(values: Float64Array): BaselineColumn {
  const { columns } = buildBaseline({
    columns: [{ name: 'x', kind: 'feature', values }],
    window: { rows: 100, seconds: 60 },
  })
  if (columns.x === undefined) throw new Error('no column')
  return columns.x
}

function measured(column: BaselineColumn, values: Float64Array) {
  const recorder = createColumnRecorder(column.scale)
  for (const value of values) recorder.record(value)
  return measureColumn(column, recorder.snapshot())
}

describe('a column against its baseline', () => {
  test('gives nearly what the samples themselves give', () => {
    const got = measured(aColumn(reference), current)
    expect(Math.abs((got.ks ?? Number.NaN) - (golden.ks[0] ?? Number.NaN))).toBeLessThan(1 / 32)
    expect(Math.abs((got.wasserstein ?? Number.NaN) / golden.wd - 1)).toBeLessThan(0.05)
    expect(Math.abs((got.psi ?? Number.NaN) / golden.psi_decile - 1)).toBeLessThan(0.1)
    expect(got.jensenShannon).toBeGreaterThan(0.1)
    expect(got.jensenShannon).toBeLessThan(0.2)
  })

  test('KS is never above the samples’ and at most a bin below', () => {
    fc.assert(
      fc.property(fc.integer({ min: -30, max: 30 }), fc.integer({ min: 5, max: 30 }), (shift, scale) => {
        const moved = current.slice(0, 400).map((value) => (value * scale) / 10 + shift / 10)
        const ks = measured(aColumn(reference), moved).ks ?? Number.NaN
        const exact = kolmogorovSmirnov(reference, moved).statistic
        expect(ks).toBeLessThanOrEqual(exact + 1e-12)
        expect(ks).toBeGreaterThan(exact - 1 / 32 - 1e-3)
      }),
      { seed, numRuns: 50 },
    )
  })

  test('is zero against itself, and everything is at its end when nothing is in common', () => {
    const column = aColumn(reference)
    const same = measured(column, reference)
    expect([same.psi, same.jensenShannon, same.ks, same.wasserstein].every((x) => Math.abs(x ?? 1) < 1e-9)).toBe(true)
    const far = measured(
      column,
      reference.map((value) => value + 100),
    )
    expect(far.ks).toBe(1)
    expect(far.psi).toBeGreaterThan(4)
    expect(Math.abs((far.wasserstein ?? Number.NaN) - 100 / deviation(reference))).toBeLessThan(0.1)
  })

  test('a thousand healthy rows stay far from what people call drift', () => {
    const got = measured(aColumn(reference.slice(0, 1000)), reference.slice(1000))
    expect(got.psi).toBeLessThan(0.1)
  })

  test('categories have no order: PSI and Jensen-Shannon only', () => {
    const column = aColumn(Float64Array.from({ length: 300 }, (_, i) => i % 3))
    const got = measured(
      column,
      Float64Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? 0 : 7)),
    )
    expect(got.psi).toBeGreaterThan(1)
    expect(got.jensenShannon).toBeGreaterThan(0.5)
    expect([got.ks, got.wasserstein]).toEqual([null, null])
  })

  test('says nothing of too few rows, of missing ones only, or of counts on another scale', () => {
    const column = aColumn(reference)
    const nothing = { psi: null, jensenShannon: null, ks: null, wasserstein: null }
    expect(measured(column, current.slice(0, measuredRowsMin - 1))).toEqual(nothing)
    expect(measured(column, current.slice(0, measuredRowsMin)).ks).not.toBeNull()
    expect(measured(column, new Float64Array(100).fill(Number.NaN))).toEqual(nothing)
    expect(measured(aColumn(new Float64Array(100).fill(Number.NaN)), current)).toEqual(nothing)
    const other = createColumnRecorder({ type: 'numeric', edges: [0, 1] })
    for (const value of current) other.record(value)
    expect(measureColumn(column, other.snapshot())).toEqual(nothing)
  })

  test('a column that never varied has no unit for Wasserstein', () => {
    const column = aColumn(new Float64Array(100).fill(3))
    const got = measured(column, new Float64Array(100).fill(4))
    expect(got.wasserstein).toBeNull()
    expect(got.ks).toBe(1)
  })
})
