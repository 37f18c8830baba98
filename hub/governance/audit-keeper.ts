// Signs the head of the audit log once a second while it grows, and at the stop of the hub. It signs only rows that
// this process has written, or, after a kill, that follow from the last head; anything else it reports and stays
// with the last head for good.

import { setTimeout as delay } from 'node:timers/promises'
import type { Hub } from '../hub.ts'
import { auditStatements, isWrittenHere } from './audit.ts'
import { chainStart, type Head, walkChain } from './audit-chain.ts'
import { type HeadState, headFile, openHeadKey, placeOf, readHeadFile, writeHead } from './audit-head.ts'
import { storedHash, storedLinks } from './audit-rows.ts'

const everySecondMs = 1_000

export type AuditKeeper = {
  /** Signs what has been written since. */
  advance(): Promise<void>
  /** When nobody writes any more. */
  close(): Promise<void>
}

type Parts = Pick<Hub, 'database' | 'clock' | 'random' | 'log' | 'stopping'>

/** @param folder that of the keys
 *  @param signEveryMs how long a row may lie unsigned while the hub runs */
export async function openAuditKeeper(
  hub: Parts,
  folder: string,
  signEveryMs: number = everySecondMs,
): Promise<AuditKeeper> {
  const { database, clock, log } = hub
  const key = await openHeadKey(folder, hub.random)
  let head: Head = chainStart
  let broken = false

  const write = async (place: Head, state: HeadState, reason: string | null = null) => {
    await writeHead(folder, key, place, { at: clock(), state, reason })
    head = place
  }
  const stop = async (reason: string) => {
    broken = true
    log.error({ reason, file: headFile(folder) }, 'the audit log was tampered with: its head is not signed any more')
    await write(head, 'broken', reason)
  }
  const record = (action: string, after: unknown) =>
    database.exclusively(async (tx) =>
      tx.write(await auditStatements(tx, clock(), [{ actor: 'hub', action, subject: 'audit:head', after }])),
    )
  /** The end of the log, if everything since the head belongs there. */
  const grown = async (mayWrite: (hash: Uint8Array) => boolean): Promise<Head | { fault: string }> => {
    const present = head.seq === 0 ? head.hash : await storedHash(database, head.seq)
    if (present === undefined) return { fault: `row ${head.seq}, which was signed, is not there` }
    if (Buffer.compare(present, head.hash) !== 0) return { fault: `row ${head.seq} is not the one that was signed` }
    const walk = walkChain(head, [])
    for await (const row of storedLinks(database, head.seq)) {
      walk.take(row)
      if (row.hash === null || !mayWrite(row.hash))
        return { fault: `row ${Buffer.from(row.seq).toString()} was not written by this hub` }
    }
    const { head: end, faults } = walk.end()
    const [first] = faults
    return first === undefined ? end : { fault: `row ${first.seq ?? '?'} is ${first.kind}: ${first.detail}` }
  }

  const begin = async () => {
    const found = await readHeadFile(folder)
    if (found === 'no-head') return beginAnew()
    if (found === 'bad-head') return stop('the head beside the keys is not signed by the audit key of this hub')
    head = placeOf(found)
    if (found.state === 'broken') {
      broken = true
      log.error({ reason: found.reason, file: headFile(folder) }, 'the audit log is broken since an earlier run')
      return
    }
    const end = await grown(() => true)
    if ('fault' in end) return stop(end.fault)
    if (end.seq > head.seq && found.state === 'closed') {
      return stop(`rows ${head.seq + 1} to ${end.seq} were written after the hub had stopped`)
    }
    const adopted = { from: head.seq + 1, to: end.seq }
    await write(end, 'open')
    if (adopted.to < adopted.from) return
    log.warn(adopted, 'audit rows that were not signed when the hub was ended are taken over')
    await record('audit.take-over', adopted)
  }
  const beginAnew = async () => {
    head = chainStart
    const end = await grown(() => true)
    if ('fault' in end) return stop(end.fault)
    await write(end, 'open')
    if (end.seq === 0) return
    log.warn({ seq: end.seq }, 'the audit log had no signed head: one is made of it as it is')
    await record('audit.sign-anew', { seq: end.seq, hash: Buffer.from(end.hash).toString('hex') })
  }

  const advance = async (state: 'open' | 'closed' = 'open') => {
    if (broken) return
    const end = await grown(isWrittenHere)
    if ('fault' in end) await stop(end.fault)
    else if (end.seq > head.seq || state === 'closed') await write(end, state)
  }
  const advanceForever = async () => {
    while (!hub.stopping.aborted) {
      await delay(signEveryMs, undefined, { signal: hub.stopping }).catch((error: unknown) => {
        if (!hub.stopping.aborted) throw error
      })
      try {
        await turn(() => advance())
      } catch (error) {
        log.error({ err: error }, 'the head of the audit log could not be signed; trying again')
      }
    }
  }
  let last: Promise<unknown> = Promise.resolve()
  /** One at a time. */
  const turn = (work: () => Promise<void>): Promise<void> => {
    const done = last.then(work)
    last = done.catch(() => undefined)
    return done
  }

  await begin()
  const forever = advanceForever()
  return {
    advance: () => turn(() => advance()),
    close: async () => {
      await forever
      await turn(() => advance('closed'))
    },
  }
}
