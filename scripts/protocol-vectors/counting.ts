// What a device counts and computes: latency bins, columns on their scales, features of raw records.

import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { compileFeatures, createPipeline } from '@roost/shared/features/compile.ts'
import type { FeatureDefinitions } from '@roost/shared/features/definition.ts'
import type { ColumnScale } from '@roost/shared/sketch/column.ts'
import { createLatencyRecorder } from '@roost/shared/sketch/latency.ts'
import { createColumnRecorder } from '@roost/shared/sketch/recorder.ts'
import { tensorColumns } from '@roost/shared/sketch/tensor-columns.ts'

export const latencyBins = [0, 0.5, 1, 1.01, 1.03, 10, 200, 1_000, 2_000_000, 751_000_000, 800_000_000].map((us) => {
  const recorder = createLatencyRecorder()
  recorder.record(us)
  return { us, bin: recorder.snapshot().bins[0]?.[0] }
})

const scales: { scale: ColumnScale; values: number[] }[] = [
  {
    scale: { type: 'numeric', edges: [0, 1, 2.5] },
    values: [-1, 0, 0.5, 1, 2.5, 7, Number.NaN, Number.POSITIVE_INFINITY],
  },
  { scale: { type: 'categorical', values: [0, 1, 3] }, values: [1, 1, 3, 2, 0, Number.NaN] },
]
export const columnCounts = scales.map(({ scale, values }) => {
  const recorder = createColumnRecorder(scale)
  for (const value of values) recorder.record(value)
  return { scale, values: values.map(numberOrText), counts: recorder.snapshot() }
})

const specs: TensorSpec[] = [
  { name: 'p', datatype: 'FP32', shape: [-1, 1] },
  { name: 'x', datatype: 'FP32', shape: [1, 3] },
  { name: 'grid', datatype: 'INT8', shape: [-1, 2, 2] },
  { name: 'three', datatype: 'FP64', shape: [3] },
  { name: 'audio', datatype: 'FP32', shape: [1, 512] },
  { name: 'words', datatype: 'BYTES', shape: [-1] },
]
export const columnNames = specs.map((tensor) => ({ tensor, columns: tensorColumns(tensor) }))

const definitions: FeatureDefinitions = {
  key: 'pump',
  time: 'at',
  label: 'fault',
  features: [
    { name: 'now', field: 'bar', transform: { kind: 'last' } },
    { name: 'mean', field: 'bar', transform: { kind: 'rolling_mean', rows: 3 } },
    { name: 'deviation', field: 'bar', transform: { kind: 'rolling_deviation', rows: 3 } },
    { name: 'centred', field: 'bar', transform: { kind: 'centred', rows: 3 } },
    { name: 'step', field: 'bar', transform: { kind: 'difference', lag: 2 } },
    { name: 'rate', field: 'bar', transform: { kind: 'rate', lag: 1 } },
  ],
  inputs: [{ name: 'x', features: ['rate', 'now'] }],
}
const raw: Record<string, unknown>[] = [
  { pump: 'a', at: 1_000, bar: 0.1, fault: false },
  { pump: 'a', at: '1970-01-01T00:00:01.250Z', bar: '0.2', fault: '0' },
  { pump: 'b', at: 1_300, bar: 1e9, fault: 1 },
  { pump: 'a', at: 2_000, bar: null },
  { pump: 'a', at: 2_500, bar: 0.7, fault: true },
  { pump: 'a', at: 2_500, bar: ' 7e-1 ' },
  { pump: 'a', at: 3_000, bar: 1e39 },
  { at: 3_000, bar: 1 },
]
const pipeline = createPipeline(compileFeatures(definitions))
export const features = {
  definitions,
  records: raw.map((record) => {
    const result = pipeline.push(record)
    if (!result.ok) return { record, refused: result.reason }
    const { values, inputs, complete, full, label, timeMs } = result
    return {
      record,
      values: Object.fromEntries(
        definitions.features.map(({ name }, i) => [name, numberOrText(values[i] ?? Number.NaN)]),
      ),
      inputs: inputs.map(({ name, data }) => ({ name, data: Array.from(data, numberOrText) })),
      complete,
      full,
      ...(timeMs === undefined ? {} : { timeMs }),
      ...(label === undefined ? {} : { label }),
    }
  }),
}

/** As tensor values are written where JSON has no such number. */
function numberOrText(value: number): number | string {
  return Number.isFinite(value) ? value : String(value)
}
