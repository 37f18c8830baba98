// The hub ends between any two statements, and goes on from the file: what is then stored is what would have been.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client } from '@libsql/client'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { verifyAudit } from '../../../hub/governance/audit-verify.ts'
import { Database } from '../../../hub/storage/database.ts'
import { aFleet, type TestFleet } from './a-fleet.ts'
import { dying, openFile, take } from './dying.ts'
import { type Step, script, scriptedDevices } from './scripted.ts'

const log = pino({ level: 'silent' })
const dyingProcess = fileURLToPath(new URL('./dying-process.ts', import.meta.url))
let folder: string
let fleet: TestFleet
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-crash-'))
  for (const name of ['before', 'own', 'left']) mkdirSync(join(folder, name))
  fleet = await aFleet(scriptedDevices)
  await fleet.obey()
})
afterAll(async () => {
  await fleet[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

const files = ['hub.db', 'hub.db-wal']

function copy(from: string, to: string): void {
  for (const file of files) {
    rmSync(join(to, file), { force: true })
    if (existsSync(join(from, file))) copyFileSync(join(from, file), join(to, file))
  }
  rmSync(join(to, 'hub.db-shm'), { force: true })
}

/** Every table that a rollout writes, row by row. */
async function contents(client: Client): Promise<Record<string, string[]>> {
  const { rows } = await client.execute(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND (name LIKE 'rollout%' OR name LIKE 'device%'
       OR name IN ('desired', 'audit_log', 'lineage_events'))`,
  )
  const tables = rows.map(({ name }) => String(name))
  const all = await client.batch(tables.map((table) => `SELECT * FROM ${table}`))
  return Object.fromEntries(
    tables.map((table, i) => [table, (all[i]?.rows ?? []).map((row) => JSON.stringify(plain(row))).sort()]),
  )
}

const plain = (row: object) =>
  Object.values(row).map((value) => (value instanceof ArrayBuffer ? Buffer.from(value).toString('hex') : value))

type Taken = { points: number; after: Record<string, string[]> }

/** Takes the step from the files in `folder/before`, dying at the `at`th point, and once more if it died. */
async function takeDying(step: Step, at: number): Promise<Taken> {
  copy(join(folder, 'before'), join(folder, 'own'))
  const client = await openFile(join(folder, 'own', 'hub.db'))
  const first = dying(client, at)
  await take(step, fleet.hub, first.client).catch((error: unknown) => {
    if (!first.isDead()) throw error
  })
  // what a killed process leaves: the files as they are, before anything is closed
  copy(join(folder, 'own'), join(folder, 'left'))
  client.close()
  return { points: first.points(), after: first.isDead() ? await goOn(step) : await contentsOf('left') }
}

/** The step once more, from the files in `folder/left`. */
async function goOn(step: Step): Promise<Record<string, string[]>> {
  const client = await openFile(join(folder, 'left', 'hub.db'))
  try {
    await take(step, fleet.hub, client)
    const { faults } = await verifyAudit(new Database(client, log), 'no-head')
    expect(faults.map(({ kind }) => kind)).toEqual(['no-head'])
    return await contents(client)
  } finally {
    client.close()
  }
}

async function contentsOf(name: string): Promise<Record<string, string[]>> {
  const client = await openFile(join(folder, name, 'hub.db'))
  try {
    return await contents(client)
  } finally {
    client.close()
  }
}

/** A process that is killed at the point. */
async function killedAt(step: number, point: number): Promise<void> {
  const args = [dyingProcess, join(folder, 'left'), String(step), String(point), String(fleet.clock.nowMs)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const [, signal] = await once(child, 'exit')
  expect(signal).toBe('SIGKILL')
}

/** Steps by number, and where in them a whole process is killed: in the middle of a start, of a stage that begins, of a
 *  stage that fails, of a rollout that takes another's devices. */
const kills: Record<string, number> = { 'start 1': 5, 'shadow 4': 6, 'resume 1': 3, 'worse 5': 9, 'supersede 1': 14 }

test('a hub that is gone between any two statements goes on to the same rows: nobody is asked twice, nothing is decided twice, and the audit log holds', async () => {
  const kinds = new Set<string>()
  let [decisions, points, killed] = [0, 0, 0]
  for (const [number, step] of script.entries()) {
    copy(fleet.hub.folder, join(folder, 'before'))
    const undisturbed = await takeDying(step, 0)
    const decided = undisturbed.after.rollout_decisions?.length ?? 0
    // steps that only add up reports are all alike
    const kind = step.name.replace(/ \d+$/, '')
    if (decided > decisions || !kinds.has(kind)) {
      for (let at = 1; at <= undisturbed.points; at += 1) {
        const { after } = await takeDying(step, at)
        expect(after, `${step.name}, gone at point ${at} of ${undisturbed.points}`).toEqual(undisturbed.after)
      }
      points += undisturbed.points
    }
    const point = kills[step.name]
    if (point !== undefined) {
      copy(join(folder, 'before'), join(folder, 'left'))
      await killedAt(number, point)
      expect(await goOn(step), `${step.name}, killed at point ${point}`).toEqual(undisturbed.after)
      killed += 1
    }
    decisions = decided
    kinds.add(kind)
    await step.hub(fleet.engine())
    await step.devices(fleet)
    fleet.clock.nowMs += 1_000
  }
  const ended = await fleet.hub.database.all(
    z.object({ state: z.string() }),
    'SELECT state FROM rollouts ORDER BY created_at',
  )
  expect(ended.map(({ state }) => state)).toEqual(['completed', 'rolled_back', 'superseded', 'aborted'])
  expect([points > 200, killed]).toEqual([true, Object.keys(kills).length])
}, 600_000)
