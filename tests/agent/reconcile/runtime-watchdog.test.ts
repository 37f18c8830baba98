// The watchdog barks at a silent runtime, and not at one that this process or a sleeping machine did not listen to.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { afterAwakeMs, slackMs, Watchdog } from '../../../agent/reconcile/runtime-watchdog.ts'

const inferenceMs = 500
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function aWatchdog() {
  const barks: number[] = []
  const watchdog = new Watchdog((silentMs) => barks.push(silentMs))
  watchdog.start(inferenceMs)
  return { watchdog, barks }
}

describe('a watchdog', () => {
  test('bears the longest inference and some more, and then barks once', () => {
    const { barks } = aWatchdog()
    vi.advanceTimersByTime(inferenceMs + slackMs)
    expect(barks).toEqual([])
    vi.advanceTimersByTime(60_000)
    expect(barks).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is quiet as long as something is said', () => {
    const { watchdog, barks } = aWatchdog()
    for (let n = 0; n < 100; n++) {
      vi.advanceTimersByTime(inferenceMs + slackMs)
      watchdog.seen()
    }
    expect(barks).toEqual([])
  })

  test('does not take a machine that slept for a runtime that hangs, and barks at one that does hang afterwards', () => {
    const { barks } = aWatchdog()
    vi.advanceTimersByTime(1_000)
    // The clock goes on, no timer runs: that is what a suspended or overloaded process sees.
    const before = performance.now()
    vi.spyOn(performance, 'now').mockImplementation(() => before + 3_600_000)
    vi.advanceTimersToNextTimer()
    expect(barks).toEqual([])
    let later = 0
    vi.spyOn(performance, 'now').mockImplementation(() => before + 3_600_000 + later)
    while (barks.length === 0 && later < 10_000) {
      later += 100
      vi.advanceTimersByTime(100)
    }
    expect(barks).toHaveLength(1)
    expect(barks[0]).toBeLessThan(2 * (inferenceMs + slackMs))
    vi.restoreAllMocks()
  })

  test('that is stopped or started again has forgotten the silence before', () => {
    const { watchdog, barks } = aWatchdog()
    vi.advanceTimersByTime(inferenceMs + slackMs - 100)
    watchdog.start(inferenceMs)
    vi.advanceTimersByTime(inferenceMs + slackMs - 100)
    watchdog.stop()
    vi.advanceTimersByTime(60_000)
    expect(barks).toEqual([])
  })
})

describe('patience for an answer', () => {
  function aWait(awakeMs: number) {
    const ends: string[] = []
    return { ends, end: afterAwakeMs(awakeMs, () => ends.push('over')) }
  }

  test('ends once, when it is used up', () => {
    const { ends } = aWait(5_000)
    vi.advanceTimersByTime(4_900)
    expect(ends).toEqual([])
    vi.advanceTimersByTime(60_000)
    expect(ends).toEqual(['over'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is not used up by a machine that slept, and ends all the same', () => {
    const { ends } = aWait(5_000)
    vi.advanceTimersByTime(1_000)
    const before = performance.now()
    let later = 3_600_000
    vi.spyOn(performance, 'now').mockImplementation(() => before + later)
    vi.advanceTimersToNextTimer()
    expect(ends).toEqual([])
    for (let looks = 0; looks < 50; looks++) {
      later += 100
      vi.advanceTimersByTime(100)
    }
    expect(ends).toEqual(['over'])
    vi.restoreAllMocks()
  })

  test('that was not needed is forgotten', () => {
    const { ends, end } = aWait(5_000)
    end()
    vi.advanceTimersByTime(60_000)
    expect(ends).toEqual([])
  })
})
