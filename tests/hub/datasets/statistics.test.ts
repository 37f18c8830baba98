// The sketches behind the statistics, against the whole data.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kindOf, numberOf } from '../../../hub/datasets/cells.ts'
import { createDistinctCount } from '../../../hub/datasets/statistics/distinct.ts'
import { createQuantiles } from '../../../hub/datasets/statistics/quantiles.ts'
import { createTopValues } from '../../../hub/datasets/statistics/top-values.ts'

describe('quantiles', () => {
  test('are exact while everything fits, as numpy computes them', () => {
    const quantiles = createQuantiles(8)
    for (const value of [5, 1, 4, 2]) quantiles.add(value)
    // numpy.quantile([5, 1, 4, 2], [0, .25, .5, .9, 1])
    expect(quantiles.at([0, 0.25, 0.5, 0.9, 1])).toEqual([1, 1.75, 3, 4.7, 5])
    expect(quantiles.rankError()).toBe(0)
  })

  test('are within the rank error that they state', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 1, maxLength: 3_000 }),
        fc.integer({ min: 8, max: 32 }),
        (values, half) => {
          const quantiles = createQuantiles(2 * half)
          for (const value of values) quantiles.add(value)
          const sorted = values.toSorted((a, b) => a - b)
          // one rank more, for the place between two neighbours
          const slack = quantiles.rankError() * values.length + 1
          for (const [i, value] of quantiles.at([0.05, 0.5, 0.95]).entries()) {
            const place = ([0.05, 0.5, 0.95][i] ?? 0) * (values.length - 1)
            expect(value).toBeGreaterThanOrEqual(sorted[Math.max(0, Math.floor(place - slack))] ?? 0)
            expect(value).toBeLessThanOrEqual(sorted[Math.min(values.length - 1, Math.ceil(place + slack))] ?? 0)
          }
        },
      ),
      { numRuns: 100, seed: 8 },
    )
  })
})

test('distinct values are estimated to a few percent, whatever they are', () => {
  for (const different of [1, 100, 5_000, 200_000]) {
    for (const make of [(i: number) => i, (i: number) => i / 7, (i: number) => `value ${i}`]) {
      const distinct = createDistinctCount()
      for (let i = 0; i < different; i++) distinct.add(make(i))
      for (let i = 0; i < different; i += 3) distinct.add(make(i))
      // four standard errors of 1.6 %
      expect(Math.abs(distinct.estimate() - different)).toBeLessThanOrEqual(1 + 0.065 * different)
    }
  }
})

test('frequent values are never counted too high, and too low by no more than stated', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40), { maxLength: 400 }), fc.integer({ min: 2, max: 10 }), (values, room) => {
      let told = 0
      const top = createTopValues<number>(room, () => {
        told += 1
      })
      const truth = new Map<number, number>()
      for (const value of values) {
        top.add(value)
        truth.set(value, (truth.get(value) ?? 0) + 1)
      }
      const counted = new Map(top.top(100).map(({ value, count }) => [value, count]))
      for (const [value, count] of truth) {
        expect(counted.get(value) ?? 0).toBeLessThanOrEqual(count)
        expect(counted.get(value) ?? 0).toBeGreaterThanOrEqual(count - top.error())
      }
      expect(told).toBe(top.error() === 0 ? 0 : 1)
      if (top.error() === 0) expect(top.distinct()).toBe(truth.size)
    }),
    { numRuns: 200, seed: 9 },
  )
})

test.each([
  ['12', 'number', 12],
  ['-1.5e3', 'number', -1500],
  ['1e999', 'word', Number.NaN],
  ['NaN', 'word', Number.NaN],
  ['0x10', 'text', Number.NaN],
  ['2026-02-30', 'text', Number.NaN],
  ['2026-02-28', 'timestamp', Date.UTC(2026, 1, 28)],
  ['2026-02-28 06:07', 'timestamp', Date.UTC(2026, 1, 28, 6, 7)],
  ['2026-02-28T06:07:08.25+01:00', 'timestamp', Date.UTC(2026, 1, 28, 5, 7, 8, 250)],
  ['1969-12-31T23:59:59Z', 'timestamp', -1000],
  ['2026-02-28T24:00:00Z', 'text', Number.NaN],
  ['True', 'boolean', 1],
] as const)('the cell %s of CSV is a %s', (cell, kind, number) => {
  expect(kindOf(cell, { textual: true })).toBe(kind)
  expect(numberOf(cell, kind === 'boolean' || kind === 'timestamp' ? kind : 'number')).toBe(number)
})
