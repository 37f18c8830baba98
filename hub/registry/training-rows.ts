// Training rows turned into what a device would see of them: the values of every watched column, and the tensors to
// run the model on. With feature definitions through the same pipeline as on the device; without, the sample names
// the watched input columns themselves.

import type { TensorSpec, TensorType } from '@roost/shared/bundle/tensor.ts'
import { type CompiledFeatures, createPipeline } from '@roost/shared/features/compile.ts'
import { readNumber } from '@roost/shared/features/reading.ts'
import { elementsMax, tensorColumns } from '@roost/shared/sketch/tensor-columns.ts'
import { growing } from '../datasets/growing.ts'
import { Problem } from '../problem.ts'
import type { Row } from './sample.ts'

/** Numbers kept of one sample: rows times (features, outputs and input elements). 32 MiB. */
export const sampleValuesMax = 4 * 1_048_576

export type Column = { name: string; kind: 'feature' | 'output'; values: Float64Array }
/** `data`: one row of the input after the other, `width` elements each. */
export type InputRows = { name: string; datatype: TensorType; shape: number[]; width: number; data: Float64Array }

export type TrainingRows = {
  rows: number
  /** Rows without a readable key or time, which no device could place either. */
  rowsLeftOut: number
  columns: Column[]
  /** For every input of the model, or undefined where the rows do not hold them whole. */
  inputs: InputRows[] | undefined
  times: Float64Array | undefined
  /** A number for every key. */
  groups: Float64Array | undefined
}

/** Runs the rows through the feature pipeline.
 *  @throws Problem unknown-column, sample-too-large, empty-sample */
export async function rowsByFeatures(
  rows: AsyncIterable<Row>,
  features: CompiledFeatures,
  inputs: readonly TensorSpec[],
): Promise<TrainingRows> {
  const { key, time } = features.definitions
  const needed = [...features.fields, ...(key === undefined ? [] : [key]), ...(time === undefined ? [] : [time])]
  const seen = seenColumns(needed)
  const pipeline = createPipeline(features)
  const values = features.names.map(() => growing())
  const inputData = features.inputs.map(() => growing())
  const times = growing()
  const groups = growing()
  const groupNumbers = new Map<string, number>()
  const width = features.names.length + features.inputs.reduce((sum, input) => sum + input.features.length, 0)
  let count = 0
  let rowsLeftOut = 0
  for await (const row of rows) {
    seen.look(row)
    const result = pipeline.push(row)
    if (!result.ok || (time !== undefined && result.timeMs === undefined)) {
      rowsLeftOut += 1
      continue
    }
    count += 1
    assertFits(count * width)
    for (const [i, value] of result.values.entries()) values[i]?.push(value)
    for (const [i, { data }] of result.inputs.entries()) for (const value of data) inputData[i]?.push(value)
    times.push(result.timeMs ?? Number.NaN)
    groups.push(numberOf(groupNumbers, result.key))
  }
  assertSome(count + rowsLeftOut, 'the sample has no rows')
  seen.assertAll()
  assertSome(count, `none of its ${rowsLeftOut} rows has a readable key and time`)
  return {
    rows: count,
    rowsLeftOut,
    columns: features.names.map((name, i) => ({
      name,
      kind: 'feature',
      values: values[i]?.values() ?? new Float64Array(),
    })),
    inputs: features.inputs.map(({ name, features: taken }, i) => {
      const rank = inputs.find((input) => input.name === name)?.shape.length
      const shape = rank === 1 ? [taken.length] : [1, taken.length]
      return { name, datatype: 'FP32', shape, width: taken.length, data: inputData[i]?.values() ?? new Float64Array() }
    }),
    times: time === undefined ? undefined : times.values(),
    groups: key === undefined ? undefined : groups.values(),
  }
}

/** Takes the watched columns as the sample names them; others are passed over, a training table has more.
 *  @throws Problem unknown-column where it names none of the inputs' columns; sample-too-large, empty-sample */
