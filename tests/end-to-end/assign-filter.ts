// Between an agent and its broker: carries every MQTT packet but the assignments, while it is told to withhold them.

import { connect, createServer, type Socket } from 'node:net'
import { z } from 'zod'

export type AssignFilter = AsyncDisposable & {
  port: number
  setWithholding: (withholding: boolean) => void
  withheld: () => number
}

/** MQTT 3.1.1, 2.2.1 and 3.3. */
const publishType = 3
const assignTopic = /\/down\/assign$/

/** @param target the broker's port on localhost, read at each connection */
export async function startAssignFilter(target: { port: number }): Promise<AssignFilter> {
  const sockets = new Set<Socket>()
  const state = { withholding: false, withheld: 0 }
  const server = createServer((near) => {
    const far = connect(target.port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.pipe(far)
    let unread: Buffer = Buffer.alloc(0)
    far.on('data', (bytes) => {
      unread = Buffer.concat([unread, bytes])
      for (let length = packetLength(unread); length !== undefined; length = packetLength(unread)) {
        const packet = unread.subarray(0, length)
        unread = unread.subarray(length)
        if (state.withholding && isAssign(packet)) state.withheld += 1
        else near.write(packet)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = z.object({ port: z.number() }).parse(server.address())
  return {
    port,
    setWithholding: (withholding) => {
      state.withholding = withholding
    },
    withheld: () => state.withheld,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** Of the packet at the beginning, its header included; undefined while it is not whole. */
function packetLength(bytes: Buffer): number | undefined {
  let remaining = 0
  for (let i = 1; i < bytes.length && i <= 4; i++) {
    const byte = bytes.readUInt8(i)
    remaining += (byte & 0x7f) * 128 ** (i - 1)
    if (byte >= 0x80) continue
    const length = i + 1 + remaining
    return bytes.length >= length ? length : undefined
  }
  return undefined
}

function isAssign(packet: Buffer): boolean {
  if (packet.readUInt8(0) >> 4 !== publishType) return false
  let at = 1
  while (packet.readUInt8(at) >= 0x80) at += 1
  const topicLength = packet.readUInt16BE(at + 1)
  return assignTopic.test(packet.toString('utf8', at + 3, at + 3 + topicLength))
}
