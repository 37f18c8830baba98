// Writes of many devices in one commit: what comes while a commit is under way goes into the next one together.
// Five thousand devices that return at once are then some dozens of commits, not five thousand.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database, Statement } from '../storage/database.ts'

/** Statements in one commit; more wait for the next. */
export const statementsPerCommitMax = 2_000
/** Writes that may wait; the next one is refused, and its device says hello again. */
export const writesWaitingMax = 20_000

export type WriteGatherer = {
  /** Resolves when the statements are on disk. They are written together or not at all; so are those gathered with them. */
  write: (statements: readonly Statement[]) => Promise<void>
  /** Waits for what was taken. */
  close: () => Promise<void>
}

type Waiting = { statements: readonly Statement[]; resolve: () => void; reject: (error: unknown) => void }

export function createWriteGatherer(database: Pick<Database, 'write'>): WriteGatherer {
  const queue: Waiting[] = []
  let running: Promise<void> | undefined

  const run = async () => {
    while (queue.length > 0) {
      // A turn of the event loop: the database blocks it while it commits, and what has come meanwhile is read only now.
      await nextTurn()
      const batch = takeSome(queue)
      try {
        await database.write(batch.flatMap(({ statements }) => statements))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    running = undefined
  }

  return {
    write: (statements) => {
      if (queue.length >= writesWaitingMax) {
        return Promise.reject(new Error(`${writesWaitingMax} writes are waiting already`))
      }
      return new Promise((resolve, reject) => {
        queue.push({ statements, resolve, reject })
        running ??= run()
      })
    },
    close: async () => {
      await running
    },
  }
}

function takeSome(queue: Waiting[]): Waiting[] {
  let count = 0
  let statements = 0
  for (const waiting of queue) {
    if (count > 0 && statements + waiting.statements.length > statementsPerCommitMax) break
    statements += waiting.statements.length
    count += 1
  }
  return queue.splice(0, count)
}
