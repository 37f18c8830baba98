// What a disk may hold when power goes. Records the file calls of a program under test, and rebuilds, for moments
// between two of them, folders in which what was synced is there, and the rest is there, missing or torn.
// (kill -9 shows nothing of that: the kernel keeps what was written.)

import { constants } from 'node:fs'
import * as fs from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { BlobDisk } from '@roost/agent/download/blob-store.ts'
import type { DiskFile } from '@roost/agent/durable-file.ts'

const sectorBytes = 512

type Inode = number
type Operation =
  | { kind: 'create'; path: string; inode: Inode }
  | { kind: 'write'; inode: Inode; position: number; bytes: Buffer }
  | { kind: 'truncate'; inode: Inode; sizeBytes: number }
  | { kind: 'sync'; inode: Inode }
  | { kind: 'rename'; from: string; to: string }
  | { kind: 'unlink'; path: string }
  | { kind: 'sync-folder'; path: string }
  | { kind: 'acknowledge'; count: number }

export type CutState = {
  /** After how many operations the power went, and how what was unsynced fared. */
  name: string
  /** What the program had said is done by then (`acknowledge`). */
  acknowledged: number
  /** What the disk held, by path within the folder. */
  files: ReadonlyMap<string, Buffer>
  /** Fills an empty folder with what the disk held. */
  restore(folder: string): Promise<void>
}

export type PowerCutDisk = {
  disk: BlobDisk
  /** The program has told somebody that it is done with so many things. */
  acknowledge(count: number): void
  /** Disk states of every `every`-th moment: with nothing, with all, and `randomly` times with some of what was unsynced. */
  states(random: () => number, randomly: number, every?: number): Generator<CutState>
}

/** Works on the empty `folder` like node:fs/promises, and records. `forgetful`: fsync does nothing, as a check of the check. */
export function aPowerCutDisk(folder: string, { forgetful = false } = {}): PowerCutDisk {
  const operations: Operation[] = []
  const inodes = new Map<string, Inode>()
  const nameOf = (path: string) => relative(folder, path)
  let nextInode = 1

  const open = async (path: string, flags: number, mode?: number): Promise<DiskFile> => {
    const isNew = (flags & constants.O_CREAT) !== 0 && !inodes.has(nameOf(path))
    const handle = await fs.open(path, flags, mode)
    if ((flags & constants.O_DIRECTORY) !== 0) return recordFolder(handle, path)
    if (isNew) {
      inodes.set(nameOf(path), nextInode)
      operations.push({ kind: 'create', path: nameOf(path), inode: nextInode++ })
    }
    const inode = inodes.get(nameOf(path))
    if (inode === undefined) throw new Error(`${path} was not made through this disk`)
    if ((flags & constants.O_TRUNC) !== 0 && !isNew) operations.push({ kind: 'truncate', inode, sizeBytes: 0 })
    return recordFile(handle, inode)
  }

  const recordFolder = (handle: fs.FileHandle, path: string): DiskFile =>
    Object.assign(handle, {
      sync: async () => {
        if (!forgetful) operations.push({ kind: 'sync-folder', path: nameOf(path) })
      },
    })

  const recordFile = (handle: fs.FileHandle, inode: Inode): DiskFile => ({
    read: (bytes, offset, length, position) => handle.read(bytes, offset, length, position),
    write: async (bytes, offset, length, position) => {
      const { bytesWritten } = await handle.write(bytes, offset, length, position)
      const written = Buffer.from(bytes.subarray(offset, offset + bytesWritten))
      operations.push({ kind: 'write', inode, position, bytes: written })
      return { bytesWritten }
    },
    truncate: async (sizeBytes) => {
      await handle.truncate(sizeBytes)
      operations.push({ kind: 'truncate', inode, sizeBytes })
    },
    sync: async () => {
      if (!forgetful) operations.push({ kind: 'sync', inode })
    },
    stat: () => handle.stat(),
    close: () => handle.close(),
  })

  const rename = async (from: string, to: string) => {
    await fs.rename(from, to)
    const inode = inodes.get(nameOf(from))
    if (inode !== undefined) inodes.set(nameOf(to), inode)
    inodes.delete(nameOf(from))
    operations.push({ kind: 'rename', from: nameOf(from), to: nameOf(to) })
  }
  const unlink = async (path: string) => {
    await fs.unlink(path)
    inodes.delete(nameOf(path))
    operations.push({ kind: 'unlink', path: nameOf(path) })
  }

  const { mkdir, readdir, lstat, statfs } = fs
  return {
    disk: { open, rename, unlink, mkdir, readdir, lstat, statfs },
    acknowledge: (count) => operations.push({ kind: 'acknowledge', count }),
    *states(random, randomly, every = 1) {
      for (let cut = 0; cut <= operations.length; cut += every) {
        const before = operations.slice(0, cut)
        yield stateAt(before, 'nothing unsynced', () => 0)
        yield stateAt(before, 'everything unsynced', () => 1)
        for (let n = 0; n < randomly; n++) yield stateAt(before, `random ${n}`, random)
      }
    },
  }
}

