// Files of runs over real HTTP: what comes back, what is refused, what is left of an upload that is cut.

import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { aTrackingServer, type Run, type TrackingServer } from './a-tracking-server.ts'

let server: TrackingServer
let run: Run
let root: string
const proxy = '/api/2.0/mlflow-artifacts/artifacts'
const Files = z.object({
  files: z.array(z.object({ path: z.string(), is_dir: z.boolean(), file_size: z.number().optional() })).default([]),
})

beforeAll(async () => {
  server = await aTrackingServer()
  run = await server.createRun({ experiment_id: '0' })
  root = run.info.artifact_uri.replace('mlflow-artifacts:/', '')
})
afterAll(() => server[Symbol.asyncDispose]())

const ask = (method: string, path: string, body?: Uint8Array | string, headers = {}) =>
  fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${server.running.adminToken}`, ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : new Uint8Array(body) }),
  })
const put = (path: string, body: Uint8Array | string) => ask('PUT', `${proxy}/${path}`, body)
const list = async (path: string) => Files.parse(await (await ask('GET', `${proxy}?path=${path}`)).json()).files

describe('a file', () => {
  test('comes back byte for byte, larger than any body that is held in memory', async () => {
    const bytes = randomBytes(3_000_001)
    expect((await put(`${root}/model/weights.bin`, bytes)).status).toBe(200)
    const response = await ask('GET', `${proxy}/${root}/model/weights.bin`)
    expect(response.headers.get('content-disposition')).toContain('attachment')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true)
    const range = await ask('GET', `${proxy}/${root}/model/weights.bin`, undefined, { range: 'bytes=10-19' })
    expect([range.status, Buffer.from(await range.arrayBuffer())]).toEqual([206, bytes.subarray(10, 20)])
  })

  test('is empty, named in any script, or in the place of one before it', async () => {
    const path = `${root}/notes/${encodeURIComponent('日本 50%.txt')}`
    expect((await put(path, '')).status).toBe(200)
    expect((await put(path, 'second')).status).toBe(200)
    const response = await ask('GET', `${proxy}/${path}`)
    expect(response.headers.get('content-type')).toContain('text/plain')
    expect(await response.text()).toBe('second')
    expect(await list(`${root}/notes`)).toEqual([{ path: '日本 50%.txt', is_dir: false, file_size: 6 }])
  })

  test('is listed relative to the folder by the proxy, and to the run by the tracking server', async () => {
    await put(`${root}/deep/er/file.json`, '{}')
    expect(await list(`${root}/deep`)).toEqual([{ path: 'er', is_dir: true }])
    const listed = z
      .object({ root_uri: z.string() })
      .and(Files)
      .parse(await server.get('artifacts/list', { run_id: run.info.run_id, path: 'deep/er' }))
    expect(listed).toMatchObject({
      root_uri: run.info.artifact_uri,
      files: [{ path: 'deep/er/file.json', file_size: 2 }],
    })
    const direct = await ask('GET', `/get-artifact?path=deep/er/file.json&run_uuid=${run.info.run_id}`)
    expect(await direct.text()).toBe('{}')
  })

  test('is removed, alone or with its folder', async () => {
    for (const name of ['gone/a', 'gone/b', 'gone0', 'go']) await put(`${root}/x/${name}`, name)
    expect((await ask('DELETE', `${proxy}/${root}/x/gone`)).status).toBe(200)
    expect((await list(`${root}/x`)).map(({ path }) => path)).toEqual(['go', 'gone0'])
    expect((await ask('DELETE', `${proxy}/${root}/x/gone`)).status).toBe(404)
    expect((await ask('GET', `${proxy}/${root}/x/gone/a`)).status).toBe(404)
  })

  test('and a folder do not share a name', async () => {
    await put(`${root}/y/name`, 'file')
    expect((await put(`${root}/y/name/below`, 'x')).status).toBe(400)
    await put(`${root}/y/folder/below`, 'file')
    expect((await put(`${root}/y/folder`, 'x')).status).toBe(400)
  })
})

describe('a path that leads elsewhere', () => {
  const secret = 'etc/passwd'
  /** As it is written: fetch would tidy it up. */
  const askRaw = async (method: string, path: string): Promise<number> => {
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    const token = server.running.adminToken
    const head = `${method} ${path} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer ${token}\r\nconnection: close\r\ncontent-length: 1\r\n\r\n`
    socket.write(`${head}x`)
    return Number((await text(socket)).split(' ')[1])
  }

  test.each([
    `../../../${secret}`,
    `..%2f..%2f..%2f${secret}`,
    `%2e%2e/%2e%2e/${secret}`,
    `%252e%252e%252f${secret}`,
    `a/..%5c..%5c${secret}`,
    '%00',
    'a%0ab',
    '%ff',
    '%',
    'C:%5cx',
    `/${secret}`,
    'a//b',
    'a%23b',
    'x'.repeat(300),
  ])('%j is refused, for every method', async (path) => {
    for (const method of ['PUT', 'GET', 'DELETE']) {
      const status = await askRaw(method, `${proxy}/${root}/${path}`)
      expect([400, 404], `${method} ${status}`).toContain(status)
    }
    // a name with a lone % may be a folder's, which is empty
    expect([200, 400, 404]).toContain(await askRaw('GET', `${proxy}?path=${root}/${path}`))
  })

  test('other places than runs, and runs that are not there, take nothing', async () => {
    const other = run.info.run_id.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
    expect((await put('0/file', 'x')).status).toBe(400)
    expect((await put(`0/${other}/artifacts/file`, 'x')).status).toBe(404)
    expect((await put(`elsewhere/${run.info.run_id}/artifacts/file`, 'x')).status).toBe(404)
  })
})

test('an upload that is cut leaves no file and no bytes', async () => {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  const path = `${proxy}/${root}/cut.bin`
  socket.write(
    `PUT ${path} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer ${server.running.adminToken}\r\ncontent-length: 1000000\r\n\r\n`,
  )
  socket.write(randomBytes(100_000))
  const incoming = join(server.running.hub.config.dataDir, 'blobs', 'incoming')
  await expect.poll(async () => (await readdir(incoming)).length).toBe(1)
  socket.destroy()
  await expect.poll(async () => (await readdir(incoming)).length).toBe(0)
  expect((await ask('GET', path)).status).toBe(404)
})

test('nothing is stored for a deleted run, nor without a token', async () => {
  const deleted = await server.createRun({ experiment_id: '0' })
  await server.post('runs/delete', { run_id: deleted.info.run_id })
  const path = `${proxy}/${deleted.info.artifact_uri.replace('mlflow-artifacts:/', '')}/file`
  expect((await ask('PUT', path, 'x')).status).toBe(400)
  expect((await ask('PUT', path, 'x', { authorization: 'Bearer none' })).status).toBe(401)
})

test('parts and presigned addresses are refused as clients expect it, traces are taken and not kept', async () => {
  const refusal = async (response: Response) => [response.status, z.looseObject({}).parse(await response.json())]
  const mpu = await ask('POST', `/api/2.0/mlflow-artifacts/mpu/create/${root}`, '{}')
  expect(await refusal(mpu)).toMatchObject([501, { error_code: 'NOT_IMPLEMENTED' }])
  const presigned = await ask('GET', `/api/2.0/mlflow-artifacts/presigned/${root}/x`)
  expect(await refusal(presigned)).toMatchObject([501, { error_code: 'NOT_IMPLEMENTED' }])
  expect((await ask('POST', '/v1/traces', new Uint8Array(10))).status).toBe(200)
  const trace = await ask('GET', '/api/3.0/mlflow/traces/tr-1')
  expect(await refusal(trace)).toMatchObject([404, { error_code: 'RESOURCE_DOES_NOT_EXIST' }])
})
