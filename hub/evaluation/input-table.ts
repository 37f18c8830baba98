// The rows of a dataset as what the model takes in: one flat row of numbers for all inputs together, so that a column can
// be permuted or replaced whatever input it belongs to. With feature definitions through the devices' own pipeline.

import type { TensorSpec, TensorType, TensorValue } from '@roost/shared/bundle/tensor.ts'
import { type CompiledFeatures, createPipeline } from '@roost/shared/features/compile.ts'
import type { Column, Columns } from '../datasets/columns.ts'
import { EvaluationError } from './evaluation-error.ts'
import type { EvaluatedModel } from './model.ts'

/** Rows of one evaluation. */
export const rowsMax = 100_000
/** Numbers of one table, rows times elements of all inputs: 32 MiB. */
export const valuesMax = 4 * 1_048_576
/** Up to this many elements in all are looked at one by one; of more, every input as a whole. */
const groupsMax = 64
/** Rows worked on before others get a turn of the event loop. */
const rowsAtOnce = 2_000

export type TableInput = { name: string; datatype: TensorType; shape: number[]; from: number; width: number }
/** What importance and attribution speak of: a column, or an input with all of its columns. */
export type InputGroup = { name: string; columns: readonly number[] }
export type InputTable = {
  inputs: readonly TableInput[]
  width: number
  groups: readonly InputGroup[]
  /** The dataset's row of each row of the table: rows without a readable key or time are in none. */
  of: Int32Array
  data: Float64Array
}

/** Model element or feature field -> column of the dataset; what is not named has the same name. */
export type ColumnMapping = Readonly<Record<string, string>>

/** The columns that fill the inputs.
 *  @throws EvaluationError unsupported-input, unknown-mapping */
export function inputColumns(model: EvaluatedModel, mapping: ColumnMapping): string[] {
  const names = model.features === undefined ? elementNames(layoutOf(model.inputs)) : fieldsOf(model.features)
  const stranger = Object.keys(mapping).find((name) => !names.includes(name))
  if (stranger !== undefined) {
    const some =
      names.length <= 20 ? names.join(', ') : `${names.slice(0, 20).join(', ')} and ${names.length - 20} more`
    throw new EvaluationError(
      'unknown-mapping',
      `\`columns\` names ${stranger}, which version ${model.version} does not take; it takes ${some}`,
    )
  }
  return [...new Set(names.map((name) => mapping[name] ?? name))]
}

/** @throws EvaluationError dataset-too-large, text-input, no-rows */
export async function fillTable(
  model: EvaluatedModel,
  { rows, columns }: Columns,
  mapping: ColumnMapping,
): Promise<InputTable> {
  const columnOf = (name: string): Column => {
    const column = columns.get(mapping[name] ?? name)
    if (column === undefined)
      throw new EvaluationError('unknown-column', `the dataset has no column ${mapping[name] ?? name}`)
    return column
  }
  const table =
    model.features === undefined
      ? await plainTable(layoutOf(model.inputs), rows, columnOf)
      : await featureTable(model, model.features, rows, columnOf)
  if (table.of.length === 0) throw new EvaluationError('no-rows', 'no row has a readable key and time')
  return table
}

/** One row as the tensors of an inference. What is not finite is a text, as JSON carries it. */
export function tensorsOf(inputs: readonly TableInput[], row: Float64Array): Record<string, TensorValue> {
  return Object.fromEntries(
    inputs.map(({ name, datatype, shape, from, width }) => {
      const data = Array.from(row.subarray(from, from + width), (value) =>
        datatype === 'BOOL' ? value !== 0 : Number.isFinite(value) ? value : String(value),
      )
      return [name, { datatype, shape, data }]
    }),
  )
}

export const rowAt = ({ data, width }: InputTable, row: number): Float64Array =>
  data.subarray(row * width, (row + 1) * width)

/** @throws EvaluationError unsupported-input */
function layoutOf(specs: readonly TensorSpec[]): TableInput[] {
  let from = 0
  return specs.map(({ name, datatype, shape: stated }) => {
    const shape = stated.map((size, axis) => (axis === 0 && size === -1 ? 1 : size))
    const width = shape.reduce((product, size) => product * size, 1)
    if (datatype === 'BYTES') throw unsupported(name, 'takes text')
    if (shape.includes(-1)) throw unsupported(name, `has an open size: [${stated.join(', ')}]`)
    const input = { name, datatype, shape, from, width }
    from += width
    return input
  })
}

