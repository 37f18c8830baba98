// Golden vectors: inputs every device must answer alike before a version may serve. CI brings them, with or without
// outputs, or they are drawn from the sample; outputs are what this model gives here.

import { Golden, goldenVectorsMax } from '@roost/shared/bundle/golden.ts'
import { type TensorSpec, type TensorType, TensorValue } from '@roost/shared/bundle/tensor.ts'
import { z } from 'zod'
import { invalidRequest, Problem } from '../problem.ts'
import type { InputRows } from './training-rows.ts'

/** float32 on other processors differs in the last digits, and a deep model adds them up. */
const toleranceByDefault = { absolute: 1e-4, relative: 1e-3 }
/** Vectors drawn from a sample where CI brings none. */
const drawnMax = 8

const Tensors = z.record(z.string(), TensorValue)
export type Tensors = z.infer<typeof Tensors>

const GoldenUpload = z.strictObject({
  vectors: z
    .array(z.strictObject({ inputs: Tensors, outputs: Tensors.optional() }))
    .min(1)
    .max(goldenVectorsMax),
  tolerance: Golden.shape.tolerance.default(toleranceByDefault),
})
export type GoldenUpload = z.infer<typeof GoldenUpload>

/** The `golden` part, its inputs held against the model's.
 *  @throws Problem invalid-request, golden-mismatch */
export function parseGolden(
  json: unknown,
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
): GoldenUpload {
  const result = GoldenUpload.safeParse(json)
  if (!result.success) {
    throw invalidRequest({
      issues: result.error.issues.map((issue) => ({ ...issue, path: ['golden', ...issue.path] })),
    })
  }
  for (const [i, vector] of result.data.vectors.entries()) {
    assertTensorsFit(vector.inputs, inputs, `golden.vectors[${i}].inputs`, true)
    if (vector.outputs !== undefined) assertTensorsFit(vector.outputs, outputs, `golden.vectors[${i}].outputs`, false)
  }
  return result.data
}

/** Up to eight rows without a missing value, spread evenly over the sample. */
export function drawGolden(inputs: readonly InputRows[], rows: number): GoldenUpload | undefined {
  const complete = Array.from({ length: rows }, (_, row) => row).filter((row) =>
    inputs.every(({ data, width }) => data.subarray(row * width, (row + 1) * width).every(Number.isFinite)),
  )
  const count = Math.min(drawnMax, complete.length)
  if (count === 0) return undefined
  const drawn = Array.from(
    { length: count },
    (_, i) => complete[Math.floor(((i + 0.5) * complete.length) / count)] ?? 0,
  )
  return { vectors: drawn.map((row) => ({ inputs: rowTensors(inputs, row) })), tolerance: toleranceByDefault }
}

/** One row as the tensors of an inference. What is not finite is a text: JSON, in which the scorer gets it, has no NaN. */
export function rowTensors(inputs: readonly InputRows[], row: number): Tensors {
  return Object.fromEntries(
    inputs.map(({ name, datatype, shape, width, data }) => {
      const elements = Array.from(data.subarray(row * width, (row + 1) * width), (value) =>
        datatype === 'BOOL' ? value !== 0 : Number.isFinite(value) ? value : String(value),
      )
      return [name, { datatype, shape, data: elements }]
    }),
  )
}

/** Completes the vectors with what the model gave for them, and holds what CI expected against it.
 *  @throws Problem golden-outputs-differ */
export function completeGolden(upload: GoldenUpload, computed: readonly Tensors[]): Golden {
  const vectors = upload.vectors.map(({ inputs, outputs: expected }, i) => {
    const outputs = computed[i] ?? {}
    for (const [name, want] of Object.entries(expected ?? {})) {
      const got = outputs[name]
      const difference = got === undefined ? 'is missing' : findDifference(got, want, upload.tolerance)
      if (difference === undefined) continue
      const field = `golden.vectors[${i}].outputs.${name}`
      throw new Problem(422, 'golden-outputs-differ', 'The model answers otherwise', `${field} ${difference}`, {
        field,
      })
    }
    return { inputs, outputs: expected === undefined ? outputs : { ...outputs, ...expected } }
  })
  return { vectors, tolerance: upload.tolerance }
}

