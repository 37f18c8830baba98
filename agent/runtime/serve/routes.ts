// Which path leads to what: the Open Inference Protocol v2, and raw records through the feature pipeline.
// A model is asked for by its deployment's name, or by its model's name where only one deployment runs it.

import { z } from 'zod'
import type { Deployment, Prediction } from '../deployment.ts'
import type { Tensors } from '../session.ts'
import { TensorError } from '../tensors.ts'
import { labelsRoute, metricsRoute } from './feedback.ts'
import { type Answer, type FindRoute, failure, type Route } from './http.ts'
import { JsonError, parseJson } from './json.ts'
import {
  inferAnswer,
  type ModelDescription,
  modelMetadata,
  readInferRequest,
  serverMetadata,
  tensorText,
} from './open-inference.ts'

/** Records in one request; a request with more is refused as a whole. */
export const recordsMax = 1024

const Records = z.union([
  z.array(z.record(z.string(), z.unknown())).min(1).max(recordsMax),
  z.record(z.string(), z.unknown()).transform((record) => [record]),
])

export function createRoutes(deployments: ReadonlyMap<string, Deployment>, version: string): FindRoute {
  const fixed = new Map<string, Route>([
    ['/v2', get(() => serverMetadata(version))],
    ['/v2/health/live', get(() => '{"live":true}')],
    ['/v2/health/ready', get(() => '{"ready":true}')],
  ])
  return (path) => {
    const route = fixed.get(path)
    if (route !== undefined) return route
    const [root, family, kind, name, ...rest] = path.split('/')
    if (root !== '' || name === undefined) return undefined
    if (family === 'v2' && kind === 'models') return modelRoute(deployments, name, rest)
    const [deployment, action, ...more] = rest
    if (family !== 'roost' || kind !== 'v1' || name !== 'deployments' || more.length > 0) return undefined
    return ownRoute(deployments.get(deployment ?? ''), action)
  }
}

function modelRoute(deployments: ReadonlyMap<string, Deployment>, name: string, rest: string[]): Route | undefined {
  const deployment = deployments.get(name) ?? onlyOneOf(deployments, name)
  if (deployment === undefined) return undefined
  const { manifest } = deployment.bundle
  const versioned = rest[0] === 'versions'
  if (versioned && rest[1] !== String(manifest.version)) return undefined
  const [action, ...more] = versioned ? rest.slice(2) : rest
  if (more.length > 0) return undefined
  const model: ModelDescription = { ...manifest, name }
  if (action === undefined) return get(() => modelMetadata(model))
  if (action === 'ready') return get(() => JSON.stringify({ name, ready: true }))
  return action === 'infer' ? inferRoute(deployment, model) : undefined
}

function onlyOneOf(deployments: ReadonlyMap<string, Deployment>, model: string): Deployment | undefined {
  const [one, ...others] = [...deployments.values()].filter(({ bundle }) => bundle.manifest.model === model)
  return others.length === 0 ? one : undefined
}

const get = (text: () => string): Route => ({ method: 'GET', respond: () => ({ status: 200, text: text() }) })

function inferRoute(deployment: Deployment, model: ModelDescription): Route {
  const refused = () => deployment.recorder.refused()
  return {
    method: 'POST',
    refused,
    async respond(body) {
      const request = accept(refused, () => readInferRequest(parseJson(body, deployment.takesBigIntegers), model))
      if ('status' in request) return request
      const inference = await deployment.infer(request.feeds)
      if (!inference.ok) return failure(500, inference.error)
      if (request.id !== undefined && isOneRow(deployment, inference.outputs)) {
        deployment.awaitLabel(request.id, inference.outputs)
      }
      return { status: 200, text: inferAnswer(model, request, inference.outputs) }
    },
  }
}

/** A label belongs to one answer: of a batch nothing is remembered. */
function isOneRow({ bundle }: Deployment, outputs: Tensors): boolean {
  const dims = outputs[bundle.manifest.task?.output ?? '']?.dims ?? []
  return (dims[0] ?? 1) === 1
}

/** The value read, or the answer to a request that is not acceptable, counted. */
function accept<Value extends object>(refused: () => void, read: () => Value): Value | Answer {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof TensorError || error instanceof JsonError)) throw error
    refused()
    return failure(400, error.message)
  }
}

/** Beyond the protocol: raw records, what the application tells afterwards, how the newest windows lie to the baseline. */
function ownRoute(deployment: Deployment | undefined, action: string | undefined): Route | undefined {
  if (deployment === undefined) return undefined
  if (action === 'records') return recordsRoute(deployment)
  if (action === 'metrics') return metricsRoute(deployment)
  if (action === 'labels') return labelsRoute(deployment)
  const { drift, bundle } = deployment
  if (action !== 'drift') return undefined
  const { model, version } = bundle.manifest
  return {
    method: 'GET',
    respond: () =>
      drift === undefined
        ? failure(404, 'this version has no baseline to judge by')
        : { status: 200, text: JSON.stringify({ model_name: model, model_version: String(version), ...drift() }) },
  }
}

function recordsRoute(deployment: Deployment): Route {
  const { bundle, recorder } = deployment
  const model: ModelDescription = { ...bundle.manifest, name: bundle.deployment }
  const head = `{"model_name":"${model.name}","model_version":"${model.version}","predictions":[`
  const refused = () => recorder.refused()
  return {
    method: 'POST',
    refused,
    async respond(body) {
      const records = accept(refused, () => readRecords(body, deployment))
      if ('status' in records) return records
      // One after the other: windows of a feature are in the order of the records.
      const predictions: Prediction[] = []
      for (const record of records) {
        const prediction = await deployment.predict(record)
        if (prediction.ok) deployment.awaitLabel(prediction.id, prediction.outputs)
        predictions.push(prediction)
      }
      const [only] = predictions
      if (predictions.length === 1 && only?.ok === false) return failure(only.why === 'refused' ? 400 : 500, only.error)
      return { status: 200, text: `${head}${predictions.map((one) => predictionText(model, one)).join(',')}]}` }
    },
  }
}

function readRecords(body: Buffer, deployment: Deployment): Record<string, unknown>[] {
  if (!deployment.takesRecords) throw new JsonError('this version has no feature definitions; send tensors to /v2')
  const parsed = Records.safeParse(parseJson(body, false))
  if (parsed.success) return parsed.data
  throw new JsonError(`the body must be one record (an object) or an array of 1 to ${recordsMax} records`)
}

function predictionText(model: ModelDescription, prediction: Prediction): string {
  if (!prediction.ok) return JSON.stringify({ error: prediction.error })
  const outputs = model.outputs.map(({ name }) => tensorText(name, model, prediction.outputs)).join(',')
  return `{"id":"${prediction.id}","outputs":[${outputs}]}`
}
