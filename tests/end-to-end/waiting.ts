// Waiting for what happens in other processes: always for a condition, never for a time; patience is not a promise.

import { setTimeout as delay } from 'node:timers/promises'

const lookEveryMs = 50
/** Far beyond what a busy machine needs; only a condition that never comes is worth waiting for so long. */
export const patienceMs = 90_000

/** The first value of `look` that is neither undefined nor false.
 *  @param instead what there is in its place, said if it never comes
 *  @throws Error naming `what` */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  instead: () => unknown = () => 'nothing',
): Promise<T> {
  const deadlineMs = performance.now() + patienceMs
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen
    if (performance.now() > deadlineMs) {
      const found = await instead()
      throw new Error(`waited in vain: ${what}; instead: ${typeof found === 'string' ? found : JSON.stringify(found)}`)
    }
    await delay(lookEveryMs)
  }
}

/** mulberry32 (Tommy Ettinger, 2017): the same chances in every run of a seed, unlike ones for seeds side by side. */
export function seededChance(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
