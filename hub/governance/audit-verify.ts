// Holds the whole audit log against its chain, its signed head and heads that somebody kept elsewhere.

import type { Reader } from '../storage/database.ts'
import { type Fault, faultsToldMax, type Head, walkChain } from './audit-chain.ts'
import { type FoundHead, placeOf } from './audit-head.ts'
import { missingGuards, storedLinks } from './audit-rows.ts'

export type Verification = {
  ok: boolean
  rows: number
  head: { seq: number; hash: string }
  /** Rows after the signed head, which nothing but the chain vouches for; null without a head. */
  unsigned: number | null
  /** The first of them. */
  faults: Fault[]
  faultsFound: number
}

/** @param found the signed head, read before the rows: the log may grow meanwhile
 *  @param kept heads from elsewhere that must still be in the log
 *  @throws what reading throws, where there is no such table at all */
export async function verifyAudit(reader: Reader, found: FoundHead, kept: readonly Head[] = []): Promise<Verification> {
  const signed = typeof found === 'string' ? undefined : found
  const walk = walkChain({ seq: 0, hash: new Uint8Array(32) }, [...(signed ? [placeOf(signed)] : []), ...kept])
  for await (const row of storedLinks(reader)) walk.take(row)
  const { rows, head, faults, faultsFound } = walk.end()
  const further = [
    ...headFaults(found, head),
    ...(await missingGuards(reader)).map(
      (name): Fault => ({ kind: 'unguarded', seq: null, detail: `trigger ${name} is not there, or another` }),
    ),
  ]
  return {
    ok: faultsFound + further.length === 0,
    rows,
    head: { seq: head.seq, hash: Buffer.from(head.hash).toString('hex') },
    unsigned: signed === undefined ? null : Math.max(0, head.seq - signed.seq),
    faults: [...further, ...faults].slice(0, faultsToldMax),
    faultsFound: faultsFound + further.length,
  }
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
