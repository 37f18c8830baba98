// Waiting for what the demo cannot decide: always for a condition, never longer than a stated time, and not a moment
// longer once the demo is over (interrupted, out of time, or a process died).

import { setTimeout as delay } from 'node:timers/promises'

/** What went wrong, in a sentence for whoever runs the demo; `logOf`: the process whose last lines may explain it. */
export class DemoError extends Error {
  override readonly name = 'DemoError'
  readonly logOf: string | undefined
  constructor(message: string, logOf?: string) {
    super(message)
    this.logOf = logOf
  }
}

/** Whoever runs the demo wants it to end: no failure. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}

const lookEveryMs = 200

export type Wait = {
  /** What is waited for: "v1 serves on all six gateways". */
  what: string
  timeoutMs: number
  /** Aborted when the demo is over; its reason is thrown. */
  signal: AbortSignal
  /** What there is instead, said if it never comes. */
  instead?: () => string
  logOf?: string
}

/** The first value of `look` that is not undefined.
 *  @throws DemoError at the time limit, or the signal's reason */
export async function until<T>(wait: Wait, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadlineMs = performance.now() + wait.timeoutMs
  for (;;) {
    wait.signal.throwIfAborted()
    const seen = await look()
    if (seen !== undefined) return seen
    if (performance.now() >= deadlineMs) throw new DemoError(sentenceOf(wait), wait.logOf)
    await pause(lookEveryMs, wait.signal)
  }
}

/** Resolves after `ms`, or as soon as the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(Math.max(0, ms), undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function sentenceOf({ what, timeoutMs, instead }: Wait): string {
  const now = instead === undefined ? '' : `; ${instead()}`
  return `waited ${timeoutMs / 1000} s for this: ${what}${now}`
}
