// What has changed, as a page hears it: over HTTP, from a hub with sockets.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../../../hub/config.ts'
import { type RunningHub, startHub } from '../../../hub/start.ts'

let folder: string
let running: RunningHub
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-live-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  running = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), pino({ level: 'silent' }))
})
afterAll(async () => {
  await running.close()
  rmSync(folder, { recursive: true })
})

const page = { 'x-roost-page': '1', 'sec-fetch-site': 'same-origin', 'content-type': 'application/json' }
const listen = (topics: string, headers: Record<string, string>) =>
  fetch(`${running.url}/v1/live?topics=${topics}`, { headers })

test('every topic at first, then what changes, and nothing once the session is over', async () => {
  const signedIn = await fetch(`${running.url}/v1/session`, {
    method: 'POST',
    headers: page,
    body: JSON.stringify({ token: running.adminToken }),
  })
  const headers = { cookie: signedIn.headers.get('set-cookie')?.split(';')[0] ?? '', ...page }
  const response = await listen('fleet,audit,device:d-1,rollout:r-1', headers)
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let heard = ''
  const until = async (isEnough: () => boolean) => {
    while (!isEnough()) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
      if (done) return
      heard += value
    }
  }
  const topics = () => [...heard.matchAll(/"topic":"([^"]+)"/g)].map(([, topic]) => topic)
  await until(() => topics().length === 4)
  expect(topics()).toEqual(['fleet', 'audit', 'device:d-1', 'rollout:r-1'])
  const body = JSON.stringify({ name: 'all', query: 'all' })
  expect((await fetch(`${running.url}/v1/groups`, { method: 'POST', headers, body })).status).toBe(201)
  await until(() => topics().length === 5)
  expect(topics().at(-1)).toBe('audit')
  await fetch(`${running.url}/v1/session`, { method: 'DELETE', headers })
  // ends by itself
  await until(() => false)
  expect(heard).not.toContain('error')
})

test.each([
  '',
  'nothing',
  'fleet:x',
  'device:',
  'constructor',
  'fleet,',
  'device:a'.padEnd(300, 'a'),
  Array.from({ length: 21 }, (_, n) => `device:${n}`).join(),
])('there is no topic %j, and not so many', async (topics) => {
  const response = await listen(topics, { authorization: `Bearer ${running.adminToken}` })
  expect(response.status).toBe(422)
})

test('nobody listens without a session or a token', async () => {
  expect((await listen('fleet', {})).status).toBe(401)
})
