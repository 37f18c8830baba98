// Gives one chunk to everyone who listens for it: the packet is built once and the same bytes are handed to every
// socket. A listener that is behind is passed over (the chunk is QoS 0, it asks again), so that the others do not wait
// for it. Where most are slow it is the way to all of them that is full: what would be lost would be asked for again, so
// the pace is that of the median listener.

import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Bytes waiting in a listener's socket beyond which it is behind and gets nothing more for now: four chunks. */
export const lagBytesMax = 4 * 65_536
/** How long a chunk waits for the slowest listeners that are not behind yet, where they are half of them at most. */
export const patienceMs = 250
/** How long it waits where they are more. */
export const patienceWithMostMs = 5_000
/** Listeners written to in one go; then others get a turn. 128 times 64 KiB is some milliseconds of copying. */
const listenersPerTurn = 128

export type Broadcast = { sent: number; passedOver: number }

/** Resolves when the bytes have left this process for every listener that is keeping up; after `patienceMs` for half
 *  of them, after `patienceWithMostMs` in any case. Listeners may come and go meanwhile. */
export async function broadcast(listeners: ReadonlySet<Duplex>, packet: Uint8Array): Promise<Broadcast> {
  let sent = 0
  let passedOver = 0
  let written = 0
  let enough = Number.POSITIVE_INFINITY
  const { promise, resolve } = Promise.withResolvers<void>()
  const onWritten = () => {
    written += 1
    if (written >= enough) resolve()
  }
  for (const listener of listeners) {
    if (!listener.writable || listener.writableLength > lagBytesMax) {
      passedOver += 1
      continue
    }
    sent += 1
    listener.write(packet, onWritten)
    if (sent % listenersPerTurn === 0) await nextTurn()
  }
  enough = sent
  if (written < enough) {
    const impatience = setTimeout(() => {
      enough = Math.floor(sent / 2)
      if (written >= enough) resolve()
    }, patienceMs)
    const despair = setTimeout(resolve, patienceWithMostMs)
    await promise
    clearTimeout(impatience)
    clearTimeout(despair)
  }
  return { sent, passedOver }
}

/** An MQTT 3.1.1 PUBLISH at QoS 0 (§3.3). */
export function publishPacket(topic: string, payload: Uint8Array): Buffer {
  const topicBytes = Buffer.from(topic)
  const length = 2 + topicBytes.length + payload.length
  const header: number[] = [0x30]
  for (let rest = length; ; ) {
    const digit = rest % 128
    rest = Math.floor(rest / 128)
    header.push(rest > 0 ? digit | 0x80 : digit)
    if (rest === 0) break
  }
  return Buffer.concat([
    Buffer.from(header),
    Buffer.from([topicBytes.length >> 8, topicBytes.length & 0xff]),
    topicBytes,
    payload,
  ])
}
