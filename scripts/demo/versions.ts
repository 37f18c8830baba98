// Registering the demo's detectors as a CI pipeline does, over HTTP: the ONNX file, what it was trained on, what its
// output means, and inputs that every device must answer alike.

import type { Client } from '../../hub/cli/client.ts'
import { VersionDocument } from '../../hub/registry/documents.ts'
import { type TrainedModel, threshold } from './train.ts'

/** The name of the model, and of its deployment on the gateways. */
export const model = 'motes'
export type VersionName = 'v1' | 'v2' | 'v3'

/** A window report every hundred readings. */
export const windowRows = 100

const descriptions: Record<VersionName, string> = {
  v1: 'trained on the indoor motes',
  v2: 'trained on all motes',
  v3: 'answers as v2, and takes far longer',
}

/** v3 is registered in a hurry, without its training rows: the hub need not run them through it, one by one, and no drift
 *  can be told from it. */
export const hasSample = (name: VersionName): boolean => name !== 'v3'

/** The `metadata` part of a registration. */
export const metadataOf = (name: VersionName, { features, metrics }: TrainedModel) => ({
  description: descriptions[name],
  features,
  task: { kind: 'binary-classification', output: 'probability', threshold },
  window: { rows: windowRows, seconds: 60 },
  metrics,
})

/** @throws RequestError, saying what the hub did not like */
export function registerVersion(ci: Client, name: VersionName, trained: TrainedModel) {
  const form = new FormData()
  const json = (value: unknown) => new Blob([JSON.stringify(value)], { type: 'application/json' })
  form.set('metadata', json(metadataOf(name, trained)))
  form.set('golden', json({ vectors: trained.goldenInputs.map((inputs) => ({ inputs })) }))
  if (hasSample(name)) form.set('sample', new Blob([trained.sampleCsv], { type: 'text/csv' }), 'sample.csv')
  form.set('model', new Blob([new Uint8Array(trained.onnx)]), 'model.onnx')
  return ci.send('POST', `/v1/models/${model}/versions`, form, VersionDocument)
}
