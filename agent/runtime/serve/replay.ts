// Recorded sensor rows as a source: each row of a file goes once through the feature pipeline of one deployment,
// as fast as it answers or at the pace it was recorded. Positions count rows over all rounds of the file and belong
// to the control process: a runtime that takes over goes on where the last one stopped.

import { readTimeMs } from '@roost/shared/features/reading.ts'
import type { ReplaySource } from '../messages.ts'
import type { Row } from './rows.ts'

/** Takes one row; calls `counted` in the same breath as it counts the row. */
export type FeedRow = (row: Row, counted: () => void) => Promise<unknown>

export type ReplayOptions = {
  source: ReplaySource
  rows: readonly Row[]
  feed: FeedRow
  /** Takes a row into the feature windows without an inference. */
  warm: (row: Row) => void
  /** Field with the time of a row, for the recorded pace. */
  timeField: string | undefined
  /** Milliseconds, steady. */
  clock: () => number
}

export type Replay = {
  /** Goes on from `position`; at the end of a file that does not repeat it rests. */
  start: (position: number) => void
  /** Resolves when no row is on its way any more. */
  pause: () => Promise<void>
  /** Rows counted so far. */
  position: () => number
}

/** Rows after which other work of the process gets its turn, even if none of them reached the model. */
const rowsPerTurn = 32

/** A longer break in the recording is waited for no longer than this. */
const breakMsMax = 3_600_000

export function createReplay(options: ReplayOptions): Replay {
  const { source, rows, feed, clock } = options
  let position = 0
  /** Rows before this one are in the windows of the features, or too old for them. */
  let warmed = 0
  let running: { stop: AbortController; done: Promise<void> } | undefined

  function rowAt(index: number): Row | undefined {
    return source.repeat || index < rows.length ? rows[index % rows.length] : undefined
  }

  /** The windows of the features are what they would be if this runtime had seen the rows before: what it has not seen
   *  of them since, as much as the file is long. */
  async function warmUp(stop: AbortSignal): Promise<void> {
    while (warmed < position && !stop.aborted) {
      const row = rowAt(warmed)
      if (row !== undefined) options.warm(row)
      warmed += 1
      if (warmed % rowsPerTurn === 0) await nextTurn()
    }
  }

  async function run(stop: AbortSignal): Promise<void> {
    await warmUp(stop)
    let dueMs = clock()
    let last: Row | undefined
    for (let row = rowAt(position); row !== undefined && !stop.aborted; row = rowAt(position)) {
      dueMs += last === undefined ? 0 : gapMs(last, row)
      await sleepUntil(dueMs, clock, stop)
      if (position % rowsPerTurn === 0) await nextTurn()
      if (stop.aborted) return
      await feed(row, () => {
        position += 1
        warmed = position
      })
      last = row
    }
  }

  function gapMs(before: Row, row: Row): number {
    const { pace } = source
    if (pace.kind === 'unpaced') return 0
    if (pace.kind === 'every') return pace.intervalMs
    const field = options.timeField
    const elapsedMs = field === undefined ? Number.NaN : readTimeMs(row[field]) - readTimeMs(before[field])
    // Time goes back where the file starts over or tells of another sensor: no break there.
    return elapsedMs > 0 ? Math.min(elapsedMs / pace.speed, breakMsMax) : 0
  }

  return {
    position: () => position,
    start(from) {
      if (running !== undefined) return
      position = from
      warmed = Math.max(warmed, from - rows.length)
      const stop = new AbortController()
      running = { stop, done: run(stop.signal) }
    },
    async pause() {
      const stopping = running
      running = undefined
      stopping?.stop.abort()
      await stopping?.done
    },
  }
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

function sleepUntil(dueMs: number, clock: () => number, stop: AbortSignal): Promise<void> | undefined {
  const waitMs = dueMs - clock()
  // Timers have whole milliseconds; what is due within the next one is done at once.
  if (waitMs < 1) return undefined
  return new Promise((resolve) => {
    const timer = setTimeout(finish, waitMs)
    function finish() {
      clearTimeout(timer)
      stop.removeEventListener('abort', finish)
      resolve()
    }
    stop.addEventListener('abort', finish)
  })
}
