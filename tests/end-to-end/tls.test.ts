// Everything encrypted: a hub with a certificate of its own authority, an agent that is told it, and one that is not.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { runAgentCommand, startAgentProcess } from '../builders/agent-process.ts'
import { aHubProcess, type HubProcess } from '../builders/hub-process.ts'
import { untilAgent } from './a-fleet.ts'

const certificate = fileURLToPath(new URL('../fixtures/tls/cert.pem', import.meta.url))
const key = fileURLToPath(new URL('../fixtures/tls/key.pem', import.meta.url))

let hub: HubProcess
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-tls-'))
  hub = await aHubProcess({ environment: { ROOST_TLS_CERT_FILE: certificate, ROOST_TLS_KEY_FILE: key } })
})
afterAll(async () => {
  await hub[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

async function aClaim(): Promise<string> {
  const dispatcher = new Agent({ connect: { ca: readFileSync(certificate, 'utf8') } })
  const answer = await request(`${hub.url}/v1/claims`, {
    method: 'POST',
    dispatcher,
    headers: { authorization: `Bearer ${hub.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ labels: {}, uses: 1 }),
  })
  const { token } = z.object({ token: z.string() }).parse(await answer.body.json())
  await dispatcher.close()
  return token
}

test('an agent that knows the authority enrols, and talks over MQTT and over WebSocket; one that does not is told what to do', async () => {
  const dir = join(folder, 'gateway')
  const enrol = ['enrol', '--hub', hub.url, '--token', await aClaim(), '--dir', dir]
  const refused = await runAgentCommand({ args: enrol })
  expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('--ca FILE') })
  expect(await runAgentCommand({ args: [...enrol, '--ca', certificate] })).toMatchObject({ code: 0 })
  for (const way of [[], ['--mqtt-url', `wss://127.0.0.1:${hub.ports.mqttWebSocket}`]]) {
    await using agent = startAgentProcess({ args: ['run', '--dir', dir, '--serve-port', '0', ...way] })
    await untilAgent('it is connected', agent, () => agent.logged('connected').length > 0)
    expect(await agent.stop()).toBe(0)
  }
})