/** `share`: 0 to 1, asked for every unsynced thing: 0 keeps nothing of it, 1 all, between them a part. */
function stateAt(operations: readonly Operation[], fate: string, share: () => number): CutState {
  const synced = new Map<Inode, Buffer>()
  const unsynced = new Map<Inode, Operation[]>()
  const names = new Map<string, Inode>()
  let pending: Operation[] = []
  let acknowledged = 0
  for (const operation of operations) {
    if (operation.kind === 'acknowledge') acknowledged = operation.count
    else if (operation.kind === 'write' || operation.kind === 'truncate')
      unsynced.set(operation.inode, [...(unsynced.get(operation.inode) ?? []), operation])
    else if (operation.kind === 'sync') {
      synced.set(
        operation.inode,
        contentOf(operation.inode, () => 1),
      )
      unsynced.delete(operation.inode)
    } else if (operation.kind === 'sync-folder') {
      pending.forEach(applyName)
      pending = []
    } else pending.push(operation)
  }
  // Names change in the order of the journal; the bytes behind them come when they come.
  pending.slice(0, Math.round(share() * pending.length)).forEach(applyName)

  function applyName(operation: Operation): void {
    if (operation.kind === 'create') names.set(operation.path, operation.inode)
    else if (operation.kind === 'unlink') names.delete(operation.path)
    else if (operation.kind === 'rename') {
      const inode = names.get(operation.from)
      if (inode !== undefined) names.set(operation.to, inode)
      names.delete(operation.from)
    }
  }

  function contentOf(inode: Inode, kept: () => number): Buffer {
    return (unsynced.get(inode) ?? []).reduce(
      (content, operation) => applyBytes(content, operation, kept()),
      synced.get(inode) ?? Buffer.alloc(0),
    )
  }

  const files = new Map([...names].map(([path, inode]) => [path, contentOf(inode, share)]))
  return {
    name: `${operations.length} operations, ${fate}`,
    acknowledged,
    files,
    restore: async (folder) => {
      for (const [path, content] of files) {
        await fs.mkdir(dirname(join(folder, path)), { recursive: true })
        await fs.writeFile(join(folder, path), content)
      }
    },
  }
}

/** A write of which the first sectors arrived; the file's length may have arrived without its bytes. */
function applyBytes(content: Buffer, operation: Operation, kept: number): Buffer {
  if (operation.kind === 'truncate') {
    if (kept < 0.5) return content
    const cut = Buffer.alloc(operation.sizeBytes)
    content.copy(cut)
    return cut
  }
  if (operation.kind !== 'write' || kept === 0) return content
  const { position, bytes } = operation
  const arrived = kept > 0.8 ? bytes.length : Math.floor((kept * bytes.length) / sectorBytes) * sectorBytes
  const next = Buffer.alloc(Math.max(content.length, position + bytes.length))
  content.copy(next)
  bytes.copy(next, position, 0, arrived)
  return next
}

/** Calls of `disk` are counted, and `faultOf` says which of them fail, and with what (`ENOSPC`, `EIO`, …). */
export function aFaultyDisk(
  disk: BlobDisk,
  faultOf: (call: string, count: number) => string | undefined,
): { disk: BlobDisk; calls: () => number } {
  let count = 0
  const checked =
    <A extends unknown[], R>(call: string, work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const code = faultOf(call, count++)
      if (code !== undefined) throw Object.assign(new Error(`${code}: ${call}`), { code })
      return work(...args)
    }
  const wrap = (file: DiskFile): DiskFile => ({
    read: checked('read', (...args) => file.read(...args)),
    write: checked('write', (...args) => file.write(...args)),
    truncate: checked('truncate', (...args) => file.truncate(...args)),
    sync: checked('sync', () => file.sync()),
    stat: checked('stat', () => file.stat()),
    close: () => file.close(),
  })
  const open = checked('open', disk.open)
  const faulty: BlobDisk = {
    open: async (...args) => wrap(await open(...args)),
    rename: checked('rename', disk.rename),
    unlink: checked('unlink', disk.unlink),
    mkdir: checked('mkdir', disk.mkdir),
    readdir: checked('readdir', disk.readdir),
    lstat: checked('lstat', disk.lstat),
    statfs: checked('statfs', disk.statfs),
  }
  return { disk: faulty, calls: () => count }
}
