// Tells systemd's watchdog that the control process lives: a timer does, so an event loop that hangs is silent and systemd
// starts the agent anew (WatchdogSec of the unit). Node has no datagram sockets of the Unix kind; systemd-notify has.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { z } from 'zod'

/** As sd_watchdog_enabled(3) reads it: asked of this very process, or of whoever reads it. */
const Asked = z.object({
  NOTIFY_SOCKET: z.string().min(1),
  WATCHDOG_USEC: z.coerce.number().int().positive(),
  WATCHDOG_PID: z.coerce.number().int().optional(),
})

/** Milliseconds between two signs of life, a third of what systemd waits; undefined where nobody waits for this process. */
export function watchdogPauseMs(environment: Readonly<Record<string, string | undefined>>, pid: number) {
  const { data: asked } = Asked.safeParse(environment)
  if (asked === undefined || (asked.WATCHDOG_PID ?? pid) !== pid) return undefined
  return Math.max(1, Math.floor(asked.WATCHDOG_USEC / 3000))
}

/** One sign at once and one after each pause, none while the one before is on its way.
 *  @param warn once for each failure to tell; systemd acts when all have failed for too long */
export function signOfLife(pauseMs: number, warn: (error: unknown) => void): void {
  let isTelling = false
  const tell = () => {
    if (isTelling) return
    isTelling = true
    promisify(execFile)('systemd-notify', ['WATCHDOG=1'], { timeout: pauseMs * 2 })
      .catch(warn)
      .finally(() => {
        isTelling = false
      })
  }
  tell()
  // does not keep alive what has nothing left to do
  setInterval(tell, pauseMs).unref()
}
