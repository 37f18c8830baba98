// Cuts the rows of a training sample into windows as a device would have cut them:
// each a stretch of one device's rows in their order, told apart by part of the day where that can matter.

import type { WindowSpec } from './baseline.ts'

export type Cut = {
  /** Row indices of each window; neighbours in this list are neighbours in time, but for the seams between groups. */
  windows: Uint32Array[]
  phases: number
  windowPhases: number[]
}

type Rows = { times?: Float64Array; groups?: ArrayLike<number>; window: WindowSpec }

/** Without a number of rows and without times nothing says how long a window is: forty of them then, of at least 25 rows. */
const windowsByDefault = 40
const rowsByDefaultMin = 25

const dayMs = 86_400_000
/** Parts of the day to choose from: all divide it evenly. */
const phaseChoices = [24, 12, 8, 6, 4, 3, 2]
const phaseWindowsMin = 12
const phaseDaysMin = 3
const goldenRatio = (Math.sqrt(5) - 1) / 2

/** Windows end at `window.rows` rows, or `window.seconds` after their first row where there are times. What is left at the
 *  end of a stretch counts as a window when it has at least half the rows of the one before. Beyond `windowsMax` windows, runs
 *  of twenty neighbours spread evenly over all are kept: a window keeps its length and its neighbours, which merging would take. */
export function cutWindows(rowCount: number, rows: Rows, windowsMax: number): Cut {
  const rowsMax = rows.window.rows ?? (rows.times === undefined ? rowsByDefault(rowCount) : rowCount)
  const all = stretchesOf(rowCount, rows).flatMap((stretch) => cutStretch(stretch, rowsMax, rows))
  const windows = spread(all, windowsMax)
  return { windows, ...tellPhases(windows, rows.times) }
}

/** The part of the day (UTC) that a moment falls into. */
export function phaseOf(atMs: number, phases: number): number {
  const ofDay = (((atMs % dayMs) + dayMs) % dayMs) / dayMs
  return Math.min(phases - 1, Math.floor(ofDay * phases))
}

function rowsByDefault(rowCount: number): number {
  return Math.max(rowsByDefaultMin, Math.ceil(rowCount / windowsByDefault))
}

/** Rows of each group, in their order; groups in order of their first row. */
function stretchesOf(rowCount: number, { groups }: Rows): number[][] {
  const all = Array.from({ length: rowCount }, (_, row) => row)
  return groups === undefined ? [all] : [...Map.groupBy(all, (row) => groups[row] ?? 0).values()]
}

function cutStretch(stretch: readonly number[], rowsMax: number, { times, window }: Rows): Uint32Array[] {
  const windows: Uint32Array[] = []
  let start = 0
  for (let end = 1; end <= stretch.length; end++) {
    const full = end - start >= rowsMax
    const late = times !== undefined && elapsedMs(times, stretch[start], stretch[end]) >= window.seconds * 1000
    if (!full && !late) continue
    windows.push(Uint32Array.from(stretch.slice(start, end)))
    start = end
  }
  const rest = Uint32Array.from(stretch.slice(start))
  const before = windows.at(-1)?.length ?? window.rows ?? 0
  return rest.length > 0 && rest.length * 2 >= before ? [...windows, rest] : windows
}

function elapsedMs(times: Float64Array, from: number | undefined, to: number | undefined): number {
  return (times[to ?? -1] ?? Number.NaN) - (times[from ?? -1] ?? Number.NaN)
}

/** Every window where there are few enough; else a run of neighbours out of each of equal parts. Where in its part a run lies
 *  goes by the golden ratio: equal steps could meet the same hours of every day. */
function spread(windows: Uint32Array[], windowsMax: number): Uint32Array[] {
  if (windows.length <= windowsMax) return windows
  const runLength = Math.min(20, windowsMax)
  const runs = Math.floor(windowsMax / runLength)
  const room = windows.length / runs - runLength
  return Array.from({ length: runs }, (_, run) => {
    const start = Math.floor((run * windows.length) / runs + room * ((run * goldenRatio) % 1))
    return windows.slice(start, start + runLength)
  }).flat()
}

/** As many parts of the day as there are windows for: at least twelve each, of three days or more, none shorter than a window. */
function tellPhases(windows: readonly Uint32Array[], times: Float64Array | undefined) {
  const whole = { phases: 1, windowPhases: windows.map(() => 0) }
  if (times === undefined) return whole
  const starts = windows.map((window) => times[window[0] ?? -1] ?? Number.NaN)
  const lengths = windows.map((window) => elapsedMs(times, window[0], window.at(-1))).sort((a, b) => a - b)
  const lengthMs = lengths[lengths.length >> 1] ?? dayMs
  if (starts.some(Number.isNaN)) return whole
  for (const phases of phaseChoices) {
    if (lengthMs * phases > dayMs) continue
    const windowPhases = starts.map((start) => phaseOf(start, phases))
    const parts = Map.groupBy(starts, (start) => phaseOf(start, phases))
    const enough = [...parts.values()].every(
      (part) =>
        part.length >= phaseWindowsMin && new Set(part.map((start) => Math.floor(start / dayMs))).size >= phaseDaysMin,
    )
    if (parts.size === phases && enough) return { phases, windowPhases }
  }
  return whole
}
