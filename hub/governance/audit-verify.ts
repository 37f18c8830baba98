// Holds the whole audit log against its chain, its signed head and heads that somebody kept elsewhere.

import type { Reader } from '../storage/database.ts'
import { chainStart, type Fault, faultsToldMax, type Head, walkChain } from './audit-chain.ts'
import { type FoundHead, placeOf } from './audit-head.ts'
import { missingGuards, storedHash, storedLinks } from './audit-rows.ts'

export type Verification = {
  ok: boolean
  rows: number
  head: { seq: number; hash: string }
  /** Rows after the signed head, which nothing but the chain vouches for; null without a head. */
  unsigned: number | null
  /** The first of them. */
  faults: Fault[]
  faultsFound: number
  /** Whether it came to the end of the log. */
  isEnd: boolean
}

/** A part of the log: the rows that follow `after`, so many at most. */
export type Stretch = { after: Head; rowsMax: number }

/** The whole log, or a stretch of it; what can only be said at its end is said by the stretch that comes to it.
 *  @param found the signed head, read before the rows: the log may grow meanwhile
 *  @param kept heads from elsewhere that must still be in the log
 *  @throws what reading throws, where there is no such table at all */
export async function verifyAudit(
  reader: Reader,
  found: FoundHead,
  kept: readonly Head[] = [],
  { after, rowsMax }: Stretch = { after: chainStart, rowsMax: Number.POSITIVE_INFINITY },
): Promise<Verification> {
  const signed = typeof found === 'string' ? undefined : found
  const heads = [...(signed ? [placeOf(signed)] : []), ...kept]
  const walk = walkChain(after, heads)
  let taken = 0
  for await (const row of storedLinks(reader, after.seq === 0 ? undefined : after.seq)) {
    walk.take(row)
    taken += 1
    if (taken >= rowsMax) break
  }
  const isEnd = taken < rowsMax
  const { rows, head, faults, faultsFound } = isEnd ? walk.end() : walk.soFar()
  const further = [
    ...(await passedHeads(reader, heads, after)),
    ...(isEnd ? [...headFaults(found, head), ...(await guardFaults(reader))] : []),
  ]
  return {
    ok: faultsFound + further.length === 0,
    rows,
    head: { seq: head.seq, hash: Buffer.from(head.hash).toString('hex') },
    unsigned: signed === undefined ? null : Math.max(0, head.seq - signed.seq),
    faults: [...further, ...faults].slice(0, faultsToldMax),
    faultsFound: faultsFound + further.length,
    isEnd,
  }
}

/** Heads in the rows before a stretch, which the one before may not have known yet. */
async function passedHeads(reader: Reader, heads: readonly Head[], after: Head): Promise<Fault[]> {
  const faults: Fault[] = []
  for (const { seq, hash } of heads) {
    if (seq === 0 || seq > after.seq) continue
    const stored = await storedHash(reader, seq)
    if (stored !== undefined && Buffer.compare(stored, hash) === 0) continue
    faults.push({ kind: 'replaced', seq, detail: 'a head kept elsewhere says there was another row' })
  }
  return faults
}

async function guardFaults(reader: Reader): Promise<Fault[]> {
  const missing = await missingGuards(reader)
  return missing.map((name) => ({ kind: 'unguarded', seq: null, detail: `trigger ${name} is not there, or another` }))
}

function headFaults(found: FoundHead, end: Head): Fault[] {
  if (found === 'no-head') return [{ kind: 'no-head', seq: null, detail: 'there is no signed head beside the keys' }]
  if (found === 'bad-head') {
    return [
      { kind: 'bad-head', seq: null, detail: 'the head beside the keys is not signed by the audit key of this hub' },
    ]
  }
  const faults: Fault[] = []
  if (found.state === 'closed' && end.seq > found.seq) {
    faults.push({ kind: 'foreign', seq: found.seq + 1, detail: 'written after the hub had stopped, and not by it' })
  }
  if (found.state === 'broken') {
    faults.push({ kind: 'head-broken', seq: found.seq, detail: found.reason ?? 'the hub found a fault' })
  }
  return faults
}
