// Every route, from the hub's own OpenAPI document, against a real hub over HTTP: whatever is sent, there is an answer in
// time, it is never the hub's fault, what is refused says why, and the database is whole afterwards.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { createClient } from '../../../hub/cli/client.ts'
import { readConfig } from '../../../hub/config.ts'
import { ProblemDocument } from '../../../hub/problem.ts'
import { type RunningHub, startHub } from '../../../hub/start.ts'
import { aModel, node } from '../../builders/onnx.ts'
import { register } from '../../end-to-end/a-fleet.ts'
import { Document, type FuzzedRequest, operationsOf } from './operations.ts'

const seed = 20_261_125
const requestsEach = 15
const answerMsMax = 30_000

let folder: string
let running: RunningHub
let token = ''
const faults: string[] = []
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-fuzz-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  // the log says what broke: more than the answer may
  const log = pino({ level: 'error' }, { write: (line: string) => void faults.push(line) })
  running = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), log)
  token = running.adminToken ?? ''
})
afterAll(async () => {
  await running.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Something of each kind, so that requests get further than "not found". @returns the names */
async function furnish(): Promise<string[]> {
  const operator = createClient(running.url, token)
  await register(operator, aModel({ node: [node('Relu', ['x'], ['y'])] }), { model: 'demo' })
  await operator.send('POST', '/v1/groups', { name: 'all', query: 'site = north' }, z.unknown())
  const claim = await operator.send('POST', '/v1/claims', { uses: 3 }, z.looseObject({ id: z.string() }))
  return ['demo', '1', 'all', claim.id, 'champion', 'production', 'site']
}

const MlflowErrorDocument = z.strictObject({ error_code: z.string(), message: z.string() })

async function send({ method, path, headers, body }: FuzzedRequest): Promise<void> {
  const response = await fetch(`${running.url}${path}`, {
    method,
    // kept alive, one could be closed by the hub while this process, which is the hub's too, is busy
    headers: { authorization: `Bearer ${token}`, connection: 'close', ...headers },
    signal: AbortSignal.timeout(answerMsMax),
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  const said = `${method} ${path} -> ${response.status} ${text.slice(0, 500)}\n${faults.splice(0).join('')}`
  expect(response.status, said).toBeLessThan(500)
  if (response.status < 400) return
  if (!path.startsWith('/v1/')) {
    expect(MlflowErrorDocument.parse(JSON.parse(text)).message.length, said).toBeGreaterThan(3)
    return
  }
  expect(response.headers.get('content-type'), said).toBe('application/problem+json')
  const problem = ProblemDocument.parse(JSON.parse(text))
  expect(problem.status, said).toBe(response.status)
  expect(problem.detail.length, said).toBeGreaterThan(3)
}

test(`no request breaks the hub (seed ${seed})`, async () => {
  const known = await furnish()
  const headers = { authorization: `Bearer ${token}` }
  const document = Document.parse(await (await fetch(`${running.url}/v1/openapi.json`, { headers })).json())
  const patterns = patternsIn(document)
  expect(patterns.length).toBeGreaterThan(10)
  // one with a flag at its end matches nothing
  expect(patterns.filter((pattern) => /\/[a-z]*$/.test(pattern))).toEqual([])
  // what is removed is not there for the others
  const operations = operationsOf(document, known).sort((a, b) => Number(a.removes) - Number(b.removes))
  expect(operations.length).toBeGreaterThan(40)
  // making them takes seconds on a busy machine: connections that the hub has closed meanwhile are noticed now
  await delay(200)
  for (const { name, requests } of operations) {
    await fc
      .assert(fc.asyncProperty(requests, send), { seed, numRuns: requestsEach, endOnFailure: true })
      .catch((error: unknown) => {
        throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      })
  }
  const Check = z.record(z.string(), z.unknown())
  expect(await running.hub.database.all(Check, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
  expect(await running.hub.database.all(Check, 'PRAGMA foreign_key_check')).toEqual([])
  expect((await fetch(`${running.url}/readyz`)).status).toBe(200)
}, 300_000)

function patternsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  const own = 'pattern' in value && typeof value.pattern === 'string' ? [value.pattern] : []
  return [...own, ...Object.values(value).flatMap(patternsIn)]
}
