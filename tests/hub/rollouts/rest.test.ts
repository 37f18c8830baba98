// When a rollout is looked at: at once where things happen, seldom where nothing does, never later than promised.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isDue, type Rest, rested, restMsMax } from '../../../hub/rollouts/rest.ts'

/** The looks that a hub makes which asks every second, and in which things happen at these seconds. */
function looksAt(seconds: number, happens: ReadonlySet<number>): number[] {
  const looks: number[] = []
  let rest: Rest | undefined
  let pending = false
  for (let second = 0; second < seconds; second += 1) {
    pending ||= happens.has(second)
    if (!isDue(rest, second * 1_000)) continue
    looks.push(second)
    rest = rested(rest, pending, second * 1_000)
    pending = false
  }
  return looks
}

test('a rollout in which nothing happens is looked at every ten seconds in the end, one in which much does every second', () => {
  const looks = looksAt(1_000, new Set())
  expect(looks.length).toBeLessThan(130)
  expect((looks.at(-1) ?? 0) - (looks.at(-2) ?? 0)).toBe(10)
  expect(looksAt(1_000, new Set(Array.from({ length: 1_000 }, (_, i) => i)))).toHaveLength(1_000)
})

test('what happens is seen within ten seconds, and within an eighth of the time in which nothing had', () => {
  const seed = 7
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 3_000 }), { maxLength: 20 }), (times) => {
      const happens = new Set(times)
      const looks = looksAt(3_100, happens)
      const seenAt = (at: number) => looks.find((second) => second >= at) ?? Number.POSITIVE_INFINITY
      for (const at of times) {
        const quietSince = times.map(seenAt).reduce((last, seen) => (seen < at ? Math.max(last, seen) : last), 0)
        // a hub asks at whole seconds
        expect(seenAt(at) - at).toBeLessThanOrEqual(Math.min(restMsMax / 1_000, 1 + (at - quietSince) / 8))
      }
    }),
    { seed },
  )
})

test('a clock that was set back makes it due', () => {
  expect(isDue(rested(undefined, false, 1_000_000), 999_000)).toBe(true)
})
