// The hub as a process: reads its settings, starts, says where it listens, stops on SIGTERM and SIGINT.
// Standard output carries the log (JSON lines), and once, at first start, the admin token.

import { pino } from 'pino'
import { ConfigError, readConfig } from './config.ts'
import { KeysError } from './keys.ts'
import { startHub } from './start.ts'
import { DatabaseError } from './storage/database.ts'
import { FolderInUseError } from './storage/lock.ts'
import { MigrationError } from './storage/migrations.ts'

/** Runs until a signal comes; sets the exit code and leaves nothing open.
 *  @param newAdminToken prints a new admin token, for one who lost theirs */
export async function runHub({ newAdminToken = false } = {}): Promise<void> {
  // database, blobs and keys are nobody else's
  process.umask(0o077)
  try {
    const config = readConfig(process.env)
    const log = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime })
    const running = await startHub(config, log, newAdminToken)
    if (running.adminToken !== undefined) {
      process.stdout.write(`admin token, shown only now: ${running.adminToken}\n`)
    }
    log.info({ url: running.url, ports: running.ports }, 'hub ready')
    const signal = await nextSignal()
    log.info({ signal }, 'hub stops')
    await running.close()
    log.info('hub stopped')
  } catch (error) {
    if (!isExpected(error)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}

/** What an operator can put right: said in a sentence, without a stack. */
function isExpected(error: unknown): error is Error {
  const expected = [ConfigError, FolderInUseError, DatabaseError, MigrationError, KeysError]
  if (expected.some((kind) => error instanceof kind)) return true
  return error instanceof Error && 'code' in error && ['EADDRINUSE', 'EACCES', 'ENOENT'].includes(String(error.code))
}

/** The second signal ends the process at once: the handlers are gone by then. */
function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const take = (signal: NodeJS.Signals) => {
      process.off('SIGTERM', take)
      process.off('SIGINT', take)
      resolve(signal)
    }
    process.on('SIGTERM', take)
    process.on('SIGINT', take)
  })
}

if (import.meta.main) await runHub({ newAdminToken: process.argv.includes('--new-admin-token') })
