// A hub over real HTTP, asked as MLflow's client asks.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { z } from 'zod'
import { readConfig } from '../../../hub/config.ts'
import { type RunningHub, startHub } from '../../../hub/start.ts'

export const Run = z.object({
  info: z.looseObject({
    run_id: z.string(),
    run_uuid: z.string(),
    run_name: z.string(),
    experiment_id: z.string(),
    status: z.string(),
    start_time: z.number(),
    end_time: z.number().optional(),
    artifact_uri: z.string(),
    lifecycle_stage: z.string(),
  }),
  data: z.object({
    metrics: z
      .array(
        z.object({
          key: z.string(),
          value: z.union([z.number(), z.string()]),
          timestamp: z.number(),
          step: z.number(),
        }),
      )
      .default([]),
    params: z.array(z.object({ key: z.string(), value: z.string() })).default([]),
    tags: z.array(z.object({ key: z.string(), value: z.string() })).default([]),
  }),
  inputs: z.looseObject({}),
  outputs: z.looseObject({}),
})
export type Run = z.infer<typeof Run>
const Refusal = z.object({ error_code: z.string(), message: z.string() })
export const RunAnswer = z.object({ run: Run })

export type Fields = Readonly<Record<string, unknown>>
export type TrackingServer = AsyncDisposable & {
  running: RunningHub
  url: string
  /** The object of a 200. */
  get(path: string, fields?: Readonly<Record<string, string | readonly string[]>>): Promise<unknown>
  post(path: string, body: Fields | string): Promise<unknown>
  /** Status and error code of what must be refused. */
  refused(path: string, body: Fields | string | undefined): Promise<[number, string, string]>
  createRun(fields?: Fields): Promise<Run>
  readRun(id: string): Promise<Run>
}

export async function aTrackingServer(): Promise<TrackingServer> {
  const folder = mkdtempSync(join(tmpdir(), 'roost-tracking-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  const running = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), pino({ level: 'silent' }))
  const headers = { authorization: `Bearer ${running.adminToken ?? ''}`, 'content-type': 'application/json' }
  const at = (path: string) => `${running.url}/api/2.0/mlflow/${path}`
  const ask = (path: string, body: Fields | string | undefined) =>
    body === undefined
      ? fetch(at(path), { headers })
      : fetch(at(path), { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) })
  const answered = async (response: Response): Promise<unknown> => {
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${response.url}: ${response.status} ${text}`)
    return JSON.parse(text)
  }
  const server: TrackingServer = {
    running,
    url: running.url,
    get: async (path, fields = {}) => {
      const query = new URLSearchParams()
      for (const [key, value] of Object.entries(fields)) {
        for (const one of typeof value === 'string' ? [value] : value) query.append(key, one)
      }
      return answered(await ask(`${path}?${query}`, undefined))
    },
    post: async (path, body) => answered(await ask(path, body)),
    refused: async (path, body) => {
      const response = await ask(path, body)
      const { error_code, message } = Refusal.parse(await response.json())
      return [response.status, error_code, message]
    },
    createRun: async (fields = {}) => RunAnswer.parse(await server.post('runs/create', fields)).run,
    readRun: async (id) => RunAnswer.parse(await server.get('runs/get', { run_id: id })).run,
    [Symbol.asyncDispose]: async () => {
      await running.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return server
}
