// The primary's side of a shadow: draws inferences, keeps what the shadow needs of them, hands it over in batches when
// the shadow asks for more. The primary never waits for it: what there is no room for is dropped and counted.

import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import { isPositive } from '../monitor/recorder.ts'
import type { Tensors } from '../session.ts'
import { createDraw } from './draw.ts'
import {
  type Answer,
  type Batch,
  batchBytesMax,
  batchEntriesMax,
  bytesOf,
  type Cell,
  type Entry,
  entryBytesMax,
  sentTensors,
  type TapSpec,
} from './pairs.ts'

/** What waits for the shadow: entries of any kind, those among them that it shall repeat, and their bytes, about. Drawn
 *  ones run out of room first: losing one costs a comparison, losing a record costs all until the windows are full anew. */
export const waitingMax = 4096
export const waitingDrawnMax = 256
export const waitingBytesMax = 8_388_608
/** What has come goes after this time at the latest; serialising a few entries together costs the primary least. */
const lingerMs = 25
const recordBytes = 64
const lateLabelBytes = 16
/** Inputs that a tap numbers before it uses the numbers of another one: more than are remembered anywhere. */
const pairsPerTap = 2 ** 20

/** Tells the true answer when it becomes known later. */
export type LabelLater = (label: boolean) => void
/** Tells the outcome of an inference that was drawn; `outputs` undefined where it failed.
 *  @returns what takes its label, where one could be of use and is not there yet */
export type Outcome = (outputs: Tensors | undefined, label?: boolean) => LabelLater | undefined

export type Tap = {
  /** A record that entered the primary's own windows, in this order, and the tensors it became. */
  record: (record: Record<string, unknown>, feeds: Tensors) => Outcome | undefined
  /** Tensors that came as such. */
  tensors: (feeds: Tensors) => Outcome | undefined
  /** The shadow is done with what it got. */
  more: () => void
  close: () => void
}

/** `gone`: given up before its outcome was known. */
type Waiting = { entry: Entry; bytes: number; drawn: boolean; ready: boolean; gone: boolean }

export function createTap(
  spec: TapSpec,
  bundle: { digest: string; manifest: Pick<Manifest, 'task'> },
  context: { send: (batch: Batch) => void; seed: number },
): Tap {
  const { deployment, records, tensors } = spec
  const { task } = bundle.manifest
  const draw = createDraw(spec.sample, context.seed)
  let waiting: Waiting[] = []
  let drawnWaiting = 0
  let bytesWaiting = 0
  let dropped = 0
  let gap = true
  let wanted = true
  // not those of the tap before, whose inputs the shadow may remember
  let pairs = context.seed * pairsPerTap
  let closed = false
  let timer: NodeJS.Timeout | undefined
  let isHurried = false

  function admit(entry: Entry, drawn: boolean, bytes: number): Outcome | undefined {
    if (waiting.length >= waitingMax || bytesWaiting + bytes > waitingBytesMax) {
      if (drawn) dropped += 1
      if (entry.record !== undefined) gap = lose()
      return undefined
    }
    const one: Waiting = { entry, bytes, drawn, ready: !drawn, gone: false }
    waiting.push(one)
    bytesWaiting += bytes
    if (drawn) drawnWaiting += 1
    flushSoon()
    return drawn ? (outputs, label) => settle(one, outputs, label) : undefined
  }

  /** A record is missing: those before it are of no use any more. */
  function lose(): true {
    dropped += drawnWaiting
    for (const one of waiting) one.gone = true
    waiting = []
    drawnWaiting = bytesWaiting = 0
    return true
  }

  function settle(one: Waiting, outputs: Tensors | undefined, label: boolean | undefined): LabelLater | undefined {
    if (one.gone) return undefined
    const answer: Answer = { ...(label !== undefined && { label }) }
    if (outputs !== undefined) {
      answer.outputs = sentTensors(outputs)
      if (task !== undefined) {
        answer.positive = isPositive(outputs, task)
        if (label === undefined) answer.pair = pairs++
      }
      const bytes = bytesOf(answer.outputs)
      one.bytes += bytes
      bytesWaiting += bytes
    }
    one.entry.answer = answer
    one.ready = true
    flushSoon()
    return answer.pair === undefined ? undefined : labelLater(answer.pair)
  }

  /** Goes the way of the inputs, so that it comes after its own. Kept for long: holds on to nothing of the input. */
  function labelLater(pair: number): LabelLater {
    return (label) => {
      if (closed || waiting.length >= waitingMax) return
      waiting.push({ entry: { late: { pair, label } }, bytes: lateLabelBytes, drawn: false, ready: true, gone: false })
      bytesWaiting += lateLabelBytes
      flushSoon()
    }
  }

  function isDrawn(): boolean {
    if (!draw()) return false
    if (drawnWaiting < waitingDrawnMax) return true
    dropped += 1
    return false
  }

  function flushSoon(): void {
    if (closed || !wanted || waiting.length === 0) return
    const isFull = waiting.length >= batchEntriesMax
    if (timer !== undefined && (isHurried || !isFull)) return
    clearTimeout(timer)
    isHurried = isFull
    timer = setTimeout(flush, isFull ? 0 : lingerMs)
  }

  function flush(): void {
    timer = undefined
    isHurried = false
    const entries: Entry[] = []
    let bytes = 0
    while (entries.length < batchEntriesMax && bytes < batchBytesMax) {
      const next = waiting[entries.length]
      if (next?.ready !== true) break
      entries.push(next.entry)
      bytes += next.bytes
      if (next.drawn) drawnWaiting -= 1
    }
    if (entries.length === 0) return
    waiting = waiting.slice(entries.length)
    bytesWaiting -= bytes
    context.send({ deployment, primary: bundle.digest, fields: records ?? [], gap, dropped, entries })
    wanted = gap = false
    dropped = 0
  }

  function tensorsOf(feeds: Tensors, copied: boolean): Outcome | undefined {
    if (!tensors || !isDrawn()) return undefined
    const sent = sentTensors(feeds)
    const bytes = bytesOf(sent)
    if (bytes > entryBytesMax) {
      dropped += 1
      return undefined
    }
    return admit({ feeds: copied ? structuredClone(sent) : sent }, true, bytes)
  }

  return {
    record(record, feeds) {
      if (records === undefined) return tensorsOf(feeds, true)
      const drawn = isDrawn()
      return admit({ record: project(record, records) }, drawn, records.length * recordBytes)
    },
    tensors: (feeds) => tensorsOf(feeds, false),
    more() {
      wanted = true
      flushSoon()
    },
    close() {
      closed = true
      waiting = []
      clearTimeout(timer)
    },
  }
}

/** What the candidate's features read of a record. Values are as they came; what no feature can read is missing. */
const project = (record: Record<string, unknown>, fields: readonly string[]): Cell[] =>
  fields.map((field) => cellOf(Object.hasOwn(record, field) ? record[field] : null))

/** Longer than any text that a key, a number or a time may be (shared/features/reading.ts). */
const textLengthMax = 256

function cellOf(value: unknown): Cell {
  if (typeof value === 'string') return value.length <= textLengthMax ? value : null
  return typeof value === 'number' || typeof value === 'boolean' ? value : null
}
