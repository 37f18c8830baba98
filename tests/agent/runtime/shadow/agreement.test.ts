// Agreement: what counts as the same decision, and sums that are what a plain computation gives.

import { Agreement } from '@roost/shared/protocol/records.ts'
import fc from 'fast-check'
import { Tensor } from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { predictionsRememberedMax } from '../../../../agent/runtime/monitor/recent-predictions.ts'
import { createAgreementRecorder } from '../../../../agent/runtime/shadow/agreement.ts'
import { sentTensors } from '../../../../agent/runtime/shadow/pairs.ts'

const seed = 20_261_126
const floats = (values: number[], dims = [1, values.length]) => new Tensor('float32', Float32Array.from(values), dims)
const spec = (name: string, shape: number[], datatype: 'FP32' | 'INT64' | 'BYTES' | 'FP16' = 'FP32') => ({
  name,
  datatype,
  shape,
})
const task = { kind: 'binary-classification' as const, output: 'y', threshold: 0.5 }

function agreed(primary: Tensor, candidate: Tensor): boolean {
  const datatype =
    primary.type === 'int64'
      ? 'INT64'
      : primary.type === 'string'
        ? 'BYTES'
        : primary.type === 'float16'
          ? 'FP16'
          : 'FP32'
  const recorder = createAgreementRecorder({
    outputs: [
      spec(
        'y',
        primary.dims.map(() => -1),
        datatype,
      ),
    ],
  })
  recorder.compare({ outputs: sentTensors({ y: primary }) }, { y: candidate })
  const { pairs, agreed } = Agreement.parse(recorder.snapshot())
  expect(pairs).toBe(1)
  return agreed === 1
}

describe('agreed, without a task', () => {
  const half = (bits: number[]) => {
    const tensor = new Tensor('float16', Uint16Array.from(bits), [1, bits.length])
    Reflect.set(tensor, 'cpuData', Uint16Array.from(bits))
    return tensor
  }
  const cases: [string, Tensor, Tensor, boolean][] = [
    ['probabilities with the same largest', floats([0.1, 0.2, 0.7]), floats([0.3, 0.3, 0.4]), true],
    ['probabilities with another largest', floats([0.1, 0.2, 0.7]), floats([0.1, 0.7, 0.2]), false],
    [
      'one row of two with another largest',
      floats([0.1, 0.9, 0.6, 0.4], [2, 2]),
      floats([0.1, 0.9, 0.4, 0.6], [2, 2]),
      false,
    ],
    ['numbers that are no probabilities, far off', floats([1, 2, 7]), floats([1, 2, 8]), false],
    ['numbers within one in a hundred', floats([100, -50]), floats([100.9, -50.4]), true],
    ['numbers beyond', floats([100]), floats([101.2]), false],
    ['small numbers within a thousandth', floats([0]), floats([0.0009]), true],
    ['not a number twice', floats([Number.NaN]), floats([Number.NaN]), true],
    ['not a number once', floats([1]), floats([Number.NaN]), false],
    ['infinities of two signs', floats([Infinity]), floats([-Infinity]), false],
    ['other shapes', floats([1, 2]), floats([1, 2, 3]), false],
    [
      'integers next to each other',
      new Tensor('int64', [1_000_000n], [1]),
      new Tensor('int64', [1_000_001n], [1]),
      false,
    ],
    ['texts', new Tensor('string', ['a'], [1]), new Tensor('string', ['a'], [1]), true],
    ['other texts', new Tensor('string', ['a'], [1]), new Tensor('string', ['b'], [1]), false],
    ['halves: 1 and 1.0078', half([0x3c00]), half([0x3c08]), true],
    ['halves: 1 and 1.5', half([0x3c00]), half([0x3e00]), false],
  ]
  test.each(cases)('%s', (_, primary, candidate, expected) => {
    expect(agreed(primary, candidate)).toBe(expected)
  })
})

