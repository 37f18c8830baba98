// Which segments hold for which sequences, when a rewrite was cut short or a file could not be removed.

import { orderSegments } from '@roost/agent/outbox/segment.ts'
import { expect, test } from 'vitest'

const named = ([first, last]: readonly [number, number?]) => ({ epoch: '00'.repeat(8), first, last })

test.each([
  ['as they were written', [[1], [41], [81]], [[1], [41], [81]]],
  ['one rewritten', [[1], [1, 40], [41]], [[1, 40], [41]]],
  ['one of a single record rewritten', [[41], [41, 41]], [[41, 41]]],
  ['two joined', [[1], [1, 80], [41]], [[1, 80]]],
  [
    'joined again',
    [
      [1, 80],
      [1, 120],
      [81, 120],
    ],
    [[1, 120]],
  ],
  // the end of the first is damaged and told in front of the second
  [
    'overlapping the one before',
    [
      [1, 40],
      [40, 80],
    ],
    [
      [1, 40],
      [40, 80],
    ],
  ],
  // confirmed records were left out, and the first file could not be removed
  [
    'joined without what was confirmed',
    [
      [1, 40],
      [30, 80],
      [41, 80],
    ],
    [
      [1, 40],
      [30, 80],
    ],
  ],
] as const)('segments %s', (_, files, kept) => {
  for (const order of [files, files.toReversed()]) {
    expect(orderSegments(order.map(named)).kept).toEqual(kept.map(named))
  }
})
