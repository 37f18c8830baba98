// Backups of a hub that is written to meanwhile: each is a hub of its own that has all that was acknowledged before, with
// every blob that its database names and a whole audit log; what is made half is never there.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { Backup, backupsKept } from '../../../hub/backup/document.ts'
import { readConfig } from '../../../hub/config.ts'
import { VerificationDocument } from '../../../hub/governance/audit-routes.ts'
import { ProblemDocument } from '../../../hub/problem.ts'
import { type RunningHub, startHub } from '../../../hub/start.ts'
import { readAs } from '../a-hub.ts'

const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
const List = z.object({ folder: z.string(), kept: z.number(), backups: z.array(Backup) })
const Snapshots = z.object({ snapshots: z.array(z.object({ version: z.number() })), next: z.string().nullable() })

let folder: string
let running: RunningHub
let admin: string
const start = (at: string) =>
  startHub(readConfig({ ROOST_DATA_DIR: join(folder, at), ...ports }), pino({ level: 'silent' }))
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-backup-'))
  running = await start('hub')
  admin = running.adminToken ?? ''
})
afterAll(async () => {
  await running.close()
  rmSync(folder, { recursive: true })
})

const ask = ({ app }: Pick<RunningHub, 'app'>, method: string, path: string, body?: string, token = admin) =>
  app.request(path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'text/csv' }) },
    ...(body === undefined ? {} : { body }),
  })
const listed = () => readAs(List, ask(running, 'GET', '/v1/backups'))

test('what was acknowledged is in it, whatever is written meanwhile, and a hub starts on it', async () => {
  let acknowledged = 0
  let isOver = false
  const writing = (async () => {
    while (!isOver) {
      const rows = Array.from({ length: 200 }, (_, n) => `${acknowledged},${n}\n`).join('')
      const answer = await ask(running, 'POST', '/v1/datasets/rows/snapshots', `a,b\n${rows}`)
      expect(answer.status).toBe(201)
      acknowledged += 1
    }
  })()
  const made: { backup: Backup; before: number }[] = []
  for (let round = 0; round < 2; round += 1) {
    const enough = 4 * (round + 1)
    await expect.poll(() => acknowledged, { timeout: 60_000 }).toBeGreaterThanOrEqual(enough)
    const before = acknowledged
    const answer = await ask(running, 'POST', '/v1/backups')
    expect(answer.status).toBe(201)
    made.push({ backup: await readAs(Backup, answer), before })
  }
  isOver = true
  await writing

  const { folder: backups } = await listed()
  for (const { backup, before } of made) {
    rmSync(join(folder, 'restored'), { recursive: true, force: true })
    // as to another disk: nothing shared with the one that runs
    cpSync(join(backups, backup.name), join(folder, 'restored'), { recursive: true, preserveTimestamps: true })
    const restored = await start('restored')
    try {
      const log = await readAs(
        VerificationDocument,
        ask(restored, 'GET', `/v1/audit/verification?head=${backup.auditHead ?? ''}`),
      )
      expect(log.faults).toEqual([])
      expect(log.ok).toBe(true)
      const { snapshots } = await readAs(Snapshots, ask(restored, 'GET', '/v1/datasets/rows/snapshots?limit=200'))
      expect(snapshots.length).toBeGreaterThanOrEqual(before)
      for (const { version } of snapshots) {
        const content = await ask(restored, 'GET', `/v1/datasets/rows/snapshots/${version}/content`)
        expect(content.status).toBe(200)
        expect(await content.text()).toContain(',199')
      }
      // it is that hub, with its keys, as old as they are
      const written = ['hub', 'restored'].map((at) => statSync(join(folder, at, 'keys/assignment.pem')).mtimeMs)
      expect(Math.abs((written[0] ?? 0) - (written[1] ?? 0))).toBeLessThan(1_000)
      expect(restored.hub.keys.root).toEqual(running.hub.keys.root)
    } finally {
      await restored.close()
    }
  }
})

test('a second one meanwhile is refused, and both are recorded as what they are', async () => {
  const answers = await Promise.all([ask(running, 'POST', '/v1/backups'), ask(running, 'POST', '/v1/backups')])
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
  const refused = answers.find(({ status }) => status === 409)
  if (refused !== undefined) expect((await readAs(ProblemDocument, refused)).code).toBe('backup-under-way')
  const { changes } = await readAs(
    z.object({ changes: z.array(z.object({ subject: z.string() })) }),
    ask(running, 'GET', '/v1/audit?action=backup.make'),
  )
  const { backups } = await listed()
  expect(changes.map(({ subject }) => subject)).toEqual(backups.map(({ name }) => `backup:${name}`))
})

test('only an admin has them made, and nobody else reads them', async () => {
  for (const role of ['viewer', 'ci', 'operator', 'approver']) {
    const made = await running.app.request('/v1/tokens', {
      method: 'POST',
      headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: role, role }),
    })
    const { token } = await readAs(z.object({ token: z.string() }), made)
    expect((await ask(running, 'POST', '/v1/backups', undefined, token)).status).toBe(403)
    expect((await ask(running, 'GET', '/v1/backups', undefined, token)).status).toBe(403)
  }
  const { folder: backups, backups: made } = await listed()
  const open = readdirSync(backups, { recursive: true, withFileTypes: true })
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => (statSync(path).mode & 0o077) !== 0)
  expect(made.length).toBeGreaterThan(0)
  expect(open).toEqual([])
})

test('what was cut off is no backup and goes with the next; the newest are kept; a file beside them is let be', async () => {
  const { folder: backups } = await listed()
  const cut = join(backups, '.making-2020-01-01T00-00-00-000Z')
  mkdirSync(join(cut, 'keys'), { recursive: true })
  writeFileSync(join(backups, 'README'), 'mine')
  mkdirSync(join(backups, 'mine'))
  const before = (await listed()).backups
  for (let round = before.length; round <= backupsKept; round += 1) {
    expect((await ask(running, 'POST', '/v1/backups')).status).toBe(201)
  }
  const after = (await listed()).backups
  expect(after).toHaveLength(backupsKept)
  expect(after.map(({ at }) => at)).toEqual(
    after
      .map(({ at }) => at)
      .toSorted()
      .reverse(),
  )
  expect(after.map(({ name }) => name)).not.toContain(before.at(-1)?.name)
  expect(existsSync(cut)).toBe(false)
  expect(readdirSync(backups).sort()).toEqual([...after.map(({ name }) => name), 'README', 'mine'].sort())
  expect(await running.hub.metrics.getSingleMetricAsString('roost_backup_newest_timestamp_seconds')).toContain(
    String(Date.parse(after[0]?.at ?? '') / 1000),
  )
})

test('one that fails leaves nothing, and the next is made', async () => {
  const { folder: backups, backups: before } = await listed()
  const shelves = new Set(readdirSync(join(folder, 'hub/blobs')))
  const free = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0')).find((name) => !shelves.has(name))
  // a file where a folder of blobs would be: what a damaged disk gives
  const damaged = join(folder, 'hub/blobs', free ?? '')
  writeFileSync(damaged, '')
  expect((await ask(running, 'POST', '/v1/backups')).status).toBe(500)
  expect((await listed()).backups).toEqual(before)
  expect(readdirSync(backups).filter((name) => name.startsWith('.'))).toEqual([])
  rmSync(damaged)
  expect((await ask(running, 'POST', '/v1/backups')).status).toBe(201)
})