const unsupported = (name: string, what: string): EvaluationError =>
  new EvaluationError(
    'unsupported-input',
    `input ${name} ${what}; rows of a table can only fill numbers of a fixed count`,
  )

/** `x` for one element, else `x[0]`, `x[1]` …: the names a sample has at registration. */
const elementNames = (inputs: readonly TableInput[]): string[] => inputs.flatMap(namesOf)
const namesOf = ({ name, width }: TableInput): string[] =>
  width === 1 ? [name] : Array.from({ length: width }, (_, i) => `${name}[${i}]`)

function fieldsOf({ fields, definitions: { key, time } }: CompiledFeatures): string[] {
  return [...new Set([...fields, ...(key === undefined ? [] : [key]), ...(time === undefined ? [] : [time])])]
}

async function plainTable(inputs: TableInput[], rows: number, columnOf: (name: string) => Column): Promise<InputTable> {
  const names = elementNames(inputs)
  const width = names.length
  assertFits(rows, width)
  const data = new Float64Array(rows * width)
  for (const [element, name] of names.entries()) {
    const column = columnOf(name)
    if (column.kind === 'text') {
      throw new EvaluationError('text-input', `the column for ${name} holds text, and the model takes numbers`)
    }
    for (let row = 0; row < rows; row++) data[row * width + element] = column.values[row] ?? Number.NaN
    await othersTurn()
  }
  return {
    inputs,
    width,
    groups: groupsOf(inputs, names),
    of: Int32Array.from({ length: rows }, (_, row) => row),
    data,
  }
}

async function featureTable(
  { inputs: specs }: EvaluatedModel,
  features: CompiledFeatures,
  rows: number,
  columnOf: (name: string) => Column,
): Promise<InputTable> {
  const fields = fieldsOf(features).map((name) => ({ name, values: columnOf(name).values }))
  let from = 0
  const inputs = features.inputs.map(({ name, features: { length: width } }): TableInput => {
    const rank = specs.find((spec) => spec.name === name)?.shape.length
    const input = { name, datatype: 'FP32' as const, shape: rank === 1 ? [width] : [1, width], from, width }
    from += width
    return input
  })
  assertFits(rows, from)
  const data = new Float64Array(rows * from)
  const of: number[] = []
  const pipeline = createPipeline(features)
  for (let row = 0; row < rows; row++) {
    if (row % rowsAtOnce === 0) await othersTurn()
    const result = pipeline.push(Object.fromEntries(fields.map(({ name, values }) => [name, presentAt(values, row)])))
    if (!result.ok || (features.definitions.time !== undefined && result.timeMs === undefined)) continue
    for (const [i, input] of inputs.entries()) data.set(result.inputs[i]?.data ?? [], of.length * from + input.from)
    of.push(row)
  }
  const names = features.inputs.flatMap((input) => input.features.map((feature) => features.names[feature] ?? ''))
  return {
    inputs,
    width: from,
    groups: groupsOf(inputs, names),
    of: Int32Array.from(of),
    data: data.subarray(0, of.length * from),
  }
}

/** A missing cell is no member of the record. */
function presentAt(values: Column['values'], row: number): unknown {
  const value = values[row]
  return value === null || Number.isNaN(value) ? undefined : value
}

function groupsOf(inputs: readonly TableInput[], names: readonly string[]): InputGroup[] {
  if (names.length <= groupsMax) return names.map((name, column) => ({ name, columns: [column] }))
  return inputs.map(({ name, from, width }) => ({ name, columns: Array.from({ length: width }, (_, i) => from + i) }))
}

/** @throws EvaluationError dataset-too-large */
export function assertFits(rows: number, width: number): void {
  if (rows <= rowsMax && rows * width <= valuesMax) return
  throw new EvaluationError(
    'dataset-too-large',
    `${rows} rows of ${width} numbers; an evaluation takes ${rowsMax} rows and ${valuesMax} numbers: draw a sample of them`,
  )
}

const othersTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
