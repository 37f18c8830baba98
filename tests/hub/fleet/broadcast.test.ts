// A chunk to many listeners: a few slow ones do not hold up the others, and where the way to most of them is full it waits
// instead of losing what would be asked for again.

import { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Broadcast, broadcast, lagBytesMax, patienceMs, patienceWithMostMs } from '../../../hub/fleet/broadcast.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

/** Of the test, in real time. */
const patience = { timeout: 120_000 }

/** Takes nothing until `take` is called. */
function aListener(takesAtOnce: boolean) {
  const held: (() => void)[] = []
  let bytes = 0
  const stream = new Duplex({
    highWaterMark: 1,
    read: () => undefined,
    write: (chunk: Buffer, _encoding, taken) => {
      bytes += chunk.length
      if (takesAtOnce) taken()
      else held.push(taken)
    },
  })
  return { stream, bytes: () => bytes, take: () => held.shift()?.() }
}

const listeners = (count: number, slow: number) => Array.from({ length: count }, (_, place) => aListener(place >= slow))

function sending(all: readonly { stream: Duplex }[], packet = Buffer.alloc(1_000)) {
  const state: { done: Broadcast | undefined } = { done: undefined }
  void broadcast(new Set(all.map(({ stream }) => stream)), packet).then((done) => {
    state.done = done
  })
  return state
}

describe('a chunk to many listeners', () => {
  test('has left when all have taken it, and no timer stays', async () => {
    const state = sending(listeners(300, 0))
    await vi.waitFor(() => expect(state.done).toEqual({ sent: 300, passedOver: 0 }), patience)
    expect(vi.getTimerCount()).toBe(0)
  })

  test.each([
    { count: 10, slow: 1 },
    { count: 5, slow: 2 },
    { count: 1, slow: 1 },
    { count: 120, slow: 60 },
  ])('$slow of $count that are slow are waited for a little', async ({ count, slow }) => {
    const state = sending(listeners(count, slow))
    await vi.advanceTimersByTimeAsync(patienceMs - 1)
    expect(state.done).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1)
    expect(state.done?.sent).toBe(count)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('where more are slow it goes on as soon as half have taken it', async () => {
    const all = listeners(100, 60)
    const state = sending(all)
    await vi.advanceTimersByTimeAsync(patienceWithMostMs - 1)
    for (const one of all.slice(0, 9)) one.take()
    await vi.advanceTimersByTimeAsync(0)
    expect(state.done).toBeUndefined()
    all[9]?.take()
    await vi.advanceTimersByTimeAsync(0)
    expect(state.done).toEqual({ sent: 100, passedOver: 0 })
  })

  test('and at last without them', async () => {
    const state = sending(listeners(10, 10))
    await vi.advanceTimersByTimeAsync(patienceWithMostMs - 1)
    expect(state.done).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1)
    expect(state.done?.sent).toBe(10)
  })

  test('one that has too much waiting gets nothing, and is not waited for', async () => {
    const [slow, fast] = [aListener(false), aListener(true)]
    const behind = sending([slow], Buffer.alloc(lagBytesMax + 1))
    await vi.advanceTimersByTimeAsync(patienceMs)
    expect(behind.done).toEqual({ sent: 1, passedOver: 0 })
    const state = sending([slow, fast])
    await vi.waitFor(() => expect(state.done).toEqual({ sent: 1, passedOver: 1 }), patience)
    expect([slow.bytes(), fast.bytes()]).toEqual([lagBytesMax + 1, 1_000])
  })

  test('one that is cut off is not waited for', async () => {
    const gone = aListener(false)
    const state = sending([...listeners(3, 0), gone])
    gone.stream.destroy()
    await vi.waitFor(() => expect(state.done?.sent).toBe(4), patience)
  })
})
