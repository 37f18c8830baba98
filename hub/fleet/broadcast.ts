// Gives one chunk to everyone who listens for it: the packet is built once and the same bytes are handed to every
// socket. A listener that is behind is passed over (the chunk is QoS 0, it asks again), so that nobody waits for it.

import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Bytes waiting in a listener's socket beyond which it is behind and gets nothing more for now: four chunks. */
export const lagBytesMax = 4 * 65_536
/** How long a chunk waits for the slowest listener that is not behind yet. */
export const patienceMs = 250
/** Listeners written to in one go; then others get a turn. 128 times 64 KiB is some milliseconds of copying. */
const listenersPerTurn = 128

export type Broadcast = { sent: number; passedOver: number }

/** Resolves when the bytes have left this process for every listener that is keeping up, or after `patienceMs`.
 *  Listeners may come and go meanwhile. */
export async function broadcast(listeners: ReadonlySet<Duplex>, packet: Uint8Array): Promise<Broadcast> {
  let sent = 0
  let passedOver = 0
  let written = 0
  let done = false
  const { promise, resolve } = Promise.withResolvers<void>()
  const onWritten = () => {
    written += 1
    if (done && written === sent) resolve()
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
  done = true
  if (written < sent) {
    const impatience = setTimeout(resolve, patienceMs)
    await promise
    clearTimeout(impatience)
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
