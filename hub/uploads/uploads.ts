// Uploads that may be cut anywhere and go on. What is acknowledged is on disk: bytes are fsynced, then the offset is
// written down, and what a file has beyond its offset is cut off before it grows again.

import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Hub } from '../hub.ts'
import { notFound, Problem } from '../problem.ts'
import { syncFolder, unlessMissing } from '../storage/files.ts'
import { removeIfUnused } from '../storage/unused-blobs.ts'
import {
  advanceStatement,
  deleteUpload,
  findUpload,
  finishUpload,
  insertUpload,
  listExpired,
  listUploads,
  type UploadRow,
} from './store.ts'

/** Bytes that are written before they are made to count: what a killed hub costs at most. */
const durableEveryBytes = 8 * 1_048_576
const sweepEveryMs = 3_600_000
const expiredAtOnce = 100

type By = { actor: string; requestId: string | undefined }
export type Uploads = {
  /** @throws Problem too-large, too-many-uploads */
  create(by: By, length: number, metadata: string): Promise<UploadRow>
  /** @throws Problem not-found, also for somebody else's */
  find(by: By, id: string): Promise<UploadRow>
  /** Takes bytes in from `offset` on. What came before it was cut counts, unless a checksum was to be held against all of it.
   *  @throws Problem not-found, wrong-offset, too-long, checksum-mismatch */
  append(
    by: By,
    id: string,
    offset: number,
    bytes: AsyncIterable<Uint8Array> | null,
    sha256?: Buffer,
  ): Promise<UploadRow>
  /** @throws Problem not-found */
  remove(by: By, id: string): Promise<void>
  /** The blob of an upload that is finished.
   *  @throws Problem not-found, unfinished-upload */
  take(by: Pick<By, 'actor'>, id: string): Promise<string>
  /** Removes one that is finished with its blob, unless something else names that.
   *  @throws Problem not-found */
  drop(actor: string, id: string, sha256: string): Promise<void>
  /** Removes what has expired, until the hub stops. */
  work(): Promise<void>
}

export function createUploads(hub: Hub): Uploads {
  const { database, blobs, clock, config } = hub
  const folder = join(config.dataDir, 'uploads')
  const pathOf = (id: string) => join(folder, id)
  /** One writer an upload: who comes later ends the one before, whose connection may be long dead. */
  const writing = new Map<string, { abort: AbortController; ended: Promise<unknown> }>()

  const find: Uploads['find'] = async ({ actor }, id) => {
    const row = await findUpload(database, id, actor)
    if (row === undefined) throw notFound('upload', id)
    return row
  }

  /** Makes a blob of it; again, where the hub was killed while it did. */
  const finish = async (by: By, row: UploadRow): Promise<string> => {
    const { id } = row
    let { digest } = row
    if (digest === null) {
      digest = await blobs.digestOf(pathOf(id))
      await finishUpload(database, clock(), by, id, digest)
    }
    await unlessMissing(blobs.adopt(pathOf(id), digest), undefined)
    return digest
  }
  const settled = async (by: By, id: string): Promise<UploadRow> => {
    const row = await find(by, id)
    return row.offset < row.length ? row : { ...row, digest: await finish(by, row) }
  }

  /** Alone with an upload, after whoever was there has ended. */
  const alone = async <T>(id: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    for (let other = writing.get(id); other !== undefined; other = writing.get(id)) {
      other.abort.abort()
      await other.ended
    }
    const abort = new AbortController()
    const turn = work(abort.signal)
    const ended = turn.then(
      () => undefined,
      () => undefined,
    )
    const place = { abort, ended }
    writing.set(id, place)
    try {
      return await turn
    } finally {
      if (writing.get(id) === place) writing.delete(id)
    }
  }

  const remove: Uploads['remove'] = async (by, id) => {
    await find(by, id)
    await alone(id, async () => {
      await deleteUpload(database, clock(), by, id)
      await unlessMissing(unlink(pathOf(id)), undefined)
    })
  }

  return {
    find: (by, id) => (writing.has(id) ? find(by, id) : settled(by, id)),
    create: async (by, length, metadata) => {
      if (length > config.uploadBytesMax) {
        throw new Problem(413, 'too-large', 'Too large', `an upload may have ${config.uploadBytesMax} bytes`, {
          field: 'Upload-Length',
        })
      }
      const id = Buffer.from(hub.random(16)).toString('hex')
      await insertUpload(database, clock(), by, { id, length, metadata })
      return find(by, id)
    },
    append: async (by, id, offset, bytes, sha256) => {
      await find(by, id)
      return alone(id, async (signal) => {
        const row = await find(by, id)
        if (offset !== row.offset) {
          const detail = `the upload has ${row.offset} bytes, and yours begin at ${offset}: ask again where it stands (HEAD)`
          throw new Problem(409, 'wrong-offset', 'Another offset', detail, { members: { offset: row.offset } })
        }
        await mkdir(folder, { recursive: true, mode: 0o700 })
        if (row.digest === null) {
          await using file = await open(pathOf(id), 'a+', 0o600)
          if (row.offset === 0) await syncFolder(folder)
          await file.truncate(row.offset)
          const advance = async (to: number) => {
            await file.sync()
            await database.write([advanceStatement(id, to, clock())])
          }
          await (sha256 === undefined
            ? appendPieces(file, row, bytes ?? empty(), advance, signal)
            : appendChecked(file, row, bytes ?? empty(), advance, signal, sha256))
        }
        return settled(by, id)
      })
    },
    remove,
    drop: async (actor, id, sha256) => {
      await remove({ actor, requestId: undefined }, id)
      await removeIfUnused(hub, sha256)
    },
    take: async ({ actor }, id) => {
      const { digest, offset, length } = await settled({ actor, requestId: undefined }, id)
      if (digest !== null) return digest
      throw new Problem(409, 'unfinished-upload', 'Not finished', `${offset} of its ${length} bytes are here`, {
        field: 'upload',
      })
    },
    work: async () => {
      await removeOrphans(hub, folder)
      while (!hub.stopping.aborted) {
        try {
          for (const id of await listExpired(database, clock(), expiredAtOnce)) {
            if (writing.has(id)) continue
            await deleteUpload(database, clock(), { actor: 'hub', requestId: undefined }, id)
            await unlessMissing(unlink(pathOf(id)), undefined)
          }
        } catch (error) {
          hub.log.error({ err: error }, 'expired uploads could not be removed; trying again later')
        }
        await delay(sweepEveryMs, undefined, { signal: hub.stopping, ref: false }).catch((error: unknown) => {
          if (!hub.stopping.aborted) throw error
        })
      }
    },
  }
}

