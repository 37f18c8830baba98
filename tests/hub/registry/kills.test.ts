// kill -9 at random moments while versions are registered: what was acknowledged is there and whole, nothing is half.

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { parseManifest } from '@roost/shared/bundle/manifest.ts'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { VersionDocument } from '../../../hub/registry/documents.ts'
import { BytesColumn, openDatabase } from '../../../hub/storage/database.ts'
import { aHubProcess, type HubProcess } from '../../builders/hub-process.ts'
import { aForm, aSample, twoFeatures } from './an-upload.ts'

const seed = Number(process.env.ROOST_TEST_SEED ?? 20261124)
const kills = Number(process.env.ROOST_TEST_KILLS ?? 12)
const clients = 3
const killAfterMsMax = 600

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-kills-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

type Acknowledged = { version: number; manifest: string; counter: number }

/** Registers one version after the other until the hub is gone. */
async function registerUntilGone(
  hub: HubProcess,
  token: string,
  nextSeconds: () => number,
  acknowledged: Acknowledged[],
) {
  for (;;) {
    const metadata = { features: twoFeatures, window: { seconds: nextSeconds(), rows: 10 } }
    let response: Response
    try {
      response = await fetch(`${hub.url}/v1/models/scale/versions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: aForm({ metadata, sample: aSample(60) }),
      })
      const document = VersionDocument.parse(await response.json())
      acknowledged.push({ version: document.version, manifest: document.manifest, counter: document.counter })
    } catch (error) {
      // the connection went with the hub; an answer that came and is no version is a failure
      if (error instanceof z.ZodError) throw error
      return
    }
  }
}

const Row = z.object({
  version: z.number(),
  digest: z.string(),
  payload: BytesColumn,
  envelope: BytesColumn.nullable(),
})

/** Everything the folder holds, looked at from outside while no hub runs. */
async function inspect(acknowledged: readonly Acknowledged[]) {
  const client = createClient({ url: `file:${join(folder, 'hub.db')}` })
  expect((await client.execute('PRAGMA integrity_check')).rows[0]).toMatchObject({ integrity_check: 'ok' })
  expect((await client.execute('PRAGMA foreign_key_check')).rows).toEqual([])
  client.close()
  const database = await openDatabase(join(folder, 'hub.db'), pino({ level: 'silent' }))
  const rows = await database.all(Row, 'SELECT version, digest, payload, envelope FROM manifests ORDER BY version')
  await database.close()
  // no gap and no number twice: a version appears whole or not at all
  expect(rows.map(({ version }) => version)).toEqual(rows.map((_, i) => i + 1))
  for (const { version, manifest } of acknowledged) expect(rows[version - 1]?.digest).toBe(manifest)
  for (const { version, digest, payload, envelope } of rows) {
    expect(createHash('sha256').update(payload).digest('hex')).toBe(digest)
    expect(envelope).not.toBeNull()
    const manifest = parseManifest(payload)
    expect([manifest.version, manifest.counter]).toEqual([version, version])
  }
}

test(`after each of ${kills} kills every acknowledged version is there and whole (seed ${seed})`, async () => {
  let state = seed
  const random = () => {
    // a linear congruential generator (Numerical Recipes): the moments are the same in every run of a seed
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  let seconds = 1
  let token = ''
  const acknowledged: Acknowledged[] = []
  for (let round = 0; round < kills; round++) {
    const hub = await aHubProcess({ folder })
    token = hub.adminToken ?? token
    const work = Array.from({ length: clients }, () => registerUntilGone(hub, token, () => seconds++, acknowledged))
    // every other round something has been acknowledged before the moment is drawn
    const before = acknowledged.length
    if (round % 2 === 0) await expect.poll(() => acknowledged.length).toBeGreaterThan(before)
    await new Promise((resolve) => setTimeout(resolve, random() * killAfterMsMax))
    await hub.kill()
    await Promise.all(work)
    await inspect(acknowledged)
  }
  console.log(`${acknowledged.length} versions acknowledged over ${kills} kills, seed ${seed}`)
  expect(acknowledged.length).toBeGreaterThanOrEqual(kills / 2)

  await using hub = await aHubProcess({ folder })
  const files = await inspectBlobs(hub, token, acknowledged)
  expect(files).toBeGreaterThan(acknowledged.length)
  expect(await readdir(join(folder, 'blobs', 'incoming'))).toEqual([])
}, 600_000)

/** Every file of every version over HTTP, hashed. */
async function inspectBlobs(hub: HubProcess, token: string, acknowledged: readonly Acknowledged[]): Promise<number> {
  const headers = { authorization: `Bearer ${token}` }
  const digests = new Set<string>()
  for (const { version } of acknowledged) {
    const manifest = parseManifest(
      await (await fetch(`${hub.url}/v1/models/scale/versions/${version}/manifest`, { headers })).bytes(),
    )
    for (const { sha256 } of manifest.files) digests.add(sha256)
  }
  for (const sha256 of digests) {
    const bytes = await (await fetch(`${hub.url}/v1/blobs/${sha256}`, { headers })).bytes()
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256)
  }
  return digests.size
}
