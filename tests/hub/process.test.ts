// The hub as a process: starts, says so, keeps its secrets, refuses what cannot work, stops cleanly.

import { mkdtempSync, rmSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aHubProcess, runHubProcess } from '../builders/hub-process.ts'

const tls = fileURLToPath(new URL('../fixtures/tls/', import.meta.url))
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-process-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const bearer = (token: string | undefined) => ({ authorization: `Bearer ${token}` })
const tokensIn = (text: string) => text.match(/roost_[0-9A-Za-z]{57}/g) ?? []

/** Every byte below the folder, as latin1 so that nothing is lost. */
async function everythingIn(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return (await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'latin1')))).join('\n')
}

test('the admin token is told once, works, and lies nowhere in folder or log', async () => {
  const first = await aHubProcess({ folder, environment: { ROOST_LOG_LEVEL: 'trace' } })
  expect(tokensIn(first.output())).toEqual([first.adminToken])
  const made = await fetch(`${first.url}/v1/tokens`, {
    method: 'POST',
    headers: { ...bearer(first.adminToken), 'content-type': 'application/json', 'idempotency-key': 'once' },
    body: JSON.stringify({ name: 'ci', role: 'ci' }),
  })
  expect(made.status).toBe(201)
  const [token = ''] = tokensIn(await made.text())
  expect((await fetch(`${first.url}/v1/models`, { headers: bearer(token) })).status).toBe(200)
  expect((await fetch(`${first.url}/v1/models`, { headers: bearer(`${token.slice(0, -1)}!`) })).status).toBe(401)
  expect(await first.stop()).toBe(0)

  const second = await aHubProcess({ folder, environment: { ROOST_LOG_LEVEL: 'trace' } })
  expect(second.adminToken).toBeUndefined()
  expect((await fetch(`${second.url}/v1/tokens`, { headers: bearer(first.adminToken) })).status).toBe(200)
  await second.kill()

  const everything = await everythingIn(folder)
  const logs = `${first.output().replace(`admin token, shown only now: ${first.adminToken}`, '')}${second.output()}`
  for (const secret of [first.adminToken ?? '', token]) {
    // also without its visible id, and as base64 would hide it
    for (const form of [secret, secret.slice(14), Buffer.from(secret.slice(15)).toString('base64').slice(2, 40)]) {
      expect(everything.includes(form)).toBe(false)
      expect(logs.includes(form)).toBe(false)
    }
  }
  expect(everything).toContain('PRIVATE KEY')
  expect(logs).not.toContain('PRIVATE KEY')
})

test('who lost their token gets a new one at the hub', async () => {
  const first = await aHubProcess({ folder })
  await first.stop()
  await using second = await aHubProcess({ folder, args: ['--new-admin-token'] })
  expect(second.adminToken).not.toBe(first.adminToken)
  expect((await fetch(`${second.url}/v1/tokens`, { headers: bearer(second.adminToken) })).status).toBe(200)
})

describe('a start that cannot work says why in one sentence and exits with 1', () => {
  test('wrong settings', async () => {
    const { code, output } = await runHubProcess({ folder, environment: { ROOST_HTTP_PORT: 'x', ROOST_DATADIR: 'y' } })
    expect([code, output.trim().split('\n')]).toEqual([
      1,
      [
        'ROOST_DATADIR: there is no such setting; did you mean ROOST_DATA_DIR?',
        'ROOST_HTTP_PORT: "x" is not possible; it may be a port, 0 for any free one',
      ],
    ])
  })

  test('a second hub on the same folder', async () => {
    await using first = await aHubProcess({ folder })
    const { code, output } = await runHubProcess({ folder })
    expect(code).toBe(1)
    expect(output).toContain(`${folder} is in use by another hub: process ${first.pid} on`)
    await first.kill()
    await using _ = await aHubProcess({ folder })
  })

  test('a port that is taken, and the token is told at the start that works', async () => {
    await using other = await aHubProcess()
    const port = other.ports.http
    const { code, output } = await runHubProcess({ folder, environment: { ROOST_HTTP_PORT: String(port) } })
    expect([code, tokensIn(output)]).toEqual([1, []])
    expect(output).toContain('EADDRINUSE')
    await using works = await aHubProcess({ folder })
    expect(works.adminToken).toBeDefined()
  })

  test('a key that is missing', async () => {
    await (await aHubProcess({ folder })).stop()
    await rm(join(folder, 'keys', 'assignment.pem'))
    const { code, output } = await runHubProcess({ folder })
    expect([code, output]).toEqual([1, expect.stringMatching(/assignment\.pem is missing: no hub without it\n$/)])
  })
})

test('SIGTERM ends it with 0, also while a request hangs and a connection idles', async () => {
  const hub = await aHubProcess({ folder })
  const idle = await fetch(`${hub.url}/healthz`)
  // longer than proxies keep theirs
  expect(idle.headers.get('keep-alive')).toBe('timeout=75')
  const hanging = fetch(`${hub.url}/v1/models/m/versions`, {
    method: 'POST',
    headers: { ...bearer(hub.adminToken), 'content-type': 'multipart/form-data; boundary=b' },
    body: new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('--b\r\n')) }),
    duplex: 'half',
  } as RequestInit).catch((error: unknown) => error)
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(await hub.stop()).toBe(0)
  expect(hub.output()).toContain('hub stopped')
  await hanging
})

test('with two files HTTP speaks TLS and nothing else', async () => {
  const environment = { ROOST_TLS_CERT_FILE: join(tls, 'cert.pem'), ROOST_TLS_KEY_FILE: join(tls, 'key.pem') }
  await using hub = await aHubProcess({ folder, environment })
  expect(hub.url).toMatch(/^https:/)
  const ca = await readFile(join(tls, 'cert.pem'))
  const status = await new Promise((resolve, reject) => {
    httpsRequest(`${hub.url}/healthz`, { ca }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
  expect(status).toBe(200)
  await expect(fetch(hub.url.replace('https:', 'http:'))).rejects.toThrow()
  await expect(fetch(`${hub.url}/healthz`)).rejects.toThrow()
})
