import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { createTensorWatcher, type TensorData, tensorColumns } from '@roost/shared/sketch/tensor-columns.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const aSpec = (shape: number[], datatype: TensorSpec['datatype'] = 'FP32'): TensorSpec => ({
  name: 'x',
  datatype,
  shape,
})
const statistics = ['x.mean', 'x.deviation', 'x.min', 'x.max']

/** What every column was fed. */
function fed(spec: TensorSpec, data: TensorData, shape: readonly number[], names?: readonly string[]) {
  const watcher = createTensorWatcher(spec, names)
  const values: Record<string, number[]> = Object.fromEntries(watcher.columns.map((column) => [column, []]))
  const sinks = watcher.columns.map((column) => ({ record: (value: number) => void values[column]?.push(value) }))
  const rows = watcher.watch(data, shape, sinks)
  return { rows, values }
}

describe('the columns of a tensor', () => {
  test.each<[string, TensorSpec, readonly string[] | undefined, string[]]>([
    ['a scalar', aSpec([]), undefined, ['x']],
    ['a batch of scalars', aSpec([-1]), undefined, ['x']],
    ['a batch of one element', aSpec([-1, 1]), undefined, ['x']],
    ['a batch of three', aSpec([-1, 3]), undefined, ['x[0]', 'x[1]', 'x[2]']],
    ['a batch of exactly one row', aSpec([1, 2]), undefined, ['x[0]', 'x[1]']],
    ['no batch', aSpec([2, 2]), undefined, ['x[0]', 'x[1]', 'x[2]', 'x[3]']],
    ['64 elements', aSpec([-1, 8, 8]), undefined, Array.from({ length: 64 }, (_, i) => `x[${i}]`)],
    ['65 elements', aSpec([-1, 65]), undefined, statistics],
    ['an image', aSpec([-1, 3, 224, 224]), undefined, statistics],
    ['a stretch of audio', aSpec([-1, -1]), undefined, statistics],
    ['a recurrent state', aSpec([2, -1, 128]), undefined, statistics],
    ['feature names', aSpec([-1, 2]), ['temperature', 'humidity'], ['temperature', 'humidity']],
    ['feature names of another number', aSpec([-1, 2]), ['temperature'], ['x[0]', 'x[1]']],
    ['a name for a scalar', aSpec([-1]), ['temperature'], ['temperature']],
    [
      'a hundred feature names',
      aSpec([1, 100]),
      Array.from({ length: 100 }, (_, i) => `f${i}`),
      Array.from({ length: 100 }, (_, i) => `f${i}`),
    ],
    ['texts', aSpec([-1, 2], 'BYTES'), undefined, []],
  ])('%s', (_, spec, names, columns) => {
    expect(tensorColumns(spec, names)).toEqual(columns)
    expect(createTensorWatcher(spec, names).columns).toEqual(columns)
  })
})

