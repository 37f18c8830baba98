// Notices a runtime that says nothing any more. An inference blocks its process, heartbeats included, so one that
// takes longer than it may is a silence of that length and some more.

/** Beyond the longest inference allowed: the heartbeat that was due, and what a busy machine holds it up by. A healthy
 *  runtime killed in error costs requests, a hung one noticed later costs none that were not lost already. */
export const slackMs = 2_000
const lookEveryMs = 100

/** Calls `act` once this process has been awake for so long: while it was held up itself, or the whole machine slept, nobody
 *  could be heard. Gives back what ends it. */
export function afterAwakeMs(awakeMs: number, act: () => void): () => void {
  let leftMs = awakeMs
  let lookedMs = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    leftMs -= Math.min(now - lookedMs, 2 * lookEveryMs)
    lookedMs = now
    if (leftMs > 0) return
    clearInterval(timer)
    act()
  }, lookEveryMs)
  return () => clearInterval(timer)
}

export class Watchdog {
  readonly #bark: (silentMs: number) => void
  #timer: NodeJS.Timeout | undefined
  #seenMs = 0
  #lookedMs = 0

  /** `bark` is called once, with how long the silence has lasted. */
  constructor(bark: (silentMs: number) => void) {
    this.#bark = bark
  }

  start(inferenceMsMax: number): void {
    this.stop()
    this.#seenMs = this.#lookedMs = performance.now()
    this.#timer = setInterval(() => this.#look(inferenceMsMax + slackMs), lookEveryMs)
  }

  seen(): void {
    this.#seenMs = performance.now()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(silentMsMax: number): void {
    const now = performance.now()
    // This process was held up itself, or the whole machine slept: what was said meanwhile is still unread.
    const heldUpMs = now - this.#lookedMs - lookEveryMs
    if (heldUpMs > lookEveryMs) this.#seenMs += heldUpMs
    this.#lookedMs = now
    const silentMs = now - this.#seenMs
    if (silentMs <= silentMsMax) return
    this.stop()
    this.#bark(silentMs)
  }
}
