// The heartbeat of a runtime process: that it lives, and when the inferences it holds last made headway.

/** So often at least, while it is well; also right after an inference where several queue up. */
export const heartbeatMs = 250

/** `ended` says how long the inference ran once it had its turn. */
export type Pulse = { began: () => void; ended: (startedMs: number, nowMs: number) => number; beat: () => void }

/** Tells when the last inference made headway. Several that are queued run without the timers getting a turn,
 *  so a heartbeat that is due is also sent between them. */
export function createPulse(steadyMs: () => number, send: (oldestInferenceMs: number) => Promise<void>): Pulse {
  let inFlight = 0
  let headwayMs = 0
  let sentMs = 0
  let sending = false

  function beat(): void {
    const now = steadyMs()
    sentMs = now
    if (sending) return
    sending = true
    void send(inFlight === 0 ? 0 : now - headwayMs).finally(() => {
      sending = false
    })
  }

  return {
    beat,
    began() {
      if (inFlight === 0) headwayMs = steadyMs()
      inFlight += 1
    },
    ended(startedMs, nowMs) {
      const ranMs = nowMs - Math.max(startedMs, headwayMs)
      inFlight -= 1
      headwayMs = nowMs
      if (nowMs - sentMs > heartbeatMs) beat()
      return ranMs
    },
  }
}
