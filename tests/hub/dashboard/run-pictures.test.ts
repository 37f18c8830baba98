// What pages of runs work out by themselves: axes, ranges, averages, ranks, differences.

import { LineChart } from 'echarts/charts'
import { GridComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lineOf } from '../../../hub/dashboard/page/runs/curve-lines.ts'
import { fileDifferences, metricDifferences, textDifferences } from '../../../hub/dashboard/page/runs/differences.ts'
import { isDrawable, leftOut, whyEmpty } from '../../../hub/dashboard/page/runs/drawable.ts'
import { smoothed } from '../../../hub/dashboard/page/runs/ema.ts'
import { axisOf, isWithin, numberAt, others, placeOn } from '../../../hub/dashboard/page/runs/parallel-axis.ts'
import { orderText, readQuery, wholeFilter } from '../../../hub/dashboard/page/runs/query.ts'
import { rankCorrelation } from '../../../hub/dashboard/page/runs/rank-correlation.ts'
import { duration, figure, numberIn } from '../../../hub/dashboard/page/runs/run-values.ts'
import { parseOrder } from '../../../hub/experiments/filter.ts'
import { runVocabulary } from '../../../hub/experiments/run-filter.ts'

const settings = { seed: Number(process.env.FC_SEED ?? 20261126) }
const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 })
const texts = fc.dictionary(fc.string({ maxLength: 3 }), fc.constantFrom('', 'a', 'b'))

describe('an axis of parallel coordinates', () => {
  test('has a place from 0 to 1 for every number it was made of, in their order, and the number back at its place', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 30 }), (numbers) => {
        const axis = axisOf(numbers)
        if (axis?.kind !== 'number') throw new Error('numbers make an axis of numbers')
        const sorted = numbers.toSorted((a, b) => a - b)
        const places = sorted.map((number) => placeOn(axis, number) ?? Number.NaN)
        expect(places.every((place) => place >= 0 && place <= 1)).toBe(true)
        expect(places).toEqual(places.toSorted((a, b) => a - b))
        if (axis.from === axis.to) return
        expect([places[0], places.at(-1)]).toEqual([0, 1])
        const [middle = 0] = sorted.slice(Math.floor(sorted.length / 2))
        const span = Math.max(Math.abs(axis.from), Math.abs(axis.to))
        expect(Math.abs((numberAt(axis, placeOn(axis, middle) ?? 0) ?? 0) - middle)).toBeLessThanOrEqual(1e-9 * span)
      }),
      settings,
    )
  })

  test('counts in powers of ten where all is positive and spans much, and leaves NaN out', () => {
    const axis = axisOf([0.001, 'NaN', 0.1, 10, undefined])
    expect(axis).toEqual({ kind: 'number', from: 0.001, to: 10, isLog: true })
    if (axis === undefined) return
    expect([placeOn(axis, 0.1), placeOn(axis, 'NaN'), placeOn(axis, undefined)]).toEqual([
      expect.closeTo(0.5),
      undefined,
      undefined,
    ])
  })

  test('has names where one is no number; too many share a place', () => {
    expect(axisOf(['adam', '3'])).toEqual({ kind: 'category', names: ['3', 'adam'] })
    const many = axisOf(Array.from({ length: 100 }, (_, i) => `name-${i}`))
    if (many?.kind !== 'category') throw new Error('names')
    expect([many.names.length, many.names.at(-1), placeOn(many, 'name-99')]).toEqual([24, others, 1])
    expect(axisOf([undefined])).toBeUndefined()
  })

  test('a run is within ranges where each of its places is', () => {
    expect(isWithin([0.2, undefined], [[0, 0.3], undefined])).toBe(true)
    expect(isWithin([0.2, undefined], [undefined, [0, 1]])).toBe(false)
    expect(isWithin([0.4], [[0, 0.3]])).toBe(false)
  })
})

