// A hub for tests: real database, blobs and keys in a folder of its own, no sockets.

import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { z } from 'zod'
import { readConfig } from '../../hub/config.ts'
import { insertToken, makeToken, type Role } from '../../hub/governance/tokens.ts'
import type { Hub } from '../../hub/hub.ts'
import { openKeys } from '../../hub/keys.ts'
import { openBlobs } from '../../hub/storage/blobs.ts'
import { openDatabase } from '../../hub/storage/database.ts'

const log = pino({ level: 'silent' })

export type TestHub = Hub & AsyncDisposable & { folder: string; tokenOf(role: Role): Promise<string> }

/** `await using hub = await aHub()`; closes and removes everything at the end of the block. */
export async function aHub(
  options: { environment?: Record<string, string>; parts?: Partial<Hub>; folder?: string } = {},
): Promise<TestHub> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'roost-hub-'))
  const random = (length: number) => new Uint8Array(randomBytes(length))
  const path = join(folder, 'hub.db')
  if (!existsSync(path)) writeFileSync(path, await migrated())
  const database = await openDatabase(path, log)
  // what a power cut would leave is not asked of it, and a busy disk takes half a minute for a thousand commits
  await database.all(z.unknown(), 'PRAGMA synchronous = OFF')
  const hub: Hub = {
    config: readConfig({ ROOST_DATA_DIR: folder, ...options.environment }),
    database,
    blobs: await openBlobs(join(folder, 'blobs'), random),
    keys: await openKeys(join(folder, 'keys'), random, Date.now, log),
    log,
    clock: Date.now,
    random,
    metrics: new Registry(),
    tls: undefined,
    brokerAuthority: undefined,
    stopping: new AbortController().signal,
    authenticateDevice: () => Promise.resolve(false),
    mayReadBlob: () => Promise.resolve(false),
    ...options.parts,
  }
  return {
    ...hub,
    folder,
    tokenOf: async (role) => {
      const made = makeToken(random)
      const row = { name: `test ${role}`, role, createdBy: 'test', createdAt: hub.clock(), expiresAt: undefined }
      await database.write([insertToken(made, row)])
      return made.token
    },
    [Symbol.asyncDispose]: async () => {
      await database.close()
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}

let empty: Promise<Uint8Array> | undefined
/** A database's file after the migrations, which are most of what making a hub takes: once in this process. */
const migrated = (): Promise<Uint8Array> => (empty ??= migrate())

async function migrate(): Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), 'roost-hub-empty-'))
  try {
    const path = join(folder, 'hub.db')
    const database = await openDatabase(path, log)
    // what is still in the log beside the file
    await database.all(z.object({ busy: z.literal(0) }), 'PRAGMA wal_checkpoint(TRUNCATE)')
    await database.close()
    return readFileSync(path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The hub as another process would open it: its metrics are new. */
export const asStarted = (hub: Hub): Hub => ({ ...hub, metrics: new Registry() })

/** The body of an answer, which must be of the schema. */
export async function readAs<S extends z.ZodType>(
  schema: S,
  response: Response | Promise<Response>,
): Promise<z.output<S>> {
  return schema.parse(await (await response).json())
}
