// Stands between a connection and the broker's parser. Every byte passes `read`: aedes pulls with it, so that is where
// packets are judged before they are buffered, and where reading stops while too much is in hand: aedes itself goes
// on reading while it waits for an answer, and has no bound.

import type { Duplex } from 'node:stream'
import {
  type PacketLimits,
  type PacketViolation,
  scanPackets,
  scanStart,
  unfinishedBytes,
} from '@roost/shared/protocol/packet-guard.ts'

/** Bytes of messages that wait for an answer or are not complete yet, over all connections. At `bytesMax` no
 *  connection is read that stands between packets; TCP holds the sender back. */
export type ReadBudget = { heldBytes: number; readonly bytesMax: number; readonly starved: Set<() => void> }

export const readBudget = (bytesMax: number): ReadBudget => ({ heldBytes: 0, bytesMax, starved: new Set() })

/** Of one connection, where all of them came in one read (64 KiB) there may be more in hand for a moment. */
export const messagesInHandMax = 16

export type ReadGate = {
  /** A message has come and waits for its answer. The function returned says that it has it. */
  take: (bytes: number) => () => void
  /** Gives back what an unfinished packet holds. */
  close: () => void
}

export function guardReads(
  stream: Duplex,
  budget: ReadBudget,
  limits: PacketLimits,
  isAccepted: () => boolean,
  onViolation: (violation: PacketViolation) => void,
): ReadGate {
  const read = stream.read.bind(stream)
  let scan = scanStart
  let inHand = 0
  let starved = false
  let cut = false

  // Logging in costs little and must not wait for those who are served; an unfinished packet must be finished, or it
  // would hold what others wait for.
  const mayExceed = () => !isAccepted() || unfinishedBytes(scan) > 0
  const mayRead = () => inHand < messagesInHandMax && (budget.heldBytes < budget.bytesMax || mayExceed())
  const wake = () => {
    if (!starved || !mayRead()) return
    starved = false
    budget.starved.delete(wake)
    stream.emit('readable')
  }

  stream.read = (size?: number): Buffer | null => {
    if (cut) return null
    if (!mayRead()) {
      starved = true
      budget.starved.add(wake)
      return null
    }
    const chunk: unknown = read(size)
    if (!Buffer.isBuffer(chunk)) return null
    const next = scanPackets(scan, chunk, limits, isAccepted())
    if (typeof next === 'string') {
      cut = true
      onViolation(next)
      return null
    }
    budget.heldBytes += unfinishedBytes(next) - unfinishedBytes(scan)
    scan = next
    return chunk
  }

  const release = (bytes: number) => {
    budget.heldBytes -= bytes
    if (budget.heldBytes < budget.bytesMax) for (const wakeOther of budget.starved) wakeOther()
  }
  return {
    take: (bytes) => {
      inHand += 1
      budget.heldBytes += bytes
      return () => {
        inHand -= 1
        wake()
        release(bytes)
      }
    },
    close: () => {
      cut = true
      budget.starved.delete(wake)
      release(unfinishedBytes(scan))
      scan = scanStart
    },
  }
}
