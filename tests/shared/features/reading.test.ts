// How fields of raw records are read: the same reading gives the same bits as JSON and as text.

import { readKey, readLabel, readNumber, readTimeMs } from '@roost/shared/features/reading.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const seed = 20261124

describe('readNumber', () => {
  test.each<[unknown, number]>([
    [12.5, 12.5],
    ['12.5', 12.5],
    [' 12.50 ', 12.5],
    ['-1e-3', -0.001],
    ['+.5', 0.5],
    ['5.', 5],
    [true, 1],
    ['false', 0],
    [3.4e38, 3.4e38],
  ])('%j is %d', (value, wanted) => {
    expect(readNumber(value)).toBe(wanted)
  })

  test.each([
    [''],
    [' '],
    ['0x10'],
    ['1_000'],
    ['1,5'],
    ['NaN'],
    ['Infinity'],
    ['1e999'],
    [3.5e38],
    ['-3.5e38'],
    [null],
    [undefined],
    [[]],
    [[1]],
    [{}],
    [12n],
    [`${'1'.repeat(65)}`],
    [() => 1],
  ])('%o is missing', (value) => {
    expect(readNumber(value)).toBeNaN()
  })

  test('reads the text of a number as that number', () => {
    const sensible = fc.double({ min: -3e38, max: 3e38, noNaN: true })
    fc.assert(
      fc.property(sensible, (value) => {
        expect(readNumber(String(value))).toBe(Object.is(value, -0) ? 0 : value)
      }),
      { seed },
    )
  })
})

describe('readTimeMs', () => {
  test.each<[unknown, number]>([
    [0, 0],
    ['1700000000000', 1_700_000_000_000],
    ['2026-11-24T10:00:00Z', Date.UTC(2026, 10, 24, 10)],
    ['2026-11-24 10:00:00.25+02:00', Date.UTC(2026, 10, 24, 8, 0, 0, 250)],
    ['2026-11-24t10:00:00.000500z', Date.UTC(2026, 10, 24, 10) + 0.5],
    ['2024-02-29T23:59:59-00:30', Date.UTC(2024, 2, 1, 0, 29, 59)],
  ])('%j is %d', (value, wanted) => {
    expect(readTimeMs(value)).toBe(wanted)
  })

  test.each([
    [-1],
    [Number.NaN],
    [9e15],
    ['2026-02-29T00:00:00Z'],
    ['2026-13-01T00:00:00Z'],
    ['2026-11-24'],
    ['2026-11-24T10:00:00'],
    ['2026-11-24T24:00:00Z'],
    ['2026-11-24T10:00:60Z'],
    ['tomorrow'],
    [null],
    [true],
    [new Date(0)],
  ])('%o is no time', (value) => {
    expect(readTimeMs(value)).toBeNaN()
  })

  test('reads what Date prints', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => {
          expect(readTimeMs(date.toISOString())).toBe(date.getTime())
        },
      ),
      { seed },
    )
  })
})

test.each<[unknown, boolean | undefined]>([
  [1, true],
  ['1', true],
  [true, true],
  ['true', true],
  [0, false],
  ['0', false],
  ['false', false],
  [2, undefined],
  ['yes', undefined],
  ['', undefined],
  [undefined, undefined],
])('label %j is %j', (value, wanted) => {
  expect(readLabel(value)).toBe(wanted)
})

test.each<[unknown, string | undefined]>([
  [1, '1'],
  ['1', '1'],
  [true, 'true'],
  ['a b', 'a b'],
  ['', undefined],
  [null, undefined],
  [{}, undefined],
])('key %j is %j', (value, wanted) => {
  expect(readKey(value)).toBe(wanted)
})
