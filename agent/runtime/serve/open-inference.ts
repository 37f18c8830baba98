// The Open Inference Protocol v2 over JSON: requests read against a model's specs, answers written.
// https://github.com/kserve/open-inference-protocol; binary tensors are not spoken here.

import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import type { Tensor } from 'onnxruntime-node'
import { z } from 'zod'
import type { Tensors } from '../session.ts'
import { dataText, readTensor, TensorError } from '../tensors.ts'

/** What the protocol needs to know of a model. `name` is the one it was asked for by. */
export type ModelDescription = {
  name: string
  version: number
  inputs: readonly TensorSpec[]
  outputs: readonly TensorSpec[]
}

const InferRequest = z.object({
  id: z.string().optional(),
  inputs: z
    .array(
      z.object({
        name: z.string(),
        datatype: z.string(),
        shape: z.array(z.number().int().nonnegative()).max(16),
        // Checked element by element against the datatype; zod would copy it.
        data: z.unknown().optional(),
      }),
    )
    .max(64),
  outputs: z
    .array(z.object({ name: z.string() }))
    .max(64)
    .optional(),
})

export type InferRequest = { id?: string; feeds: Tensors; outputs: readonly string[] }

/** Reads the body of `…/infer`.
 *  @throws TensorError with words for the sender */
export function readInferRequest(body: unknown, model: ModelDescription): InferRequest {
  const parsed = InferRequest.safeParse(body)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const where = issue === undefined || issue.path.length === 0 ? 'the body' : issue.path.join('.')
    throw new TensorError(`${where}: ${issue?.message ?? 'invalid'}`)
  }
  const { id, inputs, outputs } = parsed.data
  // No prototype: an input may be called `constructor`.
  const feeds: Record<string, Tensor> = Object.create(null)
  for (const input of inputs) {
    const spec = model.inputs.find((known) => known.name === input.name)
    if (spec === undefined) throw new TensorError(`there is no input '${input.name.slice(0, 64)}'`)
    if (feeds[spec.name] !== undefined) throw new TensorError(`input '${spec.name}' is given twice`)
    feeds[spec.name] = readTensor(spec, input)
  }
  const missing = model.inputs.find((spec) => feeds[spec.name] === undefined)
  if (missing !== undefined) throw new TensorError(`input '${missing.name}' is missing`)
  return { ...(id !== undefined && { id }), feeds, outputs: wantedOutputs(outputs, model) }
}

/** All of them where none is named. */
function wantedOutputs(wanted: { name: string }[] | undefined, model: ModelDescription): string[] {
  if (wanted === undefined || wanted.length === 0) return model.outputs.map((spec) => spec.name)
  const unknown = wanted.find(({ name }) => !model.outputs.some((spec) => spec.name === name))
  if (unknown !== undefined) throw new TensorError(`there is no output '${unknown.name.slice(0, 64)}'`)
  return [...new Set(wanted.map(({ name }) => name))]
}

/** The answer to `…/infer` as JSON text. */
export function inferAnswer(model: ModelDescription, request: InferRequest, results: Tensors): string {
  const id = request.id === undefined ? '' : `,"id":${JSON.stringify(request.id)}`
  const outputs = request.outputs.map((name) => tensorText(name, model, results)).join(',')
  return `{"model_name":${JSON.stringify(model.name)},"model_version":"${model.version}"${id},"outputs":[${outputs}]}`
}

export function tensorText(name: string, model: ModelDescription, results: Tensors): string {
  const tensor = results[name]
  const spec = model.outputs.find((known) => known.name === name)
  if (tensor === undefined || spec === undefined) throw new TypeError(`the session gave no output '${name}'`)
  const { datatype } = spec
  return `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${tensor.dims.join(',')}],"data":${dataText(tensor)}}`
}

/** GET /v2 */
export const serverMetadata = (version: string) => JSON.stringify({ name: 'roost', version, extensions: [] })

/** GET /v2/models/{m} */
export const modelMetadata = (model: ModelDescription) =>
  JSON.stringify({
    name: model.name,
    versions: [String(model.version)],
    platform: 'onnx_onnxv1',
    inputs: model.inputs,
    outputs: model.outputs,
  })
