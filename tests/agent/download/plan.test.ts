// What a download asks for, on a virtual clock: alone, and many together on one broadcast.

import {
  beginWants,
  decideWant,
  noteAsked,
  noteChunk,
  notePause,
  type Wants,
  type WantTimes,
  wantTimes,
  windowFirst,
  windowMin,
} from '@roost/agent/download/plan.ts'
import { chunksWantedMax } from '@roost/shared/protocol/messages.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seeded } from './builders.ts'

const times: WantTimes = { listenMs: 300, silenceMs: 4_000, silenceMaxMs: 30_000, silentAsksMax: 4 }
const allOf = (count: number) => new Set(Array.from({ length: count }, (_, index) => index))

/** What is asked for now; undefined if nothing is. Notes it. */
function askNow(wants: Wants, nowMs: number): number[] | undefined {
  const decision = decideWant(wants, nowMs, times)
  if (decision.kind !== 'ask') return undefined
  noteAsked(wants, decision, nowMs)
  return decision.indices
}

describe('alone', () => {
  test('a small blob is asked for at once, a large one after listening', () => {
    expect(askNow(beginWants(allOf(3), 3, 0), 0)).toEqual([0, 1, 2])
    const large = beginWants(allOf(1000), 1000, 0)
    expect(decideWant(large, 0, times)).toEqual({ kind: 'wait', waitMs: 300 })
    expect(askNow(large, 300)).toEqual([...allOf(windowFirst)])
  })

  test('half a window at a time, and the window opens with what comes, up to what one want may hold', () => {
    const missing = allOf(1000)
    const wants = beginWants(missing, 1000, 0)
    const asked = new Set(askNow(wants, 300))
    for (let index = 0; index < 600; index++) {
      expect(asked.has(index)).toBe(true)
      missing.delete(index)
      noteChunk(wants, index, 300)
      const more = askNow(wants, 300) ?? []
      expect(more.length === 0 || more.length >= wants.window / 2).toBe(true)
      for (const one of more) {
        expect(asked.has(one)).toBe(false)
        asked.add(one)
      }
      expect(wants.outstanding.size).toBeLessThanOrEqual(chunksWantedMax)
    }
    expect(wants.window).toBe(chunksWantedMax)
  })

  test('silence: asks again, for less, waits longer, and gives up in the end', () => {
    const wants = beginWants(allOf(20), 20, 0)
    askNow(wants, 0)
    const askedAt: number[] = []
    const asked: number[] = []
    let now = 0
    for (;;) {
      const decision = decideWant(wants, now, times)
      if (decision.kind === 'stalled') break
      if (decision.kind === 'wait') now += decision.waitMs
      else if (decision.kind === 'ask') {
        noteAsked(wants, decision, now)
        askedAt.push(now)
        asked.push(decision.indices.length)
      }
    }
    expect(askedAt).toEqual([4_000, 12_000, 28_000, 58_000])
    expect(asked).toEqual([8, 4, 4, 4])
    expect(now).toBe(88_000)
  })

  test('one chunk that comes ends the silence', () => {
    const missing = allOf(20)
    const wants = beginWants(missing, 20, 0)
    askNow(wants, 0)
    askNow(wants, 4_000)
    missing.delete(0)
    noteChunk(wants, 0, 5_000)
    expect(wants.silentAsks).toBe(0)
    expect(decideWant(wants, 8_000, times).kind).not.toBe('stalled')
  })

  test('a link that was down is no silence, and nothing of what was under way is waited for', () => {
    const wants = beginWants(allOf(20), 20, 0)
    askNow(wants, 0)
    notePause(wants, 1_000_000)
    notePause(wants, 9_000_000)
    expect(wants).toMatchObject({ silentAsks: 0, window: windowFirst / 2 })
    expect(askNow(wants, 9_000_001)?.length).toBe(windowFirst / 2)
  })

  test('whatever happens: only what is missing is asked for, at most a window of it, and the plan never hangs', () => {
    const event = fc.oneof(
      fc.record({ kind: fc.constant('chunk' as const), index: fc.nat(99) }),
      fc.record({ kind: fc.constant('time' as const), ms: fc.nat(40_000) }),
      fc.record({ kind: fc.constant('pause' as const) }),
    )
    const property = fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.array(event, { maxLength: 200 }),
      (count, events) => {
        const missing = allOf(count)
        const wants = beginWants(missing, count, 0)
        let now = 0
        for (const what of events) {
          if (what.kind === 'time') now += what.ms
          if (what.kind === 'pause') notePause(wants, now)
          if (what.kind === 'chunk' && missing.delete(what.index)) noteChunk(wants, what.index, now)
          const decision = decideWant(wants, now, times)
          if (decision.kind === 'done') expect(missing.size).toBe(0)
          if (decision.kind === 'wait') expect(decision.waitMs).toBeGreaterThan(0)
          if (decision.kind !== 'ask') continue
          expect(decision.indices.length).toBeGreaterThan(0)
          expect(new Set(decision.indices).size).toBe(decision.indices.length)
          expect(decision.indices.every((index) => missing.has(index))).toBe(true)
          noteAsked(wants, decision, now)
          expect(wants.outstanding.size).toBeLessThanOrEqual(chunksWantedMax)
          expect(wants.window).toBeGreaterThanOrEqual(windowMin)
        }
      },
    )
    fc.assert(property, { seed: 20_261_124, numRuns: 1000 })
  })

  test('what is shipped gives a hub that gathers for two seconds time to answer', () => {
    expect(wantTimes.silenceMs).toBeGreaterThanOrEqual(2 * 2_000)
  })
})

