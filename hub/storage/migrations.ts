// The schema, as numbered .sql files applied in order and remembered with their hash: a file that was applied
// and then changed, removed or slipped in before others means a database nobody has tested, and is refused.

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client } from '@libsql/client'
import { z } from 'zod'

export const migrationsFolder = fileURLToPath(new URL('migrations/', import.meta.url))

export type MigrationErrorCode = 'changed' | 'missing' | 'out-of-order' | 'bad-name' | 'failed'
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
  readonly code: MigrationErrorCode
  constructor(code: MigrationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export type Migration = { name: string; sql: string; sha256: string }
const Applied = z.object({ name: z.string(), sha256: z.string() })

/** Applies what `folder` holds beyond what the database has seen, each file in a transaction of its own.
 *  @throws MigrationError */
export async function applyMigrations(client: Client, folder: string): Promise<void> {
  await client.execute(
    'CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT',
  )
  const { rows } = await client.execute('SELECT name, sha256 FROM migrations ORDER BY name')
  for (const migration of planMigrations(z.array(Applied).parse(rows), await readMigrations(folder))) {
    await applyMigration(client, migration)
  }
}

/** The migrations still to apply, in order.
 *  @throws MigrationError changed, missing, out-of-order */
function planMigrations(applied: readonly z.infer<typeof Applied>[], present: readonly Migration[]): Migration[] {
  const byName = new Map(present.map((migration) => [migration.name, migration]))
  for (const { name, sha256 } of applied) {
    const file = byName.get(name)
    if (file === undefined) {
      throw new MigrationError(
        'missing',
        `the database has seen migration ${name}, which this hub does not have: is it older?`,
      )
    }
    if (file.sha256 !== sha256) {
      throw new MigrationError('changed', `migration ${name} was changed after it had been applied to this database`)
    }
  }
  const done = new Set(applied.map(({ name }) => name))
  const newest =
    applied
      .map(({ name }) => name)
      .sort()
      .at(-1) ?? ''
  const open = present.filter(({ name }) => !done.has(name))
  for (const { name } of open) {
    if (name < newest)
      throw new MigrationError('out-of-order', `migration ${name} comes before ${newest}, applied already`)
  }
  return open
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  const numbers = new Set<string>()
  for (const name of names) {
    const number = /^(\d{3})-[a-z0-9-]+\.sql$/.exec(name)?.[1]
    if (number === undefined)
      throw new MigrationError('bad-name', `${name}: a migration is named 001-what-it-makes.sql`)
    if (numbers.has(number)) throw new MigrationError('bad-name', `two migrations have the number ${number}`)
    numbers.add(number)
  }
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(folder, name), 'utf8')
      return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

async function applyMigration(client: Client, { name, sql, sha256 }: Migration): Promise<void> {
  const transaction = await client.transaction('write')
  try {
    await transaction.executeMultiple(sql)
    await transaction.execute({
      sql: "INSERT INTO migrations (name, sha256, applied_at) VALUES (?, ?, CAST(unixepoch('subsec') * 1000 AS INTEGER))",
      args: [name, sha256],
    })
    await transaction.commit()
  } catch (cause) {
    throw new MigrationError('failed', `migration ${name} failed: ${String(cause)}`, { cause })
  } finally {
    transaction.close()
  }
}
