// What the outbox asks of the file system, so that tests can make any single call fail or forget.

import { constants } from 'node:fs'
import * as nodeDisk from 'node:fs/promises'
import { type Disk, isMissing, writeFully } from '../durable-file.ts'

/** node:fs/promises is one. */
export type OutboxDisk = Disk & {
  mkdir(path: string, options: { recursive: true; mode: number }): Promise<string | undefined>
  readdir(path: string): Promise<string[]>
}

export const realDisk: OutboxDisk = nodeDisk

/** All bytes of a file; undefined where there is none. */
export async function readWhole(path: string, disk: OutboxDisk): Promise<Uint8Array | undefined> {
  const { O_RDONLY, O_NOFOLLOW } = constants
  try {
    const file = await disk.open(path, O_RDONLY | O_NOFOLLOW)
    try {
      const bytes = new Uint8Array((await file.stat()).size)
      let length = 0
      while (length < bytes.length) {
        const { bytesRead } = await file.read(bytes, length, bytes.length - length, length)
        if (bytesRead === 0) break
        length += bytesRead
      }
      return bytes.subarray(0, length)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Writes a new file and syncs it (not its folder). One that is there is written anew. */
export async function writeWhole(path: string, bytes: Uint8Array, disk: OutboxDisk): Promise<void> {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants
  const file = await disk.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
  try {
    await writeFully(file, bytes, 0)
    await file.sync()
  } finally {
    await file.close()
  }
}
