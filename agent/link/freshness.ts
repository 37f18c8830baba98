// When to say hello, and when an answer has been missing for so long that this device must call itself stale.
// Pure, in monotonic milliseconds: a withheld update is noticed whatever the wall clock says.

export type FreshnessLimits = {
  /** Between two hellos of a device that is answered. */
  helloIntervalMs: number
  /** An unanswered hello is said again after this; the distance doubles up to the interval. */
  helloRetryMs: number
  /** Without a fresh answer for so long a device is stale. */
  staleAfterMs: number
}

export type Freshness = {
  /** Hellos sent, and when the last one was. */
  count: number
  sentAt: number
  /** Hellos in a row without an answer. */
  unanswered: number
  /** When the last fresh answer came; at start, when the process began, less the time it was already without. */
  freshAt: number
}

export const newFreshness = (now: number, alreadyWithoutMs: number): Freshness => ({
  count: 0,
  sentAt: now,
  unanswered: 0,
  freshAt: now - alreadyWithoutMs,
})

export const afterHello = (freshness: Freshness, now: number): Freshness => ({
  ...freshness,
  count: freshness.count + 1,
  sentAt: now,
  unanswered: freshness.unanswered + 1,
})

/** An assignment in answer to the latest hello was accepted. */
export const afterAnswer = (freshness: Freshness, now: number): Freshness => ({
  ...freshness,
  unanswered: 0,
  freshAt: now,
})

/** When the next hello is due, while there is a connection. */
export function helloDueAt({ sentAt, unanswered }: Freshness, limits: FreshnessLimits): number {
  if (unanswered === 0) return sentAt + limits.helloIntervalMs
  const retryMs = limits.helloRetryMs * 2 ** Math.min(unanswered - 1, 20)
  return sentAt + Math.min(retryMs, limits.helloIntervalMs)
}

export const isStale = ({ freshAt }: Freshness, limits: FreshnessLimits, now: number): boolean =>
  now - freshAt >= limits.staleAfterMs
