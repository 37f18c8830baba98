// Blobs go when nothing names them any more and they are old enough; never one that is named, or that just comes again.

import { mkdtempSync, rmSync } from 'node:fs'
import { readdir, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createClient } from '../../../hub/cli/client.ts'
import { readConfig } from '../../../hub/config.ts'
import { startHub } from '../../../hub/start.ts'
import { removeUnused } from '../../../hub/storage/unused-blobs.ts'
import { aScaleModel } from '../../builders/onnx.ts'
import { register } from '../../end-to-end/a-fleet.ts'
import { aHub } from '../a-hub.ts'

const dayMs = 86_400_000
const bytesMax = 1_000_000

/** As if all had come two days ago. */
async function age(folder: string): Promise<number> {
  const at = new Date(Date.now() - 2 * dayMs)
  const found = await readdir(join(folder, 'blobs'), { recursive: true, withFileTypes: true })
  const files = found.filter((entry) => entry.isFile())
  for (const { parentPath, name } of files) await utimes(join(parentPath, name), at, at)
  return files.length
}

test('what a version, a snapshot, a run or an upload names stays, however old, until it names it no more', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'roost-unused-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  const {
    hub,
    url,
    adminToken = '',
    close,
  } = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), pino({ level: 'silent' }))
  onTestFinished(close)
  const operator = createClient(url, adminToken)
  const ask = async (method: string, path: string, body?: string, more: Record<string, string> = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, ...more },
      ...(body === undefined ? {} : { body }),
    })
    expect(response.ok, `${method} ${path}: ${response.status}`).toBe(true)
    return response
  }
  await register(operator, aScaleModel(), {
    golden: { vectors: [{ inputs: { x: { datatype: 'FP32', shape: [1, 2], data: [1, 2] } } }] },
  })
  await ask('POST', '/v1/datasets/rows/snapshots', 'a,b\n1,2\n3,4\n', { 'content-type': 'text/csv' })
  const json = { 'content-type': 'application/json' }
  const made = await ask('POST', '/api/2.0/mlflow/runs/create', '{"experiment_id":"0"}', json)
  const { run } = z.object({ run: z.object({ info: z.object({ artifact_uri: z.string() }) }) }).parse(await made.json())
  const artifact = `/api/2.0/mlflow-artifacts/artifacts/${run.info.artifact_uri.replace('mlflow-artifacts:/', '')}/a.txt`
  await ask('PUT', artifact, 'of a run')
  const tus = { 'tus-resumable': '1.0.0' }
  const upload = await ask('POST', '/v1/uploads', undefined, { ...tus, 'upload-length': '5' })
  const location = new URL(upload.headers.get('location') ?? '', url).pathname
  const patch = { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' }
  await ask('PATCH', location, 'bytes', patch)
  await hub.blobs.put([Buffer.from('of nobody')], { bytesMax })

  const total = await age(folder)
  expect(total).toBeGreaterThanOrEqual(6)
  expect(await removeUnused(hub, 3 * dayMs)).toBe(0)
  expect(await removeUnused(hub, dayMs)).toBe(1)
  expect(await age(folder)).toBe(total - 1)
  expect(await (await ask('GET', artifact)).text()).toBe('of a run')

  // a version that was deleted can be restored
  await ask('DELETE', '/v1/models/scale/versions/1')
  expect(await removeUnused(hub, dayMs)).toBe(0)
  await ask('DELETE', artifact)
  await ask('DELETE', location, undefined, tus)
  await ask('DELETE', '/v1/datasets/rows/snapshots/1')
  expect(await removeUnused(hub, dayMs)).toBe(3)
  expect(await age(folder)).toBe(total - 4)
})

test('a blob that comes again while it is being removed is there afterwards', async () => {
  await using hub = await aHub()
  const put = () => hub.blobs.put([Buffer.from('again and again')], { bytesMax })
  let removed = 0
  for (let round = 0; round < 60; round++) {
    const { sha256 } = await put()
    await age(hub.folder)
    const [count] = await Promise.all([removeUnused(hub, dayMs), put()])
    removed += count
    expect(await hub.blobs.has(sha256)).toBe(true)
  }
  expect(removed).toBeGreaterThan(0)
})
