// Keeps the broker's files as the database says: writes them when something changed, has the broker read them, and waits
// until it says that it has. What changes meanwhile goes into the next writing together.

import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { writeDurably } from '../../storage/files.ts'
import { type AccessFiles, type Admitted, accessFiles } from './access-files.ts'

export type AccessOptions = {
  /** Where the broker reads `passwd` and `acl`. */
  folder: string
  /** Holds the broker's process id, where the hub may signal it; without it something on its side sees the new files. */
  pidFile: string | undefined
  hubPassword: string
  read: () => Promise<Admitted[]>
  /** Whether the broker says that it has read the files of this fingerprint; false: not yet. Takes a moment. */
  confirm: (fingerprint: string) => Promise<boolean>
  log: Logger
}

export type Access = {
  /** As of the files that were written last. */
  admitted: () => ReadonlySet<string>
  /** Something changed. Resolves when the broker knows it, or after `waitMsMax`. */
  changed: () => Promise<void>
  /** As `changed`, of what is under way already. */
  settled: () => Promise<void>
  close: () => Promise<void>
}

/** The longest that anybody waits for the broker to have read its files. */
export const waitMsMax = 5_000
/** Changes of so long go into one writing. */
const gatherMs = 30
/** What changed without `changed` (a secret used for the first time) is found by looking. */
const lookEveryMs = 15_000
/** A broker that has not confirmed is asked again, and after these signalled again, given newer files, complained about. */
const askAgainMsMax = 250
const signalAgainMs = 5_000
const newerAfterMs = 1_000
const complainAfterMs = 15_000
const retryMs = 1_000

/** Readable by the broker through the folder's group (set-group-id), by nobody else. */
const fileMode = 0o640

/** Writes the files for the first time.
 *  @throws what reading the database and writing the folder do */
export async function keepAccess(options: AccessOptions): Promise<Access> {
  const { folder, pidFile, hubPassword, read, confirm, log } = options
  const closing = new AbortController()
  const waiting = new Set<{ upTo: number; resolve: () => void }>()
  let admitted: ReadonlySet<string> = new Set()
  let written: AccessFiles | undefined
  let asked = 1
  let done = 0

  const write = async (): Promise<AccessFiles> => {
    const devices = await read()
    const files = accessFiles(devices, hubPassword)
    admitted = new Set(devices.map(({ device }) => device))
    if (files.fingerprint === written?.fingerprint) return written
    // first the passwords: who reads the acl of this fingerprint reads passwords that are no older
    await writeDurably(join(folder, 'passwd'), files.passwords, fileMode)
    await writeDurably(join(folder, 'acl'), files.acl, fileMode)
    written = files
    await signal()
    return files
  }

  const signal = async () => {
    if (pidFile === undefined) return
    try {
      const pid = Number.parseInt(await readFile(pidFile, 'utf8'), 10)
      // 0 and less would be whole groups of processes, the hub's own among them
      if (!(pid > 0)) throw new Error('the file names no process')
      process.kill(pid, 'SIGHUP')
    } catch (error) {
      // not there: it reads the files when it starts
      log.debug({ err: error, pidFile }, 'the broker could not be signalled')
    }
  }

  /** False: there is something newer to be written. */
  const untilRead = async ({ fingerprint }: AccessFiles, upTo: number): Promise<boolean> => {
    const from = performance.now()
    let signalledAt = from
    let complained = false
    for (let pauseMs = 10; ; pauseMs = Math.min(2 * pauseMs, askAgainMsMax)) {
      if (await confirm(fingerprint)) return true
      const now = performance.now()
      if (asked > upTo && now - from > newerAfterMs) return false
      if (now - signalledAt > signalAgainMs) {
        signalledAt = now
        await signal()
      }
      if (!complained && now - from > complainAfterMs) {
        complained = true
        const next = 'is it there, does it read this folder, and what makes it read the files anew?'
        log.error({ folder }, `the broker does not know who may come in: ${next}`)
      }
      await delay(pauseMs, undefined, { signal: closing.signal })
    }
  }

  const settle = (upTo: number) => {
    done = upTo
    for (const one of waiting) if (one.upTo <= upTo) one.resolve()
  }

  const keep = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        if (asked === done) await pause()
        else await delay(gatherMs, undefined, { signal: closing.signal })
        const upTo = asked
        if (await untilRead(await write(), upTo)) settle(upTo)
      } catch (error) {
        if (closing.signal.aborted) return
        log.error({ err: error, folder }, 'who may come in could not be written for the broker')
        await delay(retryMs, undefined, { signal: closing.signal }).catch(() => undefined)
      }
    }
  }

  let wake: () => void = () => undefined
  /** Until something changes, or it is time to look. */
  const pause = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, lookEveryMs)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const settled = (): Promise<void> => {
    const upTo = asked
    if (done >= upTo || closing.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const one = {
        upTo,
        resolve: () => {
          clearTimeout(timer)
          waiting.delete(one)
          resolve()
        },
      }
      const timer = setTimeout(one.resolve, waitMsMax)
      waiting.add(one)
    })
  }

  await mkdir(folder, { recursive: true })
  await write()
  const keeping = keep()
  return {
    admitted: () => admitted,
    changed: () => {
      asked += 1
      wake()
      return settled()
    },
    settled,
    close: async () => {
      closing.abort()
      wake()
      for (const one of waiting) one.resolve()
      await keeping
    },
  }
}