export async function rowsByColumns(
  rows: AsyncIterable<Row>,
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
): Promise<TrainingRows> {
  const watched = [
    ...inputs.flatMap((spec) => tensorColumns(spec)).map((name) => ({ name, kind: 'feature' as const })),
    ...outputs.flatMap((spec) => tensorColumns(spec)).map((name) => ({ name, kind: 'output' as const })),
  ].map((column) => ({ ...column, values: growing(), seen: false }))
  let count = 0
  for await (const row of rows) {
    count += 1
    assertFits(count * watched.length)
    for (const column of watched) {
      column.seen ||= Object.hasOwn(row, column.name)
      column.values.push(readNumber(row[column.name]))
    }
  }
  assertSome(count, 'the sample has no rows')
  const present = watched.filter(({ seen }) => seen)
  if (!present.some(({ kind }) => kind === 'feature')) {
    const names = watched.filter(({ kind }) => kind === 'feature').map(({ name }) => name)
    throw new Problem(
      422,
      'unknown-column',
      'A column does not exist',
      `without feature definitions the sample has columns named like the model's inputs: ${listed(names)}`,
      { field: 'sample' },
    )
  }
  const columns = present.map(({ name, kind, values }) => ({ name, kind, values: values.values() }))
  return {
    rows: count,
    rowsLeftOut: 0,
    columns,
    inputs: wholeInputs(columns, inputs),
    times: undefined,
    groups: undefined,
  }
}

/** The inputs, where the columns hold every element of every one. */
function wholeInputs(columns: readonly Column[], inputs: readonly TensorSpec[]): InputRows[] | undefined {
  const byName = new Map(columns.filter(({ kind }) => kind === 'feature').map(({ name, values }) => [name, values]))
  const whole = inputs.map((spec): InputRows | undefined => {
    const shape = spec.shape.map((size, axis) => (axis === 0 && size === -1 ? 1 : size))
    const width = shape.reduce((product, size) => product * size, 1)
    const elements = tensorColumns(spec).map((name) => byName.get(name))
    if (shape.includes(-1) || width > elementsMax || elements.length !== width || elements.includes(undefined))
      return undefined
    const rows = elements[0]?.length ?? 0
    const data = new Float64Array(rows * width)
    for (const [element, values] of elements.entries()) {
      for (let row = 0; row < rows; row++) data[row * width + element] = values?.[row] ?? Number.NaN
    }
    return { name: spec.name, datatype: spec.datatype, shape, width, data }
  })
  return whole.every((input) => input !== undefined) ? whole : undefined
}

/** Which of the needed columns any row has; a JSON line may leave one out. */
function seenColumns(needed: readonly string[]): { look(row: Row): void; assertAll(): void } {
  const missing = new Set(needed)
  const others = new Set<string>()
  return {
    look: (row) => {
      for (const name of missing) if (Object.hasOwn(row, name)) missing.delete(name)
      if (others.size === 0) for (const name of Object.keys(row)) others.add(name)
    },
    assertAll: () => {
      const [name] = missing
      if (name === undefined) return
      throw new Problem(
        422,
        'unknown-column',
        'A column does not exist',
        `the features need the column ${JSON.stringify(name)}, which no row of the sample has; it has ${listed([...others])}`,
        { field: 'metadata.features', members: { column: name } },
      )
    },
  }
}

/** @throws Problem sample-too-large */
export function assertFits(values: number): void {
  if (values <= sampleValuesMax) return
  throw new Problem(
    413,
    'sample-too-large',
    'Too large',
    `a sample may fill ${sampleValuesMax} numbers; send fewer rows`,
    {
      field: 'sample',
    },
  )
}

function assertSome(rows: number, detail: string): void {
  if (rows === 0) throw new Problem(422, 'empty-sample', 'No rows', detail, { field: 'sample' })
}

const listed = (names: readonly string[]): string =>
  names.length <= 20 ? names.join(', ') : `${names.slice(0, 20).join(', ')} and ${names.length - 20} more`

function numberOf(numbers: Map<string, number>, key: string): number {
  const known = numbers.get(key)
  if (known !== undefined) return known
  numbers.set(key, numbers.size)
  return numbers.size - 1
}
