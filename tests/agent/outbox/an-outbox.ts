// An outbox in a folder of its own, with a clock and randomness that tests can foresee, and what is in it as numbers.

import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Outbox, type OutboxOptions } from '@roost/agent/outbox/outbox.ts'
import type { ReadRecord } from '@roost/agent/outbox/reading.ts'
import { type DeviceEvent, RecordBody } from '@roost/shared/protocol/records.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import { pino } from 'pino'

export const aFolder = (name: string) => mkdtemp(join(tmpdir(), `roost-${name}-`))

export const silent = pino({ level: 'silent' })

/** Another eight bytes every time. */
export function countedRandom(): (length: number) => Uint8Array {
  let count = 0
  return (length) => {
    count += 1
    return Buffer.alloc(length, count)
  }
}

export const openOutbox = (folder: string, over: Partial<OutboxOptions> = {}) =>
  Outbox.open(folder, { bytesMax: 16_777_216, clock: () => 5_000, random: countedRandom(), log: silent, ...over })

export const anEvent = (detail: string, at = 1): DeviceEvent => ({ kind: 'event', event: 'started', at, detail })

export async function readAll(outbox: Outbox, after = outbox.tail): Promise<ReadRecord[]> {
  const records: ReadRecord[] = []
  for (;;) {
    const batch = await outbox.read(records.at(-1)?.seq ?? after, { bytesMax: 131_072, recordsMax: 1024 })
    if (batch.length === 0) return records
    records.push(...batch)
  }
}

/** Bodies seen before, by their bytes: the same records are looked at in thousands of states. */
const seen = new Map<string, RecordBody>()

export function bodyOf({ body }: ReadRecord): RecordBody {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1')
  const before = seen.get(bytes)
  if (before !== undefined) return before
  const decoded = decode(RecordBody, body)
  if (!decoded.ok) throw new Error(decoded.reason)
  seen.set(bytes, decoded.message)
  return decoded.message
}

export const inferencesIn = (body: RecordBody): number =>
  body.kind === 'window' ? body.counts.ok + body.counts.error + body.counts.refused : 0

export type Sums = { inferences: number; windows: number; events: string[]; gapRecords: number; gapInferences: number }

/** What the records stand for, added up. */
export function sumsOf(records: readonly ReadRecord[]): Sums {
  const sums: Sums = { inferences: 0, windows: 0, events: [], gapRecords: 0, gapInferences: 0 }
  for (const body of records.map(bodyOf)) {
    sums.inferences += inferencesIn(body)
    if (body.kind === 'window') sums.windows += body.windows
    else if (body.kind === 'gap') {
      sums.gapRecords += body.records
      sums.gapInferences += body.inferences
    } else if ('detail' in body && body.detail !== undefined) sums.events.push(body.detail)
  }
  return sums
}
