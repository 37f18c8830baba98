// How differences are written: by how much worse, in three digits, and nothing where those are zeros.

import { expect, test } from 'vitest'
import { plain, shares } from '../../../../hub/rollouts/gates/scale.ts'
import { Gate, scaleOf } from '../../../../hub/rollouts/metrics/list.ts'

test('a share keeps its sign only where a digit is left of it', () => {
  const { inWords } = shares('error rate', 1, 0.02)
  expect([0.0213, -0.0213, 0.00012, -0.000001, 0].map(inWords)).toEqual([
    '+2.13 %',
    '−2.13 %',
    '+0.012 %',
    '0 %',
    '0 %',
  ])
})

test('a figure of one’s own is written the way it was meant, whichever way is worse', () => {
  expect([1.2345, -1.2345, 0].map(plain('heat', 1).inWords)).toEqual(['+1.23', '−1.23', '0'])
  expect([1.2345, -1.2345, 0].map(plain('yield', -1).inWords)).toEqual(['−1.23', '+1.23', '0'])
})

test('latency is a factor of three digits', () => {
  const gate = Gate.parse({ metric: 'latency' })
  if (gate.metric !== 'latency') throw new Error('another gate')
  const { inWords, levelInWords } = scaleOf(gate)
  expect([11.012, 1.0149, 1].map((factor) => inWords(Math.log(factor)))).toEqual(['× 11', '× 1.01', '× 1'])
  expect([950.4, 12_345].map((us) => levelInWords(Math.log(us)))).toEqual(['950 µs', '12.3 ms'])
})
