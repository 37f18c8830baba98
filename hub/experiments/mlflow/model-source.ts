// What a client names as the source of a version: a logged model, a folder of a run's files, another version.
// Only what lies in this hub can become one, and only where its run or model is the one that is named beside it.

import { artifactUriPath, type Owner, pathFault, readPlace } from '../artifacts/path.ts'
import { invalidParameter, type MlflowError } from './error.ts'

export type ModelSource =
  | { kind: 'files'; owner: Owner; folder: string }
  /** `which`: a number, or `@` and an alias. */
  | { kind: 'version'; model: string; which: string }

/** @throws MlflowError INVALID_PARAMETER_VALUE */
export function readSource(source: string, runId: string | undefined, modelId: string | undefined): ModelSource {
  const read = located(source)
  if (read.kind === 'version') return read
  const { owner, folder } = read
  if (owner.kind === 'version') throw refused(source, 'name another version as models:/<name>/<version>')
  if (folder !== '') {
    const fault = pathFault(folder)
    if (fault !== undefined) throw refused(source, `its path is no good: ${fault}`)
  }
  const named = owner.kind === 'run' ? runId : (modelId ?? owner.id)
  if (named !== owner.id) {
    const field = owner.kind === 'run' ? 'run_id' : 'model_id'
    throw refused(source, `the request parameter ${field} must be that of the source, ${owner.id}`)
  }
  return read
}

function located(source: string): ModelSource {
  const [, model, within = ''] = /^models:\/(m-[0-9a-f]{32})(?:\/(.*))?$/s.exec(source) ?? []
  if (model !== undefined) return { kind: 'files', owner: { kind: 'model', id: model }, folder: plain(within) }
  const [, run, below = ''] = /^runs:\/([0-9a-f]{32})(?:\/(.*))?$/s.exec(source) ?? []
  if (run !== undefined) return { kind: 'files', owner: { kind: 'run', id: run }, folder: plain(below) }
  const [, name, number, alias] = /^models:\/([a-z0-9-]+)(?:\/(\d{1,9})|(@[^/]+))$/.exec(source) ?? []
  if (name !== undefined) return { kind: 'version', model: name, which: alias ?? number ?? '' }
  const path = artifactUriPath(source)
  if (path !== undefined) {
    const fault = pathFault(path)
    const place = fault === undefined ? readPlace(path) : undefined
    if (place === undefined) throw refused(source, fault ?? 'it lies in no run and no logged model')
    return { kind: 'files', owner: place.owner, folder: place.path }
  }
  if (/^[a-z][a-z0-9+.-]*:/i.test(source) && !/^file:/i.test(source)) {
    throw refused(source, 'this server reads only what it keeps itself; log the model to it with mlflow.onnx.log_model')
  }
  throw refused(source, 'a local path is on your machine; log the model to this server with mlflow.onnx.log_model')
}

const plain = (path: string): string => path.replace(/\/+$/, '')

const refused = (source: string, why: string): MlflowError =>
  invalidParameter(`Invalid model version source: ${JSON.stringify(source.slice(0, 300))}: ${why}`)