type Advance = (to: number) => Promise<void>

/** Writes what comes; all that came counts, also when the rest does not come. */
async function appendPieces(
  file: FileHandle,
  { offset, length }: UploadRow,
  bytes: AsyncIterable<Uint8Array>,
  advance: Advance,
  signal: AbortSignal,
): Promise<void> {
  let at = offset
  let durable = offset
  try {
    for await (const piece of until(signal, bytes)) {
      if (at + piece.length > length) throw tooLong(length)
      await file.writeFile(piece)
      at += piece.length
      if (at - durable >= durableEveryBytes) {
        await advance(at)
        durable = at
      }
    }
  } catch (error) {
    if (error instanceof Problem) throw error
    throw cutOff(error)
  } finally {
    if (at > durable) await advance(at)
  }
}

/** Writes what comes; it counts only when it is all there and what its sender says it is. */
async function appendChecked(
  file: FileHandle,
  { offset, length }: UploadRow,
  bytes: AsyncIterable<Uint8Array>,
  advance: Advance,
  signal: AbortSignal,
  sha256: Buffer,
): Promise<void> {
  const hash = createHash('sha256')
  let at = offset
  try {
    for await (const piece of until(signal, bytes)) {
      if (at + piece.length > length) throw tooLong(length)
      hash.update(piece)
      await file.writeFile(piece)
      at += piece.length
    }
  } catch (error) {
    if (error instanceof Problem) throw error
    throw cutOff(error)
  }
  if (!hash.digest().equals(sha256)) {
    throw new Problem(
      460,
      'checksum-mismatch',
      'Checksum mismatch',
      'other bytes came than were sent: send them again',
      {
        field: 'Upload-Checksum',
      },
    )
  }
  await advance(at)
}

/** The pieces until they are aborted.
 *  @throws Error then */
async function* until(
  signal: AbortSignal,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const aborted = new Promise<never>((_, reject) => {
    const taken = () => reject(new Error('somebody else goes on with this upload'))
    if (signal.aborted) taken()
    signal.addEventListener('abort', taken, { once: true })
  })
  // nobody may wait for it any more when it happens
  aborted.catch(() => undefined)
  const pieces = bytes[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await Promise.race([pieces.next(), aborted])
      if (done) return
      yield value
    }
  } finally {
    // a reader that never answers must not keep the one who comes next waiting
    pieces.return?.()?.catch(() => undefined)
  }
}

async function* empty(): AsyncGenerator<Uint8Array, void, undefined> {
  // no body: no bytes
}

const tooLong = (length: number) =>
  new Problem(413, 'too-long', 'Too long', `the upload was to have ${length} bytes, and more came`)
const cutOff = (cause: unknown) =>
  new Problem(400, 'cut-off', 'The upload was cut off', 'ask where it stands (HEAD), and go on from there', { cause })

/** Files that no upload knows: of a hub that was killed between two steps of removing one. */
async function removeOrphans({ database }: Pick<Hub, 'database'>, folder: string): Promise<void> {
  const known = new Set(await listUploads(database))
  for (const name of await unlessMissing(readdir(folder), [])) {
    if (!known.has(name)) await unlessMissing(unlink(join(folder, name)), undefined)
  }
}
