// Work whose answer many want and that costs the hub something: done once for all who wait, and never so often that it
// takes more than its share of the time.

import { setTimeout as delay } from 'node:timers/promises'

/** However long the work took, nobody waits longer than this for it to begin. */
const waitMsMax = 500

/** `make`, so that what is answered was always made after it was asked for. Whoever asks while it is being made, or too
 *  soon after it was, waits for the next time, together with all others who do.
 *  @param share of the time that it may take, 0 … 1
 *  @param now milliseconds of a clock that only goes forward */
export function paced<T>(
  make: () => Promise<T>,
  share: number,
  now: () => number = () => performance.now(),
  wait: (ms: number) => Promise<unknown> = delay,
): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<T> | undefined
  let notBefore = Number.NEGATIVE_INFINITY
  const start = async (): Promise<T> => {
    const begun = now()
    try {
      return await make()
    } finally {
      const ended = now()
      notBefore = ended + Math.min(waitMsMax, (ended - begun) * (1 / share - 1))
    }
  }
  const startNext = async (): Promise<T> => {
    await last
    const early = notBefore - now()
    if (early > 0) await wait(early)
    next = undefined
    const made = start()
    last = made.then(
      () => undefined,
      () => undefined,
    )
    return made
  }
  return () => {
    next ??= startNext()
    return next
  }
}
