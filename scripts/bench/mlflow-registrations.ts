// Versions a second by MLflow's routes, for bench `registry`: what its client sends for a model that was logged with a run,
// the same to the hub and to MLflow's own server.

import { z } from 'zod'
import { writeMlModel } from '../../hub/experiments/mlflow/mlmodel.ts'

const model = 'bench-mlflow'
const mlModel = writeMlModel('model.onnx')

const RunAnswer = z.object({ run: z.object({ info: z.object({ run_id: z.string(), artifact_uri: z.string() }) }) })
const VersionAnswer = z.object({ model_version: z.object({ status: z.literal('READY') }) })

/** Versions a second, from the first byte until the last one is READY.
 *  @throws Error where the server refuses one */
export async function registerByMlflow(
  { url, adminToken }: { url: string; adminToken: string },
  models: readonly Uint8Array[],
  clients: number,
): Promise<number> {
  const send = async (
    method: 'POST' | 'PUT',
    path: string,
    body: string | Uint8Array<ArrayBuffer>,
  ): Promise<unknown> => {
    const headers = { authorization: `Bearer ${adminToken}`, 'content-type': contentTypes[method] }
    const response = await fetch(`${url}/api/2.0/${path}`, { method, body, headers })
    const text = await response.text()
    const answer: unknown = text === '' ? undefined : JSON.parse(text)
    const isThere = path === 'mlflow/registered-models/create' && Already.safeParse(answer).success
    if (response.status !== 200 && !isThere) throw new Error(`${path}: ${response.status} ${text}`)
    return answer
  }
  const post = (path: string, body: unknown) => send('POST', `mlflow/${path}`, JSON.stringify(body))
  const register = async (onnx: Uint8Array) => {
    const created = await post('runs/create', { experiment_id: '0', user_id: 'bench', start_time: Date.now() })
    const { run_id, artifact_uri } = RunAnswer.parse(created).run.info
    const folder = `mlflow-artifacts/artifacts/${artifact_uri.replace(/^mlflow-artifacts:\/+/, '')}/model`
    await send('PUT', `${folder}/model.onnx`, Uint8Array.from(onnx))
    await send('PUT', `${folder}/MLmodel`, mlModel)
    await post('registered-models/create', { name: model })
    const source = `${artifact_uri}/model`
    VersionAnswer.parse(await post('model-versions/create', { name: model, source, run_id }))
  }
  const waiting = [...models]
  const work = async () => {
    for (let onnx = waiting.pop(); onnx !== undefined; onnx = waiting.pop()) await register(onnx)
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: clients }, work))
  return models.length / ((performance.now() - started) / 1000)
}

const contentTypes = { POST: 'application/json', PUT: 'application/octet-stream' }
const Already = z.object({ error_code: z.literal('RESOURCE_ALREADY_EXISTS') })
