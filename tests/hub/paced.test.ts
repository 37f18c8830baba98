// Work that is paced: whoever asks gets what was made after they asked, and it takes its share of the time at most.

import { expect, test } from 'vitest'
import { paced } from '../../hub/paced.ts'

/** A clock that goes on only where somebody waits or works. */
function aClock() {
  let nowMs = 0
  const waiting: { untilMs: number; resolve: () => void }[] = []
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  }
  return {
    now: () => nowMs,
    wait: (ms: number) => new Promise<void>((resolve) => waiting.push({ untilMs: nowMs + ms, resolve })),
    pass: async (ms: number) => {
      await settle()
      const untilMs = nowMs + ms
      for (;;) {
        waiting.sort((a, b) => a.untilMs - b.untilMs)
        const next = waiting[0]
        if (next === undefined || next.untilMs > untilMs) break
        waiting.shift()
        nowMs = next.untilMs
        next.resolve()
        await settle()
      }
      nowMs = untilMs
    },
  }
}

test('all who ask within one turn are answered by one, made after they asked; the share is kept', async () => {
  const clock = aClock()
  const begun: number[] = []
  const make = async () => {
    begun.push(clock.now())
    await clock.wait(10)
    return clock.now()
  }
  const read = paced(make, 0.1, clock.now, clock.wait)
  const answers: { askedMs: number; answer: number }[] = []
  const ask = () => {
    const askedMs = clock.now()
    void read().then((answer) => answers.push({ askedMs, answer }))
  }
  for (let ms = 0; ms < 1_000; ms += 5) {
    ask()
    ask()
    await clock.pass(5)
  }
  await clock.pass(500)
  expect(answers).toHaveLength(400)
  // each is 10 ms of work, and what is answered was begun when it had been asked for
  for (const { askedMs, answer } of answers) expect(answer - 10).toBeGreaterThanOrEqual(askedMs)
  const gaps = begun.slice(1).map((ms, n) => ms - (begun[n] ?? 0))
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(100)
  expect(begun.length).toBeGreaterThan(9)
})

test('what failed is told to those who waited for it, and the next try is a new one', async () => {
  let fails = true
  const read = paced(async () => {
    if (fails) throw new Error('no')
    return 'yes'
  }, 0.5)
  await expect(Promise.all([read(), read()])).rejects.toThrow('no')
  fails = false
  expect(await read()).toBe('yes')
})