describe('what is drawn of numbers of any size', () => {
  use([LineChart, GridComponent, SVGRenderer])
  /** The ticks that ECharts gives the axis, and its picture. */
  function drawn(values: readonly number[], isLog: boolean): { ticks: number[]; svg: string } {
    const ticks: number[] = []
    const chart = init(null, undefined, { renderer: 'svg', ssr: true, width: 400, height: 260 })
    try {
      const formatter = (tick: number) => {
        ticks.push(tick)
        return 'tick'
      }
      chart.setOption({
        animation: false,
        xAxis: { type: 'value' },
        yAxis: { type: isLog ? 'log' : 'value', scale: true, axisLabel: { formatter } },
        series: [{ type: 'line', animation: false, data: values.map((value, i) => [i, value]) }],
      })
      return { ticks, svg: chart.renderToSVGString() }
    } finally {
      chart.dispose()
    }
  }
  const anySize = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.double({ min: -10, max: 10, noNaN: true }),
  )

  test.each([false, true])('is a picture wherever it is not said why there is none (logarithmic: %s)', (isLog) => {
    fc.assert(
      fc.property(fc.array(anySize, { minLength: 1, maxLength: 5 }), (values) => {
        if (whyEmpty(values, isLog) !== undefined) return
        const { ticks, svg } = drawn(
          values.filter((value) => isDrawable(value, isLog)),
          isLog,
        )
        expect(ticks.length).toBeGreaterThan(0)
        expect(ticks.every(Number.isFinite)).toBe(true)
        expect(svg).not.toMatch(/NaN|Infinity/)
      }),
      { ...settings, numRuns: 60 },
    )
  })

  test.each([
    [[1.7e308, -1.7e308], false, 'All values are beyond ±1e300: too large to draw.', '2 beyond ±1e300, not drawn'],
    [[1, 2, 1.7e308], false, undefined, '1 beyond ±1e300, not drawn'],
    [[1e-20, 2e-20], false, expect.stringContaining('closer together than 1e-18'), undefined],
    [[1e-20, 2e-20], true, undefined, undefined],
    [
      [-1, 0, 1.7e308],
      true,
      expect.stringContaining('No value is between'),
      '3 not between 1e-200 and 1e200, not drawn',
    ],
    [[-1, 5], true, undefined, '1 not between 1e-200 and 1e200, not drawn'],
    [[0, 0], false, undefined, undefined],
  ])('of %j (logarithmic: %s)', (values, isLog, empty, left) => {
    expect([whyEmpty(values, isLog), leftOut(values, isLog)]).toEqual([empty, left])
  })
})

describe('smoothing', () => {
  const points = fc.array(
    fc.record({ mean: fc.double({ min: -1e6, max: 1e6, noNaN: true }), count: fc.integer({ min: 1, max: 50 }) }),
    { maxLength: 40 },
  )
  const weight = fc.double({ min: 0, max: 0.99, noNaN: true })

  test('stays between what it smooths, changes nothing without weight or where nothing changes', () => {
    fc.assert(
      fc.property(points, weight, (values, weight) => {
        const least = Math.min(...values.map(({ mean }) => mean))
        const greatest = Math.max(...values.map(({ mean }) => mean))
        for (const value of smoothed(values, weight)) {
          expect(value).toBeGreaterThanOrEqual(least - 1e-6)
          expect(value).toBeLessThanOrEqual(greatest + 1e-6)
        }
        const differences = smoothed(values, 0).map((value, i) => value - (values[i]?.mean ?? 0))
        expect(differences.every((difference) => difference === 0)).toBe(true)
      }),
      settings,
    )
  })

  test('a bin of n equal points is as n points', () => {
    fc.assert(
      fc.property(points, weight, (bins, weight) => {
        const single = bins.flatMap(({ mean, count }) => Array.from({ length: count }, () => ({ mean, count: 1 })))
        const last = smoothed(single, weight).at(-1) ?? 0
        expect(Math.abs((smoothed(bins, weight).at(-1) ?? 0) - last)).toBeLessThanOrEqual(1e-6 * (1 + Math.abs(last)))
      }),
      settings,
    )
  })
})

