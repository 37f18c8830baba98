// When each device was last seen: kept in memory while it is connected, written once a minute and when it goes.
// Whether it is connected now is the broker's to say; a hub that was killed leaves nobody marked as connected.

import type { Clock } from '../hub.ts'
import type { Statement } from '../storage/database.ts'

const presenceEveryMs = 60_000
/** Devices that went are gathered for so long. */
const goneEveryMs = 1_000

export type PresenceOptions = {
  write: (statements: readonly Statement[]) => Promise<void>
  connectedDevices: () => readonly string[]
  clock: Clock
  /** A write that failed; the next one says the same and more. */
  onError: (error: unknown) => void
}

export type Presence = {
  onDisconnect: (device: string) => void
  /** Writes what is not written yet. */
  close: () => Promise<void>
}

export function createPresence({ write, connectedDevices, clock, onError }: PresenceOptions): Presence {
  const gone = new Set<string>()
  let pending: NodeJS.Timeout | undefined
  let closed = false

  const save = async (devices: readonly string[]) => {
    if (devices.length > 0) await write([seenStatement(devices, clock())])
  }
  const saveGone = async () => {
    pending = undefined
    const devices = [...gone]
    gone.clear()
    await save(devices)
  }
  const everyMinute = setInterval(() => void save(connectedDevices()).catch(onError), presenceEveryMs)

  return {
    onDisconnect: (device) => {
      gone.add(device)
      if (!closed) pending ??= setTimeout(() => void saveGone().catch(onError), goneEveryMs)
    },
    close: async () => {
      closed = true
      clearInterval(everyMinute)
      clearTimeout(pending)
      await saveGone()
    },
  }
}

const seenStatement = (devices: readonly string[], nowMs: number): Statement => ({
  sql: 'UPDATE devices SET last_seen_at = ? WHERE id IN (SELECT value FROM json_each(?))',
  args: [nowMs, JSON.stringify(devices)],
})
