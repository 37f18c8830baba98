// What a download asks for next, and when it gives up on a way. Pure: no clock, no link.
// Chunks are broadcast, so what others asked for counts as well, and a device asks from where the broadcast is, round
// to what it missed: late ones then do not make the hub begin anew for each of them.

import { chunksWantedMax } from '@roost/shared/protocol/messages.ts'

/** Chunks asked for and not come: the window starts here, opens with what comes, closes when nothing does. */
export const windowFirst = 16
export const windowMin = 4

export type WantTimes = {
  /** A download of more than one window listens so long first, to find out where a broadcast is. */
  listenMs: number
  /** Silence after which what was asked for is given up as lost and asked for again; doubled at every repeat. */
  silenceMs: number
  silenceMaxMs: number
  /** Repeats in a row that brought nothing: the way is given up. */
  silentAsksMax: number
}

/** A hub gathers wants for up to two seconds, so silence begins to mean something after twice that; asking while it is
 *  still telling others (ten seconds at most) costs a message.
 *  Gives up after 4 + 8 + 16 + 30 + 30 s. */
export const wantTimes: WantTimes = { listenMs: 300, silenceMs: 4_000, silenceMaxMs: 30_000, silentAsksMax: 4 }

/** Where a download stands. `missing` is the caller's, and shrinks as chunks come; times are monotonic ms. */
export type Wants = {
  readonly missing: ReadonlySet<number>
  readonly chunkCount: number
  readonly outstanding: Set<number>
  window: number
  /** The chunk after the one that came last. */
  position: number
  listening: boolean
  /** Since when nothing new came and nothing was asked for. */
  silentSinceMs: number
  silentAsks: number
}

export function beginWants(missing: ReadonlySet<number>, chunkCount: number, nowMs: number): Wants {
  return {
    missing,
    chunkCount,
    outstanding: new Set(),
    window: windowFirst,
    position: 0,
    listening: missing.size > chunksWantedMax,
    silentSinceMs: nowMs,
    silentAsks: 0,
  }
}

export type WantDecision =
  /** `repeat`: what was asked for before is given up as lost. */
  | { kind: 'ask'; indices: number[]; repeat: boolean }
  /** Look again when a chunk came, at the latest after this. */
  | { kind: 'wait'; waitMs: number }
  | { kind: 'stalled' }
  | { kind: 'done' }

/** What to do now. After an `ask` call `noteAsked`, whether or not the message could be sent. */
export function decideWant(wants: Wants, nowMs: number, times: WantTimes): WantDecision {
  if (wants.missing.size === 0) return { kind: 'done' }
  const silentForMs = nowMs - wants.silentSinceMs
  if (wants.listening && silentForMs < times.listenMs) return { kind: 'wait', waitMs: times.listenMs - silentForMs }
  const patienceMs = Math.min(times.silenceMs * 2 ** wants.silentAsks, times.silenceMaxMs)
  if (wants.outstanding.size > 0 && silentForMs >= patienceMs) {
    if (wants.silentAsks >= times.silentAsksMax) return { kind: 'stalled' }
    return { kind: 'ask', indices: nextMissing(wants, new Set(), narrowed(wants.window)), repeat: true }
  }
  const room = wants.window - wants.outstanding.size
  // Half a window at a time: one message for many chunks, and always some under way.
  const indices = room >= wants.window / 2 ? nextMissing(wants, wants.outstanding, room) : []
  return indices.length > 0
    ? { kind: 'ask', indices, repeat: false }
    : { kind: 'wait', waitMs: patienceMs - silentForMs }
}

/** What `decideWant` said was asked for. */
export function noteAsked(
  wants: Wants,
  { indices, repeat }: { indices: number[]; repeat: boolean },
  nowMs: number,
): void {
  if (repeat) {
    wants.outstanding.clear()
    wants.window = narrowed(wants.window)
    wants.silentAsks++
  }
  for (const index of indices) wants.outstanding.add(index)
  wants.listening = false
  wants.silentSinceMs = nowMs
}

/** A chunk that was missing is on disk, whoever asked for it. */
export function noteChunk(wants: Wants, index: number, nowMs: number): void {
  if (wants.outstanding.delete(index)) wants.window = Math.min(wants.window + 1, chunksWantedMax)
  wants.position = (index + 1) % wants.chunkCount
  wants.silentSinceMs = nowMs
  wants.silentAsks = 0
}

/** The link is down: what is under way is lost, perhaps because it was too much, and the time counts as no silence. */
export function notePause(wants: Wants, nowMs: number): void {
  if (wants.outstanding.size > 0) wants.window = narrowed(wants.window)
  wants.outstanding.clear()
  wants.silentSinceMs = nowMs
}

const narrowed = (window: number): number => Math.max(windowMin, Math.floor(window / 2))

function nextMissing(wants: Wants, except: ReadonlySet<number>, count: number): number[] {
  const indices: number[] = []
  for (let step = 0; step < wants.chunkCount && indices.length < count; step++) {
    const index = (wants.position + step) % wants.chunkCount
    if (wants.missing.has(index) && !except.has(index)) indices.push(index)
  }
  return indices
}
