// When to try again: full jitter, so that five thousand devices that lost their hub at one moment do not return at one.
// Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): of its variants, the least work and time.

export type Backoff = { minMs: number; maxMs: number }

/** Between 0 and min(maxMs, minMs * 2^attempt) ms. `attempt` counts failures from 0; `unit` is uniform in [0, 1). */
export function backoffMs(attempt: number, { minMs, maxMs }: Backoff, unit: number): number {
  return Math.floor(unit * ceilingMs(attempt, { minMs, maxMs }))
}

/** The longest that `backoffMs` waits at this attempt. */
export function ceilingMs(attempt: number, { minMs, maxMs }: Backoff): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30))
}

/** Uniform in [0, 1), of four random bytes. */
export function unitOf(random: (size: number) => Uint8Array): number {
  const bytes = random(4)
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32
}
