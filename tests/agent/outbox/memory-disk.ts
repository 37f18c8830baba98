// A disk in memory: fast enough to try every bit and every call, and to copy a folder between two lives.

import { constants } from 'node:fs'
import { dirname, join } from 'node:path'
import type { OutboxDisk } from '@roost/agent/outbox/disk.ts'

type File = { bytes: Buffer }
export type MemoryDisk = OutboxDisk & { files: Map<string, File>; copy(): MemoryDisk }

const missing = (path: string) => Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' })

/** Every path belongs to the one folder there is. */
export function aMemoryDisk(files = new Map<string, File>()): MemoryDisk {
  const take = (path: string): File => {
    const file = files.get(path)
    if (file === undefined) throw missing(path)
    return file
  }
  return {
    files,
    copy: () => aMemoryDisk(new Map([...files].map(([path, { bytes }]) => [path, { bytes: Buffer.from(bytes) }]))),
    mkdir: async () => undefined,
    readdir: async (folder) =>
      [...files.keys()].filter((p) => dirname(p) === folder).map((p) => p.slice(folder.length + 1)),
    rename: async (from, to) => {
      files.set(to, take(from))
      files.delete(from)
    },
    unlink: async (path) => {
      take(path)
      files.delete(path)
    },
    open: async (path, flags) => {
      const folder = (flags & constants.O_DIRECTORY) !== 0
      if (!folder && (flags & constants.O_CREAT) !== 0 && !files.has(path)) files.set(path, { bytes: Buffer.alloc(0) })
      const file = folder ? { bytes: Buffer.alloc(0) } : take(path)
      if ((flags & constants.O_TRUNC) !== 0) file.bytes = Buffer.alloc(0)
      return {
        read: async (bytes, offset, length, position) => ({
          bytesRead: file.bytes.copy(bytes, offset, position, position + length),
        }),
        write: async (bytes, offset, length, position) => {
          const grown = Buffer.alloc(Math.max(file.bytes.length, position + length))
          file.bytes.copy(grown)
          grown.set(bytes.subarray(offset, offset + length), position)
          file.bytes = grown
          return { bytesWritten: length }
        },
        truncate: async (sizeBytes) => {
          file.bytes = Buffer.from(file.bytes.subarray(0, sizeBytes))
        },
        sync: async () => undefined,
        stat: async () => ({ size: file.bytes.length, nlink: 1, isFile: () => true }),
        close: async () => undefined,
      }
    },
  }
}

/** A disk that holds `files` (content by path within `folder`): what is left after a power cut. */
export const aDiskHolding = (folder: string, files: ReadonlyMap<string, Buffer>): MemoryDisk =>
  aMemoryDisk(new Map([...files].map(([path, content]) => [join(folder, path), { bytes: Buffer.from(content) }])))

/** The same disk; before each call `meet` is told which it is and its number, and may say how it fails (`ENOSPC`, `EIO`,
 *  …). A write that fails has written half. */
export function withFaults(
  disk: OutboxDisk,
  meet: (call: string, count: number) => string | undefined,
): { disk: OutboxDisk; calls: () => number } {
  let count = 0
  const fault = (call: string) => {
    const code = meet(call, count++)
    return code === undefined ? undefined : Object.assign(new Error(`${code}: ${call}`), { code })
  }
  const checked =
    <A extends unknown[], R>(call: string, work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const error = fault(call)
      if (error !== undefined) throw error
      return work(...args)
    }
  const open = checked('open', disk.open)
  return {
    calls: () => count,
    disk: {
      mkdir: checked('mkdir', disk.mkdir),
      readdir: checked('readdir', disk.readdir),
      rename: checked('rename', disk.rename),
      unlink: checked('unlink', disk.unlink),
      open: async (...args) => {
        const file = await open(...args)
        return {
          read: checked('read', file.read.bind(file)),
          write: async (bytes, offset, length, position) => {
            const error = fault('write')
            if (error === undefined) return file.write(bytes, offset, length, position)
            await file.write(bytes, offset, length >> 1, position)
            throw error
          },
          truncate: checked('truncate', file.truncate.bind(file)),
          sync: checked('sync', file.sync.bind(file)),
          stat: checked('stat', file.stat.bind(file)),
          close: () => file.close(),
        }
      },
    },
  }
}