test('agreed, with a task: both decide by their own thresholds; labels in pairs; errors of either side', () => {
  const recorder = createAgreementRecorder({ outputs: [spec('y', [-1, 1])], task })
  const answer = (positive: boolean, label?: boolean) => ({
    outputs: sentTensors({ other: floats([3]) }),
    positive,
    ...(label !== undefined && { label }),
  })
  recorder.against('b'.repeat(64))
  recorder.compare(answer(true, true), { y: floats([0.6]) })
  recorder.compare(answer(true, false), { y: floats([0.4]) })
  recorder.compare(answer(false, true), { y: floats([0.6]) })
  recorder.compare(answer(false, false), { y: floats([0.5]) })
  recorder.compare(answer(false, true), { y: floats([Number.NaN]) })
  recorder.compare(answer(true), { y: floats([0.9]) })
  recorder.compare(answer(true, true), undefined)
  recorder.compare({ label: true }, { y: floats([0.9]) })
  recorder.compare({}, undefined)
  recorder.dropped(3)
  expect(recorder.snapshot()).toEqual({
    pairs: 6,
    agreed: 3,
    outputs: {},
    errors: { both: 1, onlyPrimary: 1, onlyCandidate: 1 },
    labels: { bothRight: 1, onlyCandidateRight: 2, onlyPrimaryRight: 1, bothWrong: 1 },
    dropped: 3,
    primary: 'b'.repeat(64),
  })
  recorder.reset()
  expect(recorder.snapshot()).toMatchObject({ pairs: 0, agreed: 0, dropped: 0, primary: 'b'.repeat(64) })
})

test('differences per column are those of a plain computation, and what is no number is in no sum', () => {
  const number = fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.constantFrom(Number.NaN, Infinity, 3e38))
  const rows = fc.array(fc.tuple(number, number, number, number), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 20 }), (pairs) => {
      const recorder = createAgreementRecorder({ outputs: [spec('__proto__', [-1, 2])] })
      const sums = [0, 1].map(() => ({ count: 0, sum: 0, sumAbs: 0, sumSquares: 0 }))
      for (const list of pairs) {
        const primary = floats(
          list.flatMap((both) => both.slice(0, 2)),
          [list.length, 2],
        )
        const candidate = floats(
          list.flatMap((both) => both.slice(2)),
          [list.length, 2],
        )
        const named = (tensor: Tensor) => Object.fromEntries([['__proto__', tensor]])
        recorder.compare({ outputs: sentTensors(named(primary)) }, named(candidate))
        for (const [i, total] of sums.entries()) {
          for (let row = 0; row < list.length; row++) {
            const difference = Number(candidate.data[2 * row + i]) - Number(primary.data[2 * row + i])
            if (!Number.isFinite(difference)) continue
            total.count += 1
            total.sum += difference
            total.sumAbs += Math.abs(difference)
            total.sumSquares += difference * difference
          }
        }
      }
      const found = Agreement.parse(recorder.snapshot())
      expect(found.pairs).toBe(pairs.length)
      if (pairs.length > 0) expect(found.outputs).toEqual({ '__proto__[0]': sums[0], '__proto__[1]': sums[1] })
    }),
    { seed, numRuns: 300 },
  )
})

test('a label that comes later counts once for both, while it is remembered and beside the same primary', () => {
  const recorder = createAgreementRecorder({ outputs: [spec('y', [-1, 1])], task })
  const both = (pair: number, positive: boolean, candidate: number) =>
    recorder.compare({ outputs: sentTensors({ y: floats([0]) }), positive, pair }, { y: floats([candidate]) })
  recorder.against('b'.repeat(64))
  both(7, true, 0.1)
  both(8, false, 0.1)
  recorder.reset()
  expect(recorder.labelled({ pair: 7, label: true })).toBe(false)
  expect(recorder.labelled({ pair: 7, label: true })).toBeUndefined()
  expect(recorder.labelled({ pair: 9, label: true })).toBeUndefined()
  expect(recorder.snapshot()).toMatchObject({
    pairs: 0,
    labels: { bothRight: 0, onlyPrimaryRight: 1, onlyCandidateRight: 0, bothWrong: 0 },
  })
  for (let pair = 100; pair < 100 + predictionsRememberedMax; pair++) both(pair, true, 0.9)
  expect(recorder.labelled({ pair: 8, label: true })).toBeUndefined()
  expect(recorder.labelled({ pair: 100, label: false })).toBe(true)
  recorder.against('c'.repeat(64))
  expect(recorder.labelled({ pair: 101, label: false })).toBeUndefined()
})
