// The database file and its one owner: one connection, one write queue, every change a short `batch(…, 'write')`.
// @libsql/client is synchronous inside, keeps pragmas per connection, and a single SQLITE_BUSY leaves its connection
// unable to commit (libsql-js #228): so pragmas are set at every (re)connect and a poisoned connection is replaced.

import { AsyncLocalStorage } from 'node:async_hooks'
import { stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { type Client, createClient, LibsqlError } from '@libsql/client'
import type { Logger } from 'pino'
import { z } from 'zod'
import { applyMigrations, migrationsFolder } from './migrations.ts'

/** Numbers bind as REAL: pass text where the column is TEXT. */
export type Value = string | number | bigint | boolean | null | Uint8Array
export type Statement = { sql: string; args?: readonly Value[] }

/** Reads within `exclusively`, and outside. */
export type Reader = {
  /** All rows, each checked by `rowSchema`. */
  all<S extends z.ZodType>(rowSchema: S, sql: string, args?: readonly Value[]): Promise<z.output<S>[]>
  /** The first row, or undefined when there is none. */
  first<S extends z.ZodType>(rowSchema: S, sql: string, args?: readonly Value[]): Promise<z.output<S> | undefined>
}
export type Writer = {
  /** All statements or none, on disk when it resolves. Rows affected of each (0 for one with RETURNING). */
  write(statements: readonly Statement[]): Promise<number[]>
}

export type DatabaseErrorCode = 'queue-full' | 'busy' | 'closed'
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError'
  readonly code: DatabaseErrorCode
  constructor(code: DatabaseErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Writes that may wait; the next one is refused with `queue-full`. At 3,000 small writes a second this is seconds. */
export const writesQueuedMax = 10_000
/** How long a write waits for somebody else's lock on the file (a backup tool, a shell) before it fails with `busy`. */
const busyWaitMs = 5_000
const busyRetryMs = 25

const pragmas = [
  'PRAGMA journal_mode = WAL',
  // what was acknowledged is on disk
  'PRAGMA synchronous = FULL',
  'PRAGMA foreign_keys = ON',
  // waiting inside SQLite would stop the whole event loop: we wait outside (busyWaitMs)
  'PRAGMA busy_timeout = 0',
]

/** A BLOB column as bytes. */
export const BytesColumn = z.instanceof(ArrayBuffer).transform((buffer) => new Uint8Array(buffer))
/** A 0/1 column as a boolean. */
export const BooleanColumn = z.literal([0, 1]).transform((value) => value === 1)
/** A TEXT column holding JSON of `schema`. */
export const jsonColumn = <S extends z.ZodType>(schema: S) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema)

/** Opens (or makes) the database at `path` and applies the migrations.
 *  @throws MigrationError where the file was made by another set of migrations */
export async function openDatabase(path: string, log: Logger, migrations = migrationsFolder): Promise<Database> {
  const client = createClient({ url: pathToFileURL(path).href, concurrency: 1, timeout: 0 })
  try {
    await whenFree(client)
    await applyMigrations(client, migrations)
  } catch (error) {
    client.close()
    throw error
  }
  return new Database(client, log)
}

/** Opens the database of a hub that is stopped, as it is: nothing is migrated or made.
 *  @throws the error of stat(2) where there is none */
export async function openStopped(path: string, log: Logger): Promise<Database> {
  await stat(path)
  return new Database(createClient({ url: pathToFileURL(path).href, concurrency: 1 }), log)
}

/** Somebody may still hold the file (a backup tool, a process that is just ending): waited for as long as by a write.
 *  @throws DatabaseError busy */
async function whenFree(client: Client): Promise<void> {
  const startedMs = performance.now()
  for (;;) {
    try {
      return await setPragmas(client)
    } catch (error) {
      if (!isConnectionFault(error)) throw error
      if (performance.now() - startedMs > busyWaitMs) {
        throw new DatabaseError('busy', 'another process holds a lock on the database file', { cause: error })
      }
      await delay(busyRetryMs)
      await client.reconnect()
    }
  }
}

async function setPragmas(client: Client): Promise<void> {
  for (const pragma of pragmas) await client.execute(pragma)
}

export class Database implements Reader, Writer {
  readonly #client: Client
  readonly #log: Logger
  readonly #insideTurn = new AsyncLocalStorage<true>()
  /** Settles when the last queued turn has ended; never rejects. */
  #lastTurn: Promise<unknown> = Promise.resolve()
  #queued = 0
  /** No new writes; those queued are still done. */
  #closing = false
  #closed = false
  #pragmasSet = true

  constructor(client: Client, log: Logger) {
    this.#client = client
    this.#log = log
  }

  /** Turns of the write queue that have not ended yet. */
  get queued(): number {
    return this.#queued
  }

  all<S extends z.ZodType>(rowSchema: S, sql: string, args: readonly Value[] = []): Promise<z.output<S>[]> {
    return this.#read(rowSchema, sql, args)
  }

  async first<S extends z.ZodType>(
    rowSchema: S,
    sql: string,
    args: readonly Value[] = [],
  ): Promise<z.output<S> | undefined> {
    return (await this.#read(rowSchema, sql, args))[0]
  }

  write(statements: readonly Statement[]): Promise<number[]> {
    return this.#takeTurn(() => this.#batch(statements))
  }

  /** Reads, then writes, with no other writer in between. What `work` wrote before it throws stays written:
   *  make it read first and write once.
   *  @throws DatabaseError queue-full */
  exclusively<T>(work: (tx: Reader & Writer) => Promise<T>): Promise<T> {
    const tx: Reader & Writer = {
      all: (schema, sql, args) => this.all(schema, sql, args),
      first: (schema, sql, args) => this.first(schema, sql, args),
      write: (statements) => this.#batch(statements),
    }
    return this.#takeTurn(() => this.#insideTurn.run(true, () => work(tx)))
  }

  /** Ends after the writes that are queued; later ones are refused. */
  async close(): Promise<void> {
    this.#closing = true
    await this.#lastTurn
    this.#closed = true
    this.#client.close()
  }

  #takeTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#insideTurn.getStore()) {
      return Promise.reject(new Error('inside exclusively() write through its argument: the queue is held by you'))
    }
    if (this.#closing) return Promise.reject(new DatabaseError('closed', 'the database is closed'))
    if (this.#queued >= writesQueuedMax) {
      return Promise.reject(new DatabaseError('queue-full', `${writesQueuedMax} writes are waiting already`))
    }
    this.#queued += 1
    const turn = this.#lastTurn.then(work).finally(() => {
      this.#queued -= 1
    })
    this.#lastTurn = turn.catch(() => undefined)
    return turn
  }

  async #batch(statements: readonly Statement[]): Promise<number[]> {
    if (statements.length === 0) return []
    const bound = statements.map(({ sql, args = [] }) => ({ sql, args: [...args] }))
    const results = await this.#persist(() => this.#client.batch(bound, 'write'))
    return results.map((result) => result.rowsAffected)
  }

  async #read<S extends z.ZodType>(rowSchema: S, sql: string, args: readonly Value[]): Promise<z.output<S>[]> {
    const { rows } = await this.#persist(() => this.#client.execute({ sql, args: [...args] }))
    return rows.map((row) => rowSchema.parse(row))
  }

  /** Runs `operation`; where the connection and not the statement is at fault, replaces the connection and tries
   *  again until `busyWaitMs` are over. Nothing is done twice: a batch that failed has been rolled back. */
  async #persist<T>(operation: () => Promise<T>): Promise<T> {
    const startedMs = performance.now()
    for (;;) {
      if (this.#closed) throw new DatabaseError('closed', 'the database is closed')
      try {
        if (!this.#pragmasSet) {
          await setPragmas(this.#client)
          this.#pragmasSet = true
        }
        return await operation()
      } catch (error) {
        // the client may have replaced a connection it could not roll back: that one has no pragmas yet
        this.#pragmasSet = false
        if (!isConnectionFault(error)) throw error
        if (performance.now() - startedMs > busyWaitMs) {
          throw new DatabaseError('busy', 'another process holds a lock on the database file', { cause: error })
        }
        this.#log.warn({ err: error }, 'database connection replaced')
        await delay(busyRetryMs)
        await this.#client.reconnect()
      }
    }
  }
}

/** Locked by somebody else, poisoned by an earlier failure, or closed by a reconnect under our feet. */
function isConnectionFault(error: unknown): boolean {
  if (!(error instanceof LibsqlError)) return false
  return (
    error.code === 'SQLITE_BUSY' ||
    error.code === 'SQLITE_LOCKED' ||
    error.code === 'CLIENT_CLOSED' ||
    error.code === 'TRANSACTION_CLOSED' ||
    /SQL statements in progress|within a transaction/.test(error.message)
  )
}
