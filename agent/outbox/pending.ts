// Records that wait in memory for the disk. Usually for 200 ms; while the disk is full or failing, for as long as that
// takes: then windows merge, so that memory stays bounded and nothing is lost while the process lives. Pure.

import type { RecordBody, WindowReport } from '@roost/shared/protocol/records.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { gapOf, mergeBodies, mergePairs } from './compaction.ts'
import { encodedBytes, idsMax } from './record.ts'
import { windowId } from './window-id.ts'

export type Waiting = { resolve(seq: number): void; reject(error: Error): void }

export type PendingRecord = {
  content: RecordBody
  body: Uint8Array
  ids: readonly string[]
  windows: number
  /** Everyone who appended something that is in here. */
  waiting: readonly Waiting[]
}

/** undefined for an event longer than `bodyBytesMax`. A window that is too long goes without its columns and its
 *  verdict: counts, latency and labels are always kept. */
export function pendingRecord(
  content: RecordBody,
  bodyBytesMax: number,
  waiting: readonly Waiting[],
): PendingRecord | undefined {
  const record = (fitting: RecordBody, body: Uint8Array) => ({
    content: fitting,
    body,
    ids: content.kind === 'window' ? [windowId(content)] : [],
    windows: content.kind === 'window' ? content.windows : 0,
    waiting,
  })
  const body = encode(content)
  if (body.length <= bodyBytesMax) return record(content, body)
  if (content.kind !== 'window') return undefined
  const bare = withoutColumns(content)
  return record(bare, encode(bare))
}

function withoutColumns({ drift: _, ...window }: WindowReport): WindowReport {
  return { ...window, features: {}, outputs: {} }
}

export const pendingBytes = (records: readonly PendingRecord[]): number =>
  records.reduce((sum, record) => sum + encodedBytes(record), 0)

/** Makes the waiting records fit into `bytesMax` (none of them longer than `bodyBytesMax`): merges neighbouring windows as often as it helps, then gives up the
 *  oldest windows for one gap record. `lost` are those who waited for what was given up. Events stay: where they alone
 *  are too much, the result is still too long. */
export function squeeze(
  records: readonly PendingRecord[],
  bytesMax: number,
  bodyBytesMax: number,
  nowMs: number,
): { kept: PendingRecord[]; lost: Waiting[] } {
  let kept = [...records]
  const mergePending = mergingUpTo(bodyBytesMax)
  while (pendingBytes(kept) > bytesMax) {
    const merged = mergePairs(kept, mergePending)
    if (merged.length === kept.length) break
    kept = merged
  }
  return pendingBytes(kept) > bytesMax ? giveUpOldest(kept, bytesMax, mergePending, nowMs) : { kept, lost: [] }
}

type Merge = (a: PendingRecord, b: PendingRecord) => PendingRecord | undefined

const mergingUpTo =
  (bodyBytesMax: number): Merge =>
  (a, b) => {
    // every window must stay recognisable by its id
    if (a.ids.length + b.ids.length > idsMax) return undefined
    const content = mergeBodies(a.content, b.content)
    if (content === undefined) return undefined
    const body = encode(content)
    if (body.length > bodyBytesMax) return undefined
    const ids = [...a.ids, ...b.ids]
    return { content, body, ids, windows: a.windows + b.windows, waiting: [...a.waiting, ...b.waiting] }
  }

function giveUpOldest(records: readonly PendingRecord[], bytesMax: number, merge: Merge, nowMs: number) {
  const lost: Waiting[] = []
  let excessBytes = pendingBytes(records) - bytesMax
  const kept = records.map((record) => {
    if (excessBytes <= 0 || record.content.kind !== 'window') return record
    const gap = gapOf(record.content, nowMs)
    const body = encode(gap)
    excessBytes -= record.body.length - body.length
    lost.push(...record.waiting)
    return { content: gap, body, ids: [], windows: 0, waiting: [] }
  })
  return { kept: lost.length === 0 ? kept : mergeAllGaps(kept, merge), lost }
}

function mergeAllGaps(records: readonly PendingRecord[], merge: Merge): PendingRecord[] {
  let kept = [...records]
  for (;;) {
    const merged = mergePairs(kept, (a, b) => (a.content.kind === 'gap' ? merge(a, b) : undefined))
    if (merged.length === kept.length) return kept
    kept = merged
  }
}