describe('watching a tensor', () => {
  test.each<[string, TensorSpec['datatype'], TensorData]>([
    ['float32', 'FP32', Float32Array.of(1, 2, 3, 4)],
    ['float64', 'FP64', Float64Array.of(1, 2, 3, 4)],
    ['int64', 'INT64', BigInt64Array.of(1n, 2n, 3n, 4n)],
    ['uint64', 'UINT64', BigUint64Array.of(1n, 2n, 3n, 4n)],
    ['uint8', 'UINT8', Uint8Array.of(1, 2, 3, 4)],
    ['int32', 'INT32', Int32Array.of(1, 2, 3, 4)],
    ['uint16', 'UINT16', Uint16Array.of(1, 2, 3, 4)],
    ['float16 as its bits', 'FP16', Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4400)],
    ['float16 as numbers', 'FP16', [1, 2, 3, 4]],
    ['bfloat16 as its bits', 'BF16', Uint16Array.of(0x3f80, 0x4000, 0x4040, 0x4080)],
    ['JSON numbers', 'FP32', [1, 2, 3, 4]],
    ['JSON digits', 'INT64', ['1', '2', '3', '4']],
  ])('reads %s row by row', (_, datatype, data) => {
    expect(fed(aSpec([-1, 2], datatype), data, [2, 2])).toEqual({ rows: 2, values: { 'x[0]': [1, 3], 'x[1]': [2, 4] } })
  })

  test('reads truths as 1 and 0', () => {
    expect(fed(aSpec([-1], 'BOOL'), [true, false], [2]).values).toEqual({ x: [1, 0] })
  })

  test.each<[number, number]>([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x7bff, 65504],
    [0xc000, -2],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x7e00, Number.NaN],
  ])('reads the float16 bits %i as %d', (bits, value) => {
    expect(fed(aSpec([-1], 'FP16'), Uint16Array.of(bits), [1]).values).toEqual({ x: [value] })
  })

  test.each<[string, TensorSpec, TensorData, readonly number[]]>([
    ['a row too short', aSpec([-1, 3]), Float32Array.of(1, 2), [1, 2]],
    ['half a row more', aSpec([-1, 2]), Float32Array.of(1, 2, 3), [1, 2]],
    ['a batch of zero rows with data', aSpec([-1, -1]), Float32Array.of(1), [0, 4]],
    ['an empty batch', aSpec([-1, 2]), Float32Array.of(), [0, 2]],
    ['a shape that lies', aSpec([-1, -1]), Float32Array.of(1, 2, 3), [2, 2]],
  ])('feeds nothing for %s', (_, spec, data, shape) => {
    const { rows, values } = fed(spec, data, shape)
    expect(rows).toBe(0)
    expect(Object.values(values).flat()).toEqual([])
  })

  test('sums up each row of a long tensor', () => {
    const { rows, values } = fed(aSpec([-1, -1]), Float32Array.of(1, 3, 5, 7, 2, 2, 2, 2), [2, 4])
    expect(rows).toBe(2)
    expect(values).toEqual({ 'x.mean': [4, 2], 'x.deviation': [Math.sqrt(5), 0], 'x.min': [1, 2], 'x.max': [7, 2] })
  })

  test('takes a tensor without a batch as one row', () => {
    const { rows, values } = fed(aSpec([2, -1, 64]), new Float32Array(256).fill(3), [2, 2, 64])
    expect([rows, values['x.mean']]).toEqual([1, [3]])
  })

  test('leaves out of the statistics what is not finite; a row of nothing else is missing', () => {
    const { values } = fed(
      aSpec([-1, -1]),
      Float64Array.of(Number.NaN, 4, Number.POSITIVE_INFINITY, Number.NaN, Number.NaN, Number.NaN),
      [2, 3],
    )
    expect(values['x.mean']).toEqual([4, Number.NaN])
    expect(values['x.deviation']).toEqual([0, Number.NaN])
    expect(values['x.min']?.[0]).toBe(4)
    expect(Number.isFinite(values['x.min']?.[1])).toBe(false)
    expect(Number.isFinite(values['x.max']?.[1])).toBe(false)
  })

  test('gives the statistics of the definition, also far from zero', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0, 1e6, -1e9),
        (offsets, origin) => {
          const row = offsets.map((offset) => origin + offset)
          const { values } = fed(aSpec([1, -1]), Float64Array.from(row), [1, row.length])
          const mean = row.reduce((sum, value) => sum + (value - origin), 0) / row.length + origin
          const deviation = Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length)
          expect(Math.abs((values['x.mean']?.[0] ?? Number.NaN) - mean)).toBeLessThan(1e-6)
          expect(Math.abs((values['x.deviation']?.[0] ?? Number.NaN) - deviation)).toBeLessThan(1e-6)
          expect([values['x.min']?.[0], values['x.max']?.[0]]).toEqual([Math.min(...row), Math.max(...row)])
        },
      ),
      { seed: 20261124, numRuns: 300 },
    )
  })
})
