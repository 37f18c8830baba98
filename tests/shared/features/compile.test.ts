// The feature pipeline against a naive reference: same bits whole, restarted, interleaved; and what it refuses.

import { compileFeatures, createPipeline, FeatureError, type PipelineResult } from '@roost/shared/features/compile.ts'
import { FeatureDefinitions, type Transform } from '@roost/shared/features/definition.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { naiveFeatures, type Row } from './naive.ts'

const seed = 20261124
console.log(`features: fast-check seed ${seed}`)

const transform: fc.Arbitrary<Transform> = fc.oneof(
  fc.constant<Transform>({ kind: 'last' }),
  fc.record({ kind: fc.constant('rolling_mean' as const), rows: fc.integer({ min: 1, max: 9 }) }),
  fc.record({
    kind: fc.constantFrom('rolling_deviation' as const, 'centred' as const),
    rows: fc.integer({ min: 2, max: 9 }),
  }),
  fc.record({ kind: fc.constantFrom('difference' as const, 'rate' as const), lag: fc.integer({ min: 1, max: 9 }) }),
)

const definitions: fc.Arbitrary<FeatureDefinitions> = fc
  .array(fc.record({ field: fc.constantFrom('t', 'h', 'x.y'), transform }), { minLength: 1, maxLength: 12 })
  .map((features) => {
    const named = features.map((feature, i) => ({ ...feature, name: `f${i}` }))
    const inputs = [{ name: 'x', features: named.map(({ name }) => name).reverse() }]
    return FeatureDefinitions.parse({ key: 'mote', time: 'at', label: 'event', features: named, inputs })
  })

const reading = fc.oneof(
  { weight: 8, arbitrary: fc.double({ min: -1e3, max: 1e3, noNaN: true }) },
  { weight: 4, arbitrary: fc.integer({ min: -5, max: 5 }) },
  { weight: 1, arbitrary: fc.double() },
  {
    weight: 2,
    arbitrary: fc.constantFrom(undefined, null, '', 'off', '12.50', Number.NaN, Number.POSITIVE_INFINITY, 1e39, {}),
  },
)
const rows: fc.Arbitrary<Row[]> = fc.array(
  fc.record({
    mote: fc.constantFrom('a', 'b', 1, '1'),
    at: fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 0, max: 4e12 }) },
      { weight: 1, arbitrary: fc.constant('soon') },
    ),
    t: reading,
    h: reading,
    'x.y': reading,
  }),
  { minLength: 1, maxLength: 60 },
)

function accepted(result: PipelineResult) {
  if (!result.ok) throw new Error(`refused: ${result.reason}`)
  return result
}

/** The features of each record as texts that tell every bit apart (and -0 from 0). */
function bits(values: Iterable<number>): string {
  return [...values].map((value) => (Object.is(value, -0) ? '-0' : String(value))).join(' ')
}

