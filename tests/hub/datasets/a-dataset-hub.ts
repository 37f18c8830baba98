// A hub with the routes of datasets, and how its tests talk to it.

import { readFile } from 'node:fs/promises'
import { createApp } from '../../../hub/app.ts'
import { datasetRoutes } from '../../../hub/datasets/routes.ts'
import type { Role } from '../../../hub/governance/tokens.ts'
import { aHub, type TestHub } from '../a-hub.ts'

export type DatasetHub = AsyncDisposable & {
  hub: TestHub
  ask(path: string, init?: RequestInit, role?: Role): Promise<Response>
  push(name: string, type: string, body: Body): Promise<Response>
}
type Body = string | Uint8Array<ArrayBuffer>

export async function aDatasetHub(environment: Record<string, string> = {}): Promise<DatasetHub> {
  const hub = await aHub({ environment })
  const app = createApp(hub, [datasetRoutes(hub)])
  const tokens = new Map<Role, string>()
  const ask: DatasetHub['ask'] = async (path, init = {}, role = 'ci') => {
    const token = tokens.get(role) ?? (await hub.tokenOf(role))
    tokens.set(role, token)
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${token}`)
    return app.request(path, { ...init, headers })
  }
  return {
    hub,
    ask,
    push: (name, type, body) =>
      ask(`/v1/datasets/${name}/snapshots`, { method: 'POST', headers: { 'content-type': type }, body }),
    [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose](),
  }
}

export const csv = 'text/csv'
export const jsonLines = 'application/x-ndjson'
export const parquet = 'application/vnd.apache.parquet'

const folder = new URL('../../fixtures/datasets/', import.meta.url)
/** A file that tests/fixtures/datasets/make.py has made. */
export const fixture = async (name: string): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await readFile(new URL(name, folder)))
