// What gives way when the outbox is full: resolution, not counts. Neighbouring windows of one deployment become one
// coarser window, oldest first; events are never touched; only when nothing can be merged any more are the oldest
// windows given up, and gap records say how many inferences that were. Pure.

import { type Gap, RecordBody, type WindowReport } from '@roost/shared/protocol/records.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import { canMergeWindows, mergeWindows } from '@roost/shared/sketch/window.ts'
import { gapRecord } from './holes.ts'
import type { StoredRecord } from './record.ts'

/** What the choice needs to know of a segment. */
export type SegmentSummary = {
  /** Sequences after … last are in it. */
  after: number
  last: number
  sizeBytes: number
  /** Windows before any merging, and records that hold them. */
  windows: number
  windowRecords: number
  /** Merging was tried and freed next to nothing. */
  spent: boolean
}

export type Limits = {
  /** The hub may hold records up to here, in these very cuts: they must stay as they are. */
  shipped: number
  /** Records after this may have to be told from an open window by their id: they must stay as they are. */
  held: number
}

/** The segment whose windows shall be merged next, by index; undefined where none can be. How coarse a segment has
 *  become is weighed with its age, so that resolution fades in proportion to age and the newest windows stay fine. */
export function chooseToHalve(segments: readonly SegmentSummary[], { shipped, held }: Limits): number | undefined {
  let best: { index: number; weight: number } | undefined
  for (const [index, { after, last, windows, windowRecords, spent }] of segments.entries()) {
    if (spent || after < shipped || last > held || last <= after) continue
    const weight = (windows / Math.max(1, windowRecords)) * (index + 1)
    if (best === undefined || weight < best.weight) best = { index, weight }
  }
  return best?.index
}

/** The first of two neighbours that fit into one segment of `sizeBytesMax`; undefined where none do. */
export function chooseToJoin(segments: readonly SegmentSummary[], sizeBytesMax: number): number | undefined {
  const index = segments.findIndex((segment, i) => {
    const next = segments[i + 1]
    return next !== undefined && segment.sizeBytes + next.sizeBytes <= sizeBytesMax
  })
  return index < 0 ? undefined : index
}

/** The oldest segment, from index `from` on, that still holds windows. */
export function chooseToGiveUp(
  segments: readonly SegmentSummary[],
  { held }: Limits,
  from: number,
): number | undefined {
  const index = segments.findIndex(({ windowRecords, last }, i) => i >= from && windowRecords > 0 && last <= held)
  return index < 0 ? undefined : index
}

/** The records that take the place of `records`: every window merged with the next of its kind, where there is one and
 *  both fit into `bodyBytesMax`.
 *  A merged record stands where its first part stood, and sequences are dealt out anew without a hole, so that for
 *  every sequence ever promised: once the hub confirms it, it holds what was promised under it. None of `records` may
 *  have been shipped. */
export function mergeNeighbours(records: readonly StoredRecord[], bodyBytesMax: number): StoredRecord[] {
  const merged = mergePairs(
    records.map((record) => ({ ...record, content: contentOf(record) })),
    (a, b) => {
      const content = mergeBodies(a.content, b.content)
      if (content === undefined) return undefined
      const body = encode(content)
      if (body.length > bodyBytesMax) return undefined
      return { ...a, seq: b.seq, windows: a.windows + b.windows, ids: [], body, content }
    },
  )
  const last = records.at(-1)?.seq ?? 0
  return merged.map(({ from, windows, ids, body }, i) => ({
    seq: (merged[i + 1]?.from ?? last + 1) - 1,
    from,
    windows,
    ids,
    body,
  }))
}

/** `records` with a gap record in the place of each window. */
export function giveUpWindows(records: readonly StoredRecord[], nowMs: number): StoredRecord[] {
  return records.map((record) => {
    const content = contentOf(record)
    return content?.kind === 'window' ? gapRecord(record.from, record.seq, gapOf(content, nowMs)) : record
  })
}

/** What is left of a window that had to be given up. */
export function gapOf({ windows, counts }: WindowReport, nowMs: number): Gap {
  const inferences = counts.ok + counts.error + counts.refused
  return { kind: 'gap', at: nowMs, reason: 'outbox_full', records: windows, inferences }
}

/** One pass over `items` that merges each with the next it can be merged with, at the place of the first. `merge` says
 *  undefined for two that stay apart. */
export function mergePairs<T extends { content: RecordBody | undefined }>(
  items: readonly T[],
  merge: (a: T, b: T) => T | undefined,
): T[] {
  const result: T[] = []
  const single = new Map<string, number>()
  for (const item of items) {
    const kind = kindOf(item.content)
    const index = kind === undefined ? undefined : single.get(kind)
    const partner = index === undefined ? undefined : result[index]
    const merged = partner === undefined ? undefined : merge(partner, item)
    if (kind !== undefined && index !== undefined && merged !== undefined) {
      result[index] = merged
      single.delete(kind)
    } else {
      result.push(item)
      if (kind !== undefined) single.set(kind, result.length - 1)
    }
  }
  return result
}

/** Both in one; undefined where they have to stay apart. */
export function mergeBodies(a: RecordBody | undefined, b: RecordBody | undefined): RecordBody | undefined {
  if (a?.kind === 'window' && b?.kind === 'window') return canMergeWindows(a, b) ? mergeWindows(a, b) : undefined
  if (a?.kind === 'gap' && b?.kind === 'gap' && a.reason === b.reason) {
    return { ...b, records: a.records + b.records, inferences: a.inferences + b.inferences }
  }
  return undefined
}

/** Only records of the same kind are compared for merging; undefined for what is never merged. */
function kindOf(content: RecordBody | undefined): string | undefined {
  if (content?.kind === 'gap') return `gap/${content.reason}`
  if (content?.kind !== 'window') return undefined
  return ['window', content.deployment, content.role, content.manifest, content.generation].join('/')
}

/** undefined for a record of another version of this agent that we cannot read: it is kept and shipped as it is. */
function contentOf({ body }: StoredRecord): RecordBody | undefined {
  const decoded = decode(RecordBody, body)
  return decoded.ok ? decoded.message : undefined
}