test('rank correlation is that of the ranks: 1 for whatever rises, -1 for whatever falls, ties at their mean', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 3, maxLength: 30 }), (xs) => {
      expect(rankCorrelation(xs.map((x) => [x, x ** 3]))).toBeCloseTo(1, 12)
      expect(rankCorrelation(xs.map((x) => [x, -x]))).toBeCloseTo(-1, 12)
    }),
    settings,
  )
  // by hand: ranks 0 1.5 1.5 3 against 0 2 1 3
  const ties: [number, number][] = [
    [1, 10],
    [2, 30],
    [2, 20],
    [3, 40],
  ]
  expect(rankCorrelation(ties)).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12)
  expect(
    rankCorrelation([
      [1, 2],
      [1, 3],
      [1, 4],
    ]),
  ).toBeUndefined()
})

describe('differences of two runs', () => {
  test('of texts are none with itself, and the other way round the same with sides changed', () => {
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        expect(textDifferences(a, { ...a })).toEqual([])
        expect(textDifferences(b, a)).toEqual(textDifferences(a, b).map(({ key, a, b }) => ({ key, a: b, b: a })))
        const keys = new Set(textDifferences(a, b).map(({ key }) => key))
        for (const key of Object.keys({ ...a, ...b })) expect(keys.has(key)).toBe(a[key] !== b[key])
      }),
      settings,
    )
  })

  test('of metrics name what is missing, and divide by no 0', () => {
    const a = { loss: 2, zero: 0, odd: 'NaN', gone: 1 } as const
    const b = { loss: 1, zero: 1, odd: 2, come: -0.5 } as const
    expect(metricDifferences(a, b)).toEqual([
      { key: 'come', a: undefined, b: -0.5, difference: undefined, relative: undefined },
      { key: 'gone', a: 1, b: undefined, difference: undefined, relative: undefined },
      { key: 'loss', a: 2, b: 1, difference: -1, relative: -0.5 },
      { key: 'odd', a: 'NaN', b: 2, difference: undefined, relative: undefined },
      { key: 'zero', a: 0, b: 1, difference: 1, relative: undefined },
    ])
  })

  test('of files go by their sha256', () => {
    const file = (path: string, sha256: string) => ({ path, sha256, sizeBytes: 1 })
    const states = fileDifferences(
      [file('a', '1'), file('b', '1'), file('c', '1')],
      [file('b', '1'), file('c', '2'), file('d', '1')],
    )
    expect(states.map(({ path, state }) => [path, state])).toEqual([
      ['a', 'only-a'],
      ['b', 'same'],
      ['c', 'differs'],
      ['d', 'only-b'],
    ])
  })
})

test('what the address says is what the hub is asked', () => {
  const address = new URL(
    'http://hub/runs?status=FAILED&filter=metrics.loss%20%3C%201&sort=-metrics.val%20loss&columns=params.a,nothing,tags.b.c',
  )
  const query = readQuery(address)
  expect(query.columns).toEqual(['params.a', 'tags.b.c'])
  expect(wholeFilter(query)).toBe("metrics.loss < 1 AND attributes.status = 'FAILED'")
  expect(parseOrder(orderText(query.sort) ?? '', runVocabulary)).toEqual({
    entity: 'metric',
    key: 'val loss',
    descending: true,
  })
  expect(readQuery(new URL('http://hub/runs?status=constructor')).status).toBeUndefined()
})

test('figures, durations and lines as people read them', () => {
  expect([figure(0.000012345), figure(12345678), figure(0.123456), figure('NaN')]).toEqual([
    '1.234e-5',
    '1.235e+7',
    '0.12346',
    'NaN',
  ])
  expect([duration(900), duration(61_000), duration(7_500_000), duration(3 * 86_400_000)]).toEqual([
    '900 ms',
    '1 min 1 s',
    '2 h 5 min',
    '3 d 0 h',
  ])
  expect([numberIn(' '), numberIn('1e3'), numberIn('Infinity')]).toEqual([undefined, 1000, undefined])
  const lines = Array.from({ length: 20 }, (_, i) => JSON.stringify(lineOf(i)))
  expect(new Set(lines).size).toBe(20)
})
