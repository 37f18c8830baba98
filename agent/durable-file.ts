// Replaces a small file so that after a power cut the old content is there or the new one, whole:
// temporary file, fsync, rename, fsync of the folder. The file calls are passed in, so that tests can cut between them.

import { constants } from 'node:fs'
import * as nodeDisk from 'node:fs/promises'
import { dirname } from 'node:path'

/** What durable writing needs of an open file; a FileHandle of node:fs/promises is one. */
export type DiskFile = {
  write(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>
  read(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
  truncate(sizeBytes: number): Promise<void>
  sync(): Promise<void>
  stat(): Promise<{ size: number; nlink: number; isFile(): boolean }>
  close(): Promise<void>
}

/** What durable writing needs of the file system; node:fs/promises is one. */
export type Disk = {
  open(path: string, flags: number, mode?: number): Promise<DiskFile>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
}

/** Replaces `path` by `bytes`. Once the promise resolves they survive a power cut; until then, and after a rejection,
 *  the old content or the new one is there. Calls for one path wait for each other, in the order they were made.
 *  Only this process may write there. Leaves nothing behind but, after a cut, `path.new`, which the next call removes.
 *  @throws the file system's error (`ENOSPC`, `EIO`, …) */
export function replaceFile(path: string, bytes: Uint8Array, disk: Disk = nodeDisk): Promise<void> {
  const before = inProgress.get(path) ?? Promise.resolve()
  const replaced = before.then(() => replaceNow(path, bytes, disk))
  // The next call for this path goes ahead whether or not this one fails; its own caller hears of the failure.
  const settled = replaced.then(
    () => undefined,
    () => undefined,
  )
  inProgress.set(path, settled)
  return replaced.finally(() => {
    if (inProgress.get(path) === settled) inProgress.delete(path)
  })
}

/** Last call for each path being replaced right now; emptied as they settle, so bounded by the calls under way. */
const inProgress = new Map<string, Promise<void>>()

async function replaceNow(path: string, bytes: Uint8Array, disk: Disk): Promise<void> {
  const temporary = `${path}.new`
  await removeIfPresent(temporary, disk)
  try {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
    const file = await disk.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    try {
      await writeFully(file, bytes, 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await disk.rename(temporary, path)
  } catch (error) {
    // It only takes space, and the next call removes it: what went wrong first is what the caller must hear.
    await removeIfPresent(temporary, disk).catch(() => undefined)
    throw error
  }
  await syncFolder(dirname(path), disk)
}

/** Writes all of `bytes` at `position`, however many calls that takes. */
export async function writeFully(file: DiskFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

/** Makes names created, renamed or removed in `folder` survive a power cut. */
export async function syncFolder(folder: string, disk: Disk = nodeDisk): Promise<void> {
  const handle = await disk.open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Removes a file; one that is not there is fine. */
export async function removeIfPresent(path: string, disk: Disk = nodeDisk): Promise<void> {
  try {
    await disk.unlink(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

/** Whether a file call failed because there is no such file or folder. */
export const isMissing = (error: unknown): boolean => systemCode(error) === 'ENOENT'

/** What may pass, by itself or by an administrator's hand. */
const passing = new Set(['EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR'])

/** Whether a file is there and its bytes cannot be had any more (`EIO`, `EUCLEAN`, `EBADMSG`, `EISDIR`, …). */
export function isDamaged(error: unknown): boolean {
  const code = systemCode(error)
  return code !== undefined && code !== 'ENOENT' && !passing.has(code)
}

/** `ENOSPC`, `ENOENT`, … of a file system's error; undefined for any other value. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