describe('many on one broadcast', () => {
  const chunkCount = 320 // 20 MB

  type Wave = { devices: number; joinWithinMs: number; loss: number; seed: number }

  /** A hub that publishes every 10 ms the next wanted chunk upwards, once, to all who have joined. Virtual time. */
  function simulate({ devices, joinWithinMs, loss, seed }: Wave): { published: number[]; endMs: number } {
    const random = seeded(seed)
    const wanted = new Set<number>()
    const published = new Array<number>(chunkCount).fill(0)
    const all = Array.from({ length: devices }, () => ({
      joinsAt: Math.floor((random() * joinWithinMs) / 10) * 10,
      missing: allOf(chunkCount),
    }))
    const joined: { missing: Set<number>; wants: Wants }[] = []
    let next = 0
    for (let now = 0; ; now += 10) {
      for (const { joinsAt, missing } of all)
        if (joinsAt === now) joined.push({ missing, wants: beginWants(missing, chunkCount, now) })
      for (const { wants } of joined) {
        const decision = decideWant(wants, now, times)
        expect(decision.kind).not.toBe('stalled')
        if (decision.kind !== 'ask') continue
        for (const index of decision.indices) wanted.add(index)
        noteAsked(wants, decision, now)
      }
      next = [...wanted].filter((index) => index >= next).sort((a, b) => a - b)[0] ?? Math.min(...wanted, chunkCount)
      if (wanted.delete(next)) {
        published[next] = (published[next] ?? 0) + 1
        for (const { missing, wants } of joined)
          if (random() >= loss && missing.delete(next)) noteChunk(wants, next, now)
      }
      if (joined.length === devices && joined.every(({ missing }) => missing.size === 0))
        return { published, endMs: now }
    }
  }

  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0)

  test.each([1, 2, 3])('all at once: every chunk is published once (seed %i)', (seed) => {
    const { published } = simulate({ devices: 50, joinWithinMs: 1, loss: 0, seed })
    expect(published).toEqual(new Array(chunkCount).fill(1))
  })

  test.each([1, 2, 3])(
    'spread over the whole of the broadcast: every chunk is published at most twice (seed %i)',
    (seed) => {
      const { published } = simulate({ devices: 50, joinWithinMs: 3_000, loss: 0, seed })
      expect(Math.max(...published)).toBeLessThanOrEqual(2)
    },
  )

  test.each([1, 2, 3])('with one chunk in fifty lost by each, all end up whole (seed %i)', (seed) => {
    const { published } = simulate({ devices: 50, joinWithinMs: 3_000, loss: 0.02, seed })
    expect(sum(published)).toBeLessThanOrEqual(4 * chunkCount)
  })
})
