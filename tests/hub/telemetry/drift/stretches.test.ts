// Where windows are put in time, whatever the clocks of their devices say.

import { expect, test } from 'vitest'
import { cutStretches, placeInTime } from '../../../../hub/telemetry/drift/stretches.ts'
import type { StoredWindow } from '../../../../hub/telemetry/windows.ts'
import { aWindow } from '../../../builders/windows.ts'

const minute = 60_000
const madeMs = 1_000 * minute
/** [device, from, to, received], minutes after the bundle was made; ids in this order. */
type Row = [string, number, number, number]

const stored = (rows: readonly Row[]): StoredWindow[] =>
  rows.map(([device, from, to, receivedAt], id) => ({
    id,
    device,
    receivedAt: madeMs + receivedAt * minute,
    report: aWindow({ from: madeMs + from * minute, to: madeMs + to * minute }),
  }))
const placed = (rows: readonly Row[]) =>
  placeInTime(stored(rows), madeMs).map(({ id, fromMs, toMs }) => [
    id,
    (fromMs - madeMs) / minute,
    (toMs - madeMs) / minute,
  ])

test.each<[string, Row[], number[][]]>([
  [
    'right clocks are believed, also of what comes late',
    [
      ['a', 3, 4, 90],
      ['b', 1, 2, 2],
    ],
    [
      [1, 1, 2],
      [0, 3, 4],
    ],
  ],
  [
    'a clock behind: what was held back keeps its order and length',
    [
      ['a', -900, -899, 50],
      ['a', -899, -897, 50],
    ],
    [
      [0, 47, 48],
      [1, 48, 50],
    ],
  ],
  [
    'a clock ahead: the same',
    [
      ['a', 9_000, 9_001, 50],
      ['a', 9_001, 9_002, 50],
    ],
    [
      [0, 48, 49],
      [1, 49, 50],
    ],
  ],
  [
    'a clock that starts anew at each boot',
    [
      ['a', -900, -899, 10],
      ['a', -900, -899, 70],
    ],
    [
      [0, 9, 10],
      [1, 69, 70],
    ],
  ],
  [
    'a clock that is set right',
    [
      ['a', -900, -899, 10],
      ['a', 10, 11, 11],
    ],
    [
      [0, 9, 10],
      [1, 10, 11],
    ],
  ],
  ['a window longer than the bundle is old', [['a', -900, 20, 20]], [[0, 0, 20]]],
  ['a window that begins after its end', [['a', 9_000, 5, 20]], [[0, 20, 20]]],
])('%s', (_, rows, expected) => {
  expect(placed(rows)).toEqual(expected)
})

test('stretches of several devices hold about one window of each, in order, and lose none', () => {
  const rows = ['a', 'b', 'c'].flatMap((device) =>
    Array.from({ length: device === 'c' ? 2 : 300 }, (_, i): Row => [device, i, i + 1, i + 1]),
  )
  const inTime = placeInTime(stored(rows), madeMs)
  const stretches = cutStretches(inTime)
  expect(stretches).toHaveLength(100)
  expect(stretches.flat()).toEqual(inTime)
  expect(new Set(stretches.map(({ length }) => length))).toEqual(new Set([6, 7]))
  const one = cutStretches(inTime.filter(({ device }) => device === 'a'))
  expect(one.map(({ length }) => length)).toEqual(Array.from({ length: 300 }, () => 1))
})