/** What differs first; undefined where all elements fit (Golden.tolerance says how near is near). */
function findDifference(got: TensorValue, want: TensorValue, tolerance: Golden['tolerance']): string | undefined {
  if (got.shape.join() !== want.shape.join())
    return `has shape [${want.shape.join(', ')}], the model gives [${got.shape.join(', ')}]`
  for (const [i, element] of want.data.entries()) {
    const given = got.data[i]
    const near =
      Math.abs(Number(given) - Number(element)) <= tolerance.absolute + tolerance.relative * Math.abs(Number(element))
    if (given !== element && String(given) !== String(element) && !near) {
      return `expects ${element} at element ${i}, the model gives ${given}`
    }
  }
  return undefined
}

function assertTensorsFit(tensors: Tensors, specs: readonly TensorSpec[], path: string, all: boolean): void {
  const known = specs.map(({ name }) => name)
  const stranger = Object.keys(tensors).find((name) => !known.includes(name))
  if (stranger !== undefined)
    throw misfit(`${path}.${stranger}`, `there is no such tensor; the model has ${known.join(', ')}`)
  for (const spec of specs) {
    const tensor = Object.hasOwn(tensors, spec.name) ? tensors[spec.name] : undefined
    if (tensor === undefined) {
      if (all) throw misfit(`${path}.${spec.name}`, 'is missing')
      continue
    }
    const wrong = misfitOf(tensor, spec)
    if (wrong !== undefined) throw misfit(`${path}.${spec.name}`, wrong)
  }
}

function misfitOf({ datatype, shape, data }: TensorValue, spec: TensorSpec): string | undefined {
  if (datatype !== spec.datatype) return `is ${datatype}; the model takes ${spec.datatype}`
  const fits =
    shape.length === spec.shape.length && spec.shape.every((size, axis) => size === -1 || size === shape[axis])
  if (!fits) return `has shape [${shape.join(', ')}]; the model takes [${spec.shape.join(', ')}], -1 for any size`
  const elements = shape.reduce((product, size) => product * size, 1)
  if (data.length !== elements) return `has ${data.length} elements; its shape says ${elements}`
  const at = data.findIndex((element) => !isOfType(element, datatype))
  return at < 0 ? undefined : `element ${at} is ${JSON.stringify(data[at])}, which is no ${datatype}`
}

/** As agents read them: 64-bit integers may be texts of digits, what is not finite is a text. */
function isOfType(element: number | boolean | string, datatype: TensorType): boolean {
  if (datatype === 'BYTES') return typeof element === 'string'
  if (datatype === 'BOOL') return typeof element === 'boolean'
  const range = integerRanges[datatype]
  if (range === undefined) {
    return (
      typeof element === 'number' || (typeof element === 'string' && ['NaN', 'Infinity', '-Infinity'].includes(element))
    )
  }
  if (typeof element === 'number' ? !Number.isSafeInteger(element) : !/^-?\d{1,20}$/.test(String(element))) return false
  const integer = BigInt(element)
  return integer >= range[0] && integer <= range[1]
}

const integerRanges: Partial<Record<TensorType, readonly [bigint, bigint]>> = {
  UINT8: [0n, 0xffn],
  UINT16: [0n, 0xffffn],
  UINT32: [0n, 0xffff_ffffn],
  UINT64: [0n, 2n ** 64n - 1n],
  INT8: [-0x80n, 0x7fn],
  INT16: [-0x8000n, 0x7fffn],
  INT32: [-0x8000_0000n, 0x7fff_ffffn],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
}

const misfit = (field: string, detail: string) =>
  new Problem(422, 'golden-mismatch', 'Golden vectors do not fit the model', `${field} ${detail}`, { field })