describe('feature pipeline', () => {
  test('gives the bits of the definition, whatever other keys ran in between', () => {
    fc.assert(
      fc.property(definitions, rows, (defined, records) => {
        const pipeline = createPipeline(compileFeatures(defined))
        const byKey = new Map<string, Row[]>()
        for (const record of records) {
          const own = byKey.get(String(record.mote)) ?? []
          byKey.set(String(record.mote), [...own, record])
          const result = accepted(pipeline.push(record))
          const wanted = naiveFeatures(defined, [...own, record])
          expect(bits(result.values)).toBe(bits(wanted))
          expect(bits(result.inputs[0]?.data ?? [])).toBe(bits(Float32Array.from(wanted).reverse()))
          expect(result.complete).toBe(!wanted.some(Number.isNaN))
          expect(result.key).toBe(String(record.mote))
        }
      }),
      { seed, numRuns: 500 },
    )
  })

  test('gives the same bits after a restart with only the last records replayed', () => {
    fc.assert(
      fc.property(definitions, rows, fc.nat(), (defined, records, cut) => {
        const compiled = compileFeatures(defined)
        const one = records.map((record) => ({ ...record, mote: 'a' }))
        const whole = createPipeline(compiled)
        const wanted = one.map((record) => bits(accepted(whole.push(record)).values))
        const start = cut % one.length
        const restarted = createPipeline(compiled)
        for (const record of one.slice(Math.max(0, start - compiled.historyRecords), start)) restarted.push(record)
        expect(one.slice(start).map((record) => bits(accepted(restarted.push(record)).values))).toEqual(
          wanted.slice(start),
        )
      }),
      { seed, numRuns: 500 },
    )
  })

  test('needs no fewer records replayed than it says', () => {
    const compiled = compileFeatures(aDefinition({ kind: 'rolling_mean', rows: 5 }))
    expect(compiled.historyRecords).toBe(4)
    const whole = createPipeline(compiled)
    const short = createPipeline(compiled)
    for (const x of [1, 2, 4, 8]) whole.push({ x })
    for (const x of [2, 4, 8]) short.push({ x })
    expect(accepted(whole.push({ x: 16 })).values).not.toEqual(accepted(short.push({ x: 16 })).values)
    expect(accepted(whole.push({ x: 32 })).values).toEqual(accepted(short.push({ x: 32 })).values)
  })

  test('agrees with the textbook within rounding', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 20, max: 60, noNaN: true }), { minLength: 12, maxLength: 12 }), (xs) => {
        const mean = xs.reduce((a, b) => a + b) / 12
        const deviation = Math.sqrt(xs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 12)
        const pipeline = createPipeline(
          compileFeatures(
            aDefinition(
              { kind: 'rolling_mean', rows: 12 },
              { kind: 'rolling_deviation', rows: 12 },
              { kind: 'centred', rows: 12 },
            ),
          ),
        )
        const [gotMean, gotDeviation, gotCentred] =
          xs.map((x) => [...accepted(pipeline.push({ x })).values]).at(-1) ?? []
        expect(gotMean).toBeCloseTo(mean, 9)
        expect(gotDeviation).toBeCloseTo(deviation, 9)
        expect(gotCentred).toBeCloseTo((xs.at(-1) ?? 0) - mean, 9)
      }),
      { seed, numRuns: 200 },
    )
  })

  test('calls a constant window constant to the last bit', () => {
    const pipeline = createPipeline(
      compileFeatures(
        aDefinition(
          { kind: 'rolling_mean', rows: 7 },
          { kind: 'rolling_deviation', rows: 7 },
          { kind: 'centred', rows: 7 },
        ),
      ),
    )
    for (let i = 0; i < 10; i++) expect([...accepted(pipeline.push({ x: 27.97 })).values]).toEqual([27.97, 0, 0])
  })

  test('skips a missing value inside a window and has none for the record that misses it', () => {
    const pipeline = createPipeline(
      compileFeatures(aDefinition({ kind: 'rolling_mean', rows: 3 }, { kind: 'difference', lag: 1 })),
    )
    const seen = [1, 'broken', 5, 6, 7].map((x) => [...accepted(pipeline.push({ x })).values])
    expect(seen).toEqual([
      [1, Number.NaN],
      [Number.NaN, Number.NaN],
      [3, Number.NaN],
      [5.5, 1],
      [6, 1],
    ])
  })

  test('has a rate only where time moves forward', () => {
    const definition = FeatureDefinitions.parse({ ...aDefinition({ kind: 'rate', lag: 1 }), time: 'at' })
    const pipeline = createPipeline(compileFeatures(definition))
    const records = [
      { x: 1, at: 1000 },
      { x: 2, at: 1500 },
      { x: 4, at: 1500 },
      { x: 8, at: '1970-01-01T00:00:01Z' },
      { x: 9, at: '1970-01-01T01:00:03+01:00' },
      { x: 9 },
      { x: 10, at: 9000 },
    ]
    const results = records.map((record) => {
      const { values, timeMs } = accepted(pipeline.push(record))
      return [values[0], timeMs]
    })
    expect(results).toEqual([
      [Number.NaN, 1000],
      [2, 1500],
      [Number.NaN, 1500],
      [Number.NaN, 1000],
      [0.5, 3000],
      [Number.NaN, undefined],
      [Number.NaN, 9000],
    ])
  })

  test('refuses a record without key and keeps no trace of it', () => {
    const definition = FeatureDefinitions.parse({ ...aDefinition({ kind: 'difference', lag: 1 }), key: 'mote' })
    const pipeline = createPipeline(compileFeatures(definition))
    pipeline.push({ mote: 'a', x: 1 })
    for (const mote of [undefined, null, '', {}, 'k'.repeat(257)]) {
      expect(pipeline.push({ mote, x: 5 })).toEqual({ ok: false, reason: 'key-missing' })
    }
    expect(accepted(pipeline.push({ mote: 'a', x: 2 })).values[0]).toBe(1)
  })

  test('forgets the key that was silent longest when there are too many', () => {
    const definition = FeatureDefinitions.parse({ ...aDefinition({ kind: 'difference', lag: 1 }), key: 'mote' })
    const pipeline = createPipeline(compileFeatures(definition), { keysMax: 2, historyBytesMax: 1e6 })
    const difference = (mote: string, x: number) => accepted(pipeline.push({ mote, x })).values[0]
    difference('a', 1)
    difference('b', 1)
    expect(difference('a', 2)).toBe(1)
    difference('c', 1)
    expect(pipeline.keysForgotten()).toBe(1)
    expect(difference('a', 4)).toBe(2)
    expect(difference('b', 9)).toBeNaN()
    expect(pipeline.keysForgotten()).toBe(2)
  })

  test('keeps fewer keys where their windows are large', () => {
    const definition = FeatureDefinitions.parse({ ...aDefinition({ kind: 'difference', lag: 9 }), key: 'mote' })
    const pipeline = createPipeline(compileFeatures(definition), { keysMax: 1024, historyBytesMax: 3 * 20 * 8 })
    for (let i = 0; i < 10; i++) pipeline.push({ mote: i, x: 1 })
    expect(pipeline.keysForgotten()).toBe(7)
  })

  test.each<[string, string, string, unknown]>([
    [
      'unknown-feature',
      'nope',
      'an input of an undefined feature',
      { inputs: [{ name: 'x', features: ['f0', 'nope'] }] },
    ],
    [
      'duplicate-input',
      'x',
      'an input listed twice',
      { inputs: ['x', 'x'].map((name) => ({ name, features: ['f0'] })) },
    ],
    [
      'duplicate-feature',
      'f0',
      'a feature defined twice',
      { features: [0, 1].map(() => ({ name: 'f0', field: 'x', transform: { kind: 'last' } })) },
    ],
    [
      'rate-without-time',
      'f0',
      'a rate without time',
      { features: [{ name: 'f0', field: 'x', transform: { kind: 'rate', lag: 1 } }] },
    ],
    [
      'too-much-history',
      'x0',
      'windows of more memory than a key may have',
      {
        features: Array.from({ length: 200 }, (_, i) => ({
          name: `f${i}`,
          field: `x${i}`,
          transform: { kind: 'centred', rows: 4096 },
        })),
      },
    ],
  ])('refuses %s, naming %s: %s', (code, wrong, _, change) => {
    const definition = FeatureDefinitions.parse({ ...aDefinition({ kind: 'last' }), ...Object(change) })
    expect(() => compileFeatures(definition)).toThrow(expect.objectContaining({ name: 'FeatureError', code, wrong }))
    expect(() => compileFeatures(definition)).toThrow(FeatureError)
  })
})

function aDefinition(...transforms: Transform[]): FeatureDefinitions {
  const features = transforms.map((transform, i) => ({ name: `f${i}`, field: 'x', transform }))
  return FeatureDefinitions.parse({ features, inputs: [{ name: 'x', features: features.map(({ name }) => name) }] })
}
