// One hub per data folder, enforced by the kernel: `hub.lock` is a database file held in exclusive locking mode.
// The lock ends with the process, however it ends, so there is no stale one to judge; `hub.pid` only tells whose it is.

import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient, LibsqlError } from '@libsql/client'
import { z } from 'zod'

const Owner = z.object({ pid: z.number(), host: z.string(), startedAt: z.string() })

export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError'
}

/** Takes the folder; hold on to what it returns and close it last.
 *  @throws FolderInUseError naming the process that has it */
export async function lockFolder(folder: string, startedMs: number): Promise<{ close(): Promise<void> }> {
  const client = createClient({ url: pathToFileURL(join(folder, 'hub.lock')).href, concurrency: 1, timeout: 0 })
  const ownerFile = join(folder, 'hub.pid')
  try {
    await client.execute('PRAGMA locking_mode = EXCLUSIVE')
    await client.execute('PRAGMA journal_mode = MEMORY')
    // a write is what takes the lock; in this mode its end does not give it back
    await client.executeMultiple('BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS held (one INTEGER); COMMIT')
  } catch (error) {
    client.close()
    if (error instanceof LibsqlError && error.code === 'SQLITE_BUSY') {
      throw new FolderInUseError(`${folder} is in use by another hub${await tellOwner(ownerFile)}`, { cause: error })
    }
    throw error
  }
  const owner: z.infer<typeof Owner> = {
    pid: process.pid,
    host: hostname(),
    startedAt: new Date(startedMs).toISOString(),
  }
  await writeFile(ownerFile, `${JSON.stringify(owner)}\n`)
  return {
    close: async () => {
      // closing alone would leave the lock until the statements are collected as garbage: a read in normal mode drops it
      await client.execute('PRAGMA locking_mode = NORMAL')
      await client.execute('SELECT one FROM held')
      client.close()
    },
  }
}

/** Whether a hub has the folder now; changes nothing in it. */
export async function isFolderHeld(folder: string): Promise<boolean> {
  const path = join(folder, 'hub.lock')
  if (!existsSync(path)) return false
  const client = createClient({ url: pathToFileURL(path).href, concurrency: 1, timeout: 0 })
  try {
    await client.execute('SELECT count(*) FROM sqlite_master')
    return false
  } catch (error) {
    if (error instanceof LibsqlError && error.code === 'SQLITE_BUSY') return true
    throw error
  } finally {
    client.close()
  }
}

/** The file may be missing or half written while its owner starts: then nothing is told. */
async function tellOwner(file: string): Promise<string> {
  try {
    const { pid, host, startedAt } = Owner.parse(JSON.parse(await readFile(file, 'utf8')))
    return `: process ${pid} on ${host}, started ${startedAt}`
  } catch {
    return ''
  }
}
