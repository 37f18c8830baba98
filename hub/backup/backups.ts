// Backups of a running hub: folders that a hub starts on as it is. Made beside, then put in place whole, so that one that
// is there is complete. Blobs never change, so they are linked where both folders are on one disk, and cost nothing there.

import { constants } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { SignedHead } from '../governance/audit-head.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { syncFolder, unlessMissing, writeDurably } from '../storage/files.ts'
import { Backup, backupsKept } from './document.ts'
import { writeSnapshot } from './snapshot.ts'

export type Backups = {
  /** Where they are. */
  folder: string
  /** @throws Problem 409 while one is being made, 507 where the disk has no room for it */
  make(): Promise<Backup>
  /** Newest first; at most `backupsKept` and what somebody put there. */
  list(): Promise<Backup[]>
}

const description = 'backup.json'
const unfinished = '.making-'

export function createBackups({ config, clock, log }: Pick<Hub, 'config' | 'clock' | 'log'>): Backups {
  const { dataDir } = config
  const folder = join(dataDir, 'backups')
  let isMaking = false

  const list = async (): Promise<Backup[]> => {
    const names = await unlessMissing(readdir(folder), [])
    const found = await Promise.all(
      names.filter((name) => !name.startsWith('.')).map((name) => describedIn(join(folder, name))),
    )
    return found.filter((backup) => backup !== undefined).sort((a, b) => (a.at < b.at ? 1 : -1))
  }

  const write = async (): Promise<Backup> => {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const name of await readdir(folder)) {
      if (name.startsWith(unfinished)) await rm(join(folder, name), { recursive: true })
    }
    await assertRoom(dataDir, folder)
    const at = new Date(clock()).toISOString()
    const name = at.replaceAll(/[:.]/g, '-')
    const making = join(folder, `${unfinished}${name}`)
    await mkdir(making, { mode: 0o700 })
    try {
      // the keys first: the audit head beside them must not be ahead of the log
      await copyFiles(join(dataDir, 'keys'), join(making, 'keys'))
      // what is there now, and what came meanwhile: a blob that only the database knows would be missing
      const blobs = { from: join(dataDir, 'blobs'), to: join(making, 'blobs') }
      await takeBlobs(blobs)
      await writeSnapshot(join(dataDir, 'hub.db'), join(making, 'hub.db'))
      const taken = await takeBlobs(blobs)
      const backup: Backup = {
        name,
        at,
        databaseBytes: (await stat(join(making, 'hub.db'))).size,
        blobs: taken.count,
        blobBytes: taken.bytes,
        auditHead: await auditHeadIn(join(making, 'keys')),
      }
      await writeDurably(join(making, description), `${JSON.stringify(backup, null, 2)}\n`)
      await rename(making, join(folder, name))
      await syncFolder(folder)
      return backup
    } catch (error) {
      await rm(making, { recursive: true, force: true })
      throw error
    }
  }

  return {
    folder,
    list,
    make: async () => {
      if (isMaking) {
        throw new Problem(409, 'backup-under-way', 'A backup is being made', 'wait for it, then look at the list')
      }
      isMaking = true
      try {
        const backup = await write()
        for (const { name } of (await list()).slice(backupsKept)) {
          await rm(join(folder, name), { recursive: true })
          log.info({ name }, 'an old backup was removed')
        }
        return backup
      } finally {
        isMaking = false
      }
    },
  }
}

async function describedIn(path: string): Promise<Backup | undefined> {
  const text = await unlessMissing(readFile(join(path, description), 'utf8'), undefined).catch((error: unknown) => {
    // a file that somebody laid beside them
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return undefined
    throw error
  })
  return text === undefined ? undefined : Backup.parse(JSON.parse(text))
}

/** The database is written anew; blobs too where they cannot be linked. */
async function assertRoom(dataDir: string, folder: string): Promise<void> {
  const needed = (await stat(join(dataDir, 'hub.db'))).size
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize > needed * 1.1) return
  throw new Problem(
    507,
    'no-room',
    'No room for a backup',
    `${folder} has ${bavail * bsize} bytes left, and the database alone is ${needed}: free some, or make backups/ a link to another disk`,
  )
}

async function copyFiles(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (entry.isFile() && !entry.name.endsWith('.new')) await copyDurably(join(from, entry.name), join(to, entry.name))
  }
  await syncFolder(to)
}

async function takeBlobs({ from, to }: { from: string; to: string }): Promise<{ count: number; bytes: number }> {
  let count = 0
  let bytes = 0
  await mkdir(to, { recursive: true, mode: 0o700 })
  for (const shelf of (await readdir(from)).filter((name) => /^[0-9a-f]{2}$/.test(name))) {
    await mkdir(join(to, shelf), { recursive: true, mode: 0o700 })
    for (const name of await readdir(join(from, shelf))) {
      const path = join(to, shelf, name)
      // one that goes just now is named by nothing
      await unlessMissing(takeBlob(join(from, shelf, name), path), undefined)
      const { size } = (await unlessMissing(stat(path), undefined)) ?? { size: undefined }
      if (size === undefined) continue
      count += 1
      bytes += size
    }
    await syncFolder(join(to, shelf))
  }
  await syncFolder(to)
  return { count, bytes }
}

async function takeBlob(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST') return
    // another disk, a file system without links, or more links than it can have
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EMLINK') throw error
    await copyDurably(from, to)
  }
}

async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE)
  const { atime, mtime } = await stat(from)
  await using file = await open(to, 'r')
  await file.chmod(0o600)
  // a key is as old as it was
  await file.utimes(atime, mtime)
  await file.sync()
}

async function auditHeadIn(keys: string): Promise<string | null> {
  const text = await unlessMissing(readFile(join(keys, 'audit-head.json'), 'utf8'), undefined)
  if (text === undefined) return null
  const { seq, hash } = SignedHead.parse(JSON.parse(text))
  return `${seq}:${hash}`
}
