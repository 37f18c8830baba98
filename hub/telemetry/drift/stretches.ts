// Windows of many devices in one order of time, though each has its own clock: a wrong one must not hide the others.

import type { StoredWindow } from '../windows.ts'

/** Windows of several devices are pooled into at most this many stretches of time. */
const stretchesMax = 100

/** A window with its time as the hub believes it. */
export type PlacedWindow = StoredWindow & { fromMs: number; toMs: number }

/** Windows in order of time. A window cannot end after it was received, nor begin before its bundle was made: where one
 *  claims so the clock is wrong, and the run of windows that this clock counted is moved to end when it was received.
 *  @param madeMs when the bundle was made, hub clock */
export function placeInTime<W extends StoredWindow>(windows: readonly W[], madeMs: number): (W & PlacedWindow)[] {
  const sources = Map.groupBy(windows, ({ device, report }) => `${device}/${report.deployment}`)
  return [...sources.values()]
    .flatMap((ofSource) => runsOf(ofSource, madeMs))
    .flatMap((run) => placeRun(run, madeMs))
    .sort((a, b) => a.fromMs - b.fromMs || a.id - b.id)
}

const isPossible = ({ report, receivedAt }: StoredWindow, madeMs: number) =>
  madeMs <= report.from && report.from <= report.to && report.to <= receivedAt

/** As recorded, cut where the clock was set back, or came right or wrong. */
function runsOf<W extends StoredWindow>(windows: readonly W[], madeMs: number): W[][] {
  const runs: W[][] = []
  let last: W | undefined
  for (const window of windows.toSorted((a, b) => a.id - b.id)) {
    const goesOn =
      last !== undefined &&
      window.report.from >= last.report.to &&
      isPossible(window, madeMs) === isPossible(last, madeMs)
    if (goesOn) runs.at(-1)?.push(window)
    else runs.push([window])
    last = window
  }
  return runs
}

function placeRun<W extends StoredWindow>(run: readonly W[], madeMs: number): (W & PlacedWindow)[] {
  if (run.every((window) => isPossible(window, madeMs))) {
    return run.map((window) => ({ ...window, fromMs: window.report.from, toMs: window.report.to }))
  }
  const shiftMs = run.reduce((least, { receivedAt, report }) => Math.min(least, receivedAt - report.to), Infinity)
  return run.map((window) => {
    // However long a window says that it was, it began after the bundle was made.
    const place = (ms: number) => Math.min(Math.max(ms + shiftMs, madeMs), window.receivedAt)
    return { ...window, fromMs: place(window.report.from), toMs: place(window.report.to) }
  })
}

/** One device's windows each for itself; those of several devices in stretches of equally many windows, about as many
 *  stretches as one device has windows. Stretches of equal length would all go to a clock that is wrong by a year. */
export function cutStretches<W extends { device: string }>(inTime: readonly W[]): W[][] {
  const byDevice = [...Map.groupBy(inTime, ({ device }) => device).values()]
  if (byDevice.length <= 1) return inTime.map((window) => [window])
  const count = Math.min(stretchesMax, Math.max(...byDevice.map((windows) => windows.length)))
  return [...Map.groupBy(inTime.entries(), ([i]) => Math.floor((i * count) / inTime.length)).values()].map((entries) =>
    entries.map(([, window]) => window),
  )
}
