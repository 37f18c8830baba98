// The database's one owner: what is acknowledged is there, in order, whatever happened to the connection before.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { BytesColumn, type Database, jsonColumn, openDatabase } from '../../../hub/storage/database.ts'

/** What the database has logged: that it waits for somebody else, among other things. */
const warnings: string[] = []
const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) })
const Count = z.object({ count: z.number() })
let folder: string
let migrations: string
let database: Database

beforeEach(async () => {
  warnings.length = 0
  folder = mkdtempSync(join(tmpdir(), 'roost-database-'))
  migrations = join(folder, 'migrations')
  await mkdir(migrations)
  await writeFile(
    join(migrations, '001-things.sql'),
    `CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, content BLOB, extra TEXT) STRICT;
     CREATE TABLE parts (thing INTEGER NOT NULL REFERENCES things (id)) STRICT;`,
  )
  database = await openDatabase(join(folder, 'hub.db'), log, migrations)
})
afterEach(async () => {
  await database.close()
  rmSync(folder, { recursive: true })
})

const insert = (name: string) => ({ sql: 'INSERT INTO things (name) VALUES (?)', args: [name] })
const count = async () => (await database.first(Count, 'SELECT count(*) AS count FROM things'))?.count

describe('a write', () => {
  test('is all or nothing and says how many rows it touched', async () => {
    expect(
      await database.write([insert('a'), insert('b'), { sql: 'UPDATE things SET extra = ?', args: ['{}'] }]),
    ).toEqual([1, 1, 2])
    await expect(database.write([insert('c'), insert('a')])).rejects.toThrow(/UNIQUE/)
    expect(await count()).toBe(2)
  })

  test('keeps foreign keys, also after a failed one', async () => {
    const orphan = { sql: 'INSERT INTO parts (thing) VALUES (?)', args: [77] }
    await expect(database.write([orphan])).rejects.toThrow(/FOREIGN KEY/)
    await expect(database.write([insert('a'), orphan])).rejects.toThrow(/FOREIGN KEY/)
    expect(await count()).toBe(0)
  })

  test('gives back bytes and JSON as they went in', async () => {
    const content = new Uint8Array([0, 255, 7])
    await database.write([
      { sql: 'INSERT INTO things (name, content, extra) VALUES (?, ?, ?)', args: ['a', content, '{"x":[1]}'] },
    ])
    const row = z.object({ content: BytesColumn, extra: jsonColumn(z.object({ x: z.array(z.number()) })) })
    expect(await database.first(row, 'SELECT content, extra FROM things')).toEqual({ content, extra: { x: [1] } })
  })
})

test('exclusively() lets no other writer in between its read and its write', async () => {
  const increment = () =>
    database.exclusively(async (tx) => {
      const before = (await tx.first(Count, 'SELECT count(*) AS count FROM things'))?.count ?? 0
      await new Promise((resolve) => setImmediate(resolve))
      await tx.write([insert(`n${before}`)])
    })
  await Promise.all(Array.from({ length: 50 }, increment))
  expect(await count()).toBe(50)
})

test('exclusively() refuses a write past its argument instead of waiting for itself for ever', async () => {
  const nested = database.exclusively(() => database.write([insert('a')]))
  await expect(nested).rejects.toThrow(/through its argument/)
  expect(await database.write([insert('b')])).toEqual([1])
})

test('a failed turn does not stop the queue', async () => {
  const results = await Promise.allSettled([
    database.write([insert('a')]),
    database.write([insert('a')]),
    database.exclusively(() => Promise.reject(new Error('mine'))),
    database.write([insert('b')]),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
  expect(database.queued).toBe(0)
})

test('the queue is bounded: the write past the bound is refused, those before it are done', async () => {
  const { writesQueuedMax } = await import('../../../hub/storage/database.ts')
  // ten thousand commits: what a power cut would leave is not asked here, and a busy disk takes minutes
  await database.all(z.unknown(), 'PRAGMA synchronous = OFF')
  const writes = Array.from({ length: writesQueuedMax + 1 }, (_, i) => database.write([insert(`n${i}`)]))
  const outcomes = await Promise.allSettled(writes)
  expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1)
  await expect(writes.at(-1)).rejects.toMatchObject({ code: 'queue-full' })
  expect(await count()).toBe(writesQueuedMax)
})

test('close() ends what is queued and refuses the rest', async () => {
  const queued = [insert('a'), insert('b')].map((statement) => database.write([statement]))
  const closed = database.close()
  await expect(database.write([insert('c')])).rejects.toMatchObject({ code: 'closed' })
  await closed
  expect(await Promise.all(queued)).toEqual([[1], [1]])
})

describe('somebody else locks the file', () => {
  /** Another process, as a backup tool or a shell would: holds a lock until it is told to let go. */
  async function lockElsewhere(file: string, lock: string): Promise<{ letGo: () => void; ended: Promise<unknown> }> {
    const script = `
      import { createClient } from '@libsql/client'
      const file = 'file:' + process.argv[1]
      ${lock}
      console.log('locked')
      process.stdin.once('data', letGo)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, join(folder, file)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    await new Promise((resolve) => child.stdout.once('data', resolve))
    return { letGo: () => void child.stdin.end('now'), ended }
  }

  test('a write waits for it and is then done, as are those behind it, and reads go on meanwhile', async () => {
    const { letGo, ended } = await lockElsewhere(
      'hub.db',
      `const client = createClient({ url: file, timeout: 1000 })
       const transaction = await client.transaction('write')
       await transaction.execute("INSERT INTO things (name) VALUES ('theirs')")
       const letGo = async () => { await transaction.commit(); client.close(); process.exit() }`,
    )
    const writes = [insert('a'), insert('b'), insert('c')].map((statement) => database.write([statement]))
    while (warnings.length === 0) await new Promise((resolve) => setImmediate(resolve))
    expect(await count()).toBe(0)
    letGo()
    expect(await Promise.all(writes)).toEqual([[1], [1], [1]])
    await ended
    expect(await count()).toBe(4)
    // the pragmas hold on the connection that came after
    const Pragma = z.object({ synchronous: z.number() })
    expect(await database.first(Pragma, 'SELECT synchronous FROM pragma_synchronous')).toEqual({ synchronous: 2 })
  })

  test('who opens it waits until it is free', async () => {
    const { letGo, ended } = await lockElsewhere(
      'theirs.db',
      `const client = createClient({ url: file, concurrency: 1 })
       for (const sql of ['PRAGMA locking_mode = EXCLUSIVE', 'PRAGMA journal_mode = WAL', 'CREATE TABLE theirs (a)'])
         await client.execute(sql)
       const letGo = () => process.exit()`,
    )
    const opening = openDatabase(join(folder, 'theirs.db'), log, migrations)
    // by then it has met the lock, which it does not tell
    setTimeout(letGo, 200)
    const opened = await opening
    const Tables = z.object({ name: z.string() })
    const tables = await opened.all(
      Tables,
      "SELECT name FROM sqlite_schema WHERE name IN ('theirs', 'things') ORDER BY 1",
    )
    expect(tables).toEqual([{ name: 'theirs' }, { name: 'things' }])
    await opened.close()
    await ended
  })
})
