// What gives way under pressure is resolution: whether or not two windows can become one, every inference stays.

import { mergeNeighbours } from '@roost/agent/outbox/compaction.ts'
import { recordBytesMax, type StoredRecord } from '@roost/agent/outbox/record.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { expect, test } from 'vitest'
import { aWindow } from '../../builders/windows.ts'
import { anEvent, sumsOf } from './an-outbox.ts'

const deployments = ['a', 'b', 'a', 'a', 'b', undefined, 'a', 'a', 'b', 'c']
const records: StoredRecord[] = deployments.map((deployment, i) => {
  const seq = 11 + i
  const counts = { ok: 2 ** i, error: 0, refused: 0 }
  const body = deployment === undefined ? anEvent('between') : aWindow({ deployment, from: seq, to: seq + 1, counts })
  return { seq, from: seq, windows: Number(deployment !== undefined), ids: [], body: encode(body) }
})

test('windows that would be too long together stay apart, and none is lost', () => {
  expect(mergeNeighbours(records, 1)).toEqual(records)
})

test('windows that become one account for the same inferences, windows and sequences', () => {
  const merged = mergeNeighbours(records, recordBytesMax)
  expect(merged.length).toBeLessThan(records.length)
  expect(sumsOf(merged)).toEqual(sumsOf(records))
  expect(merged.map(({ from }) => from)).toEqual([11, ...merged.slice(0, -1).map(({ seq }) => seq + 1)])
  expect(merged.at(-1)?.seq).toBe(records.at(-1)?.seq)
})
