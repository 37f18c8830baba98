// Enrolment against a real hub, and against whatever else may answer at its address.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { IdentityError, identityFolder, loadIdentity } from '@roost/agent/identity/device.ts'
import { enrol } from '@roost/agent/identity/enrol.ts'
import { loadPinnedState } from '@roost/agent/identity/pinned-state.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { aHubProcess, type HubProcess } from '../../builders/hub-process.ts'
import { aProfile } from '../control/a-profile.ts'

let hub: HubProcess
let folder: string
beforeAll(async () => {
  hub = await aHubProcess()
})
afterAll(() => hub[Symbol.asyncDispose]())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-enrol-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function aClaim(uses = 1): Promise<string> {
  const response = await fetch(`${hub.url}/v1/claims`, {
    method: 'POST',
    headers: { authorization: `Bearer ${hub.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ labels: { site: 'north' }, uses }),
  })
  return z.object({ token: z.string() }).parse(await response.json()).token
}

const options = (token: string, hubUrl = hub.url) => ({
  folder,
  hubUrl,
  token,
  device: undefined,
  profile: aProfile,
  certificateAuthority: undefined,
  random: (size: number) => new Uint8Array(randomBytes(size)),
})

/** What the caller is told. */
async function sentenceOf(enrolling: Promise<unknown>): Promise<string> {
  try {
    await enrolling
    return 'enrolled'
  } catch (error) {
    if (error instanceof IdentityError) return error.message
    throw error
  }
}

test('makes a device with keys of its own, the root pinned, and nothing that others may read', async () => {
  const identity = await enrol(options(await aClaim()))
  expect(await loadIdentity(folder)).toEqual(identity)
  expect((await loadPinnedState(identityFolder(folder))).pinned).toMatchObject({ rootVersion: 1, generation: 0 })
  const files = readdirSync(identityFolder(folder)).sort()
  expect(files).toEqual(['device.json', 'pinned.copy.json', 'pinned.json', 'seal.pem', 'sign.pem'])
  for (const file of files) expect(statSync(join(identityFolder(folder), file)).mode & 0o077).toBe(0)
  const answer = await fetch(`${hub.url}/v1/blobs/${'0'.repeat(64)}`, {
    headers: { authorization: `Basic ${Buffer.from(`${identity.device}:${identity.secret}`).toString('base64')}` },
  })
  expect(answer.status, 'known, and not allowed this blob').not.toBe(401)
})

test('once only in a folder', async () => {
  const { device } = await enrol(options(await aClaim()))
  expect(await sentenceOf(enrol(options(await aClaim())))).toContain(`already enrolled as ${device}`)
})

test('can be repeated where the answer was lost: the same device, no further use of the claim', async () => {
  const token = await aClaim(1)
  const { device } = await enrol(options(token))
  rmSync(join(identityFolder(folder), 'device.json'))
  expect((await enrol(options(token))).device).toBe(device)
})

test('a claim that is none, and one used up, are refused with the reason', async () => {
  expect(await sentenceOf(enrol(options('rubbish')))).toMatch(/the hub refuses: .*token/)
  const token = await aClaim(1)
  await enrol(options(token))
  rmSync(folder, { recursive: true })
  expect(await sentenceOf(enrol(options(token)))).toMatch(/used up/)
})

test('a damaged device.json is told, not overwritten', async () => {
  await enrol(options(await aClaim()))
  writeFileSync(join(identityFolder(folder), 'device.json'), '{"device":')
  expect(await sentenceOf(enrol(options(await aClaim())))).toContain('is damaged')
  expect(readFileSync(join(identityFolder(folder), 'device.json'), 'utf8')).toBe('{"device":')
})

describe('at an address where no hub answers', () => {
  async function at(listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new TypeError('no port')
    try {
      return await sentenceOf(enrol(options('x', `http://127.0.0.1:${address.port}`)))
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }

  test('nothing listens', async () => {
    expect(await sentenceOf(enrol(options('x', 'http://127.0.0.1:1')))).toContain('cannot be reached')
  })

  test.each<[string, RequestListener, RegExp]>([
    ['a web page', (_, response) => response.end('<html>'), /answered 200, and not as a hub does/],
    ['an error without words', (_, response) => response.writeHead(502).end(), /answered 502/],
    ['a cut connection', (request) => request.socket.destroy(), /cannot be reached/],
    [
      'an endless answer',
      (_, response) => {
        const more = () => response.write('x'.repeat(65_536)) && setImmediate(more)
        response.on('drain', more)
        more()
      },
      /cannot be reached/,
    ],
    [
      'a root that is none',
      (_, response) => {
        const root = Buffer.from('{}').toString('base64')
        const hubTime = '2026-11-25T00:00:00Z'
        response.end(JSON.stringify({ device: 'd-1', secret: 'x', root, mqttUrl: 'mqtt://127.0.0.1', hubTime }))
      },
      /root of trust does not hold/,
    ],
  ])('%s', async (_, listener, sentence) => {
    expect(await at(listener)).toMatch(sentence)
    expect(await loadIdentity(folder)).toBeUndefined()
  })
})
