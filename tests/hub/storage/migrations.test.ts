// Migrations: applied once, in order, each whole or not at all; a database nobody has tested is refused.

import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, createClient } from '@libsql/client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { applyMigrations, migrationsFolder } from '../../../hub/storage/migrations.ts'

let folder: string
let client: Client
const file = (name: string) => join(folder, 'migrations', name)
const migrate = () => applyMigrations(client, join(folder, 'migrations'))
const tables = async () =>
  (
    await client.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'migrations' ORDER BY name")
  ).rows.map((row) => row.name)

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-migrations-'))
  await mkdir(join(folder, 'migrations'))
  client = createClient({ url: `file:${join(folder, 'hub.db')}`, concurrency: 1 })
  await writeFile(file('001-a.sql'), 'CREATE TABLE a (x) ;')
  await writeFile(file('002-b.sql'), 'CREATE TABLE b (x); INSERT INTO b VALUES (1);')
})
afterEach(() => {
  client.close()
  rmSync(folder, { recursive: true })
})

test('each is applied once, new ones later', async () => {
  await migrate()
  await migrate()
  await writeFile(file('003-c.sql'), 'INSERT INTO b SELECT * FROM b;')
  await migrate()
  await migrate()
  expect((await client.execute('SELECT count(*) AS n FROM b')).rows[0]?.n).toBe(2)
  expect(await tables()).toEqual(['a', 'b'])
})

test('one that fails leaves nothing of itself, and those before it stay', async () => {
  await writeFile(file('003-c.sql'), 'CREATE TABLE c (x); CREATE TABLE a (x);')
  await expect(migrate()).rejects.toMatchObject({ code: 'failed', message: expect.stringContaining('003-c.sql') })
  expect(await tables()).toEqual(['a', 'b'])
  await writeFile(file('003-c.sql'), 'CREATE TABLE c (x);')
  await migrate()
  expect(await tables()).toEqual(['a', 'b', 'c'])
})

test.each([
  ['changed', () => writeFile(file('001-a.sql'), 'CREATE TABLE a (x, y);')],
  ['missing', () => rm(file('001-a.sql'))],
  ['out-of-order', () => writeFile(file('000-early.sql'), 'CREATE TABLE c (x);')],
  ['bad-name', () => writeFile(file('3-c.sql'), 'CREATE TABLE c (x);')],
  ['bad-name', () => writeFile(file('002-again.sql'), 'CREATE TABLE c (x);')],
])('%s after it was applied is refused', async (code, change) => {
  await migrate()
  await change()
  await expect(migrate()).rejects.toMatchObject({ code })
  expect(await tables()).toEqual(['a', 'b'])
})

test("the hub's own apply to an empty database", async () => {
  await applyMigrations(client, migrationsFolder)
  expect(await tables()).toEqual(expect.arrayContaining(['manifests', 'models', 'tokens', 'versions']))
})
