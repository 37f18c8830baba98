// A TCP proxy that cuts connections after so many bytes, and whose target may move: a bad network, and a hub that comes
// back on another port.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export type CuttingProxy = AsyncDisposable & {
  url: string
  /** Connections that were cut so far. */
  cuts(): number
  to(url: string): void
}

/** @param cutAfter bytes towards the hub of each connection in turn; 0 for one that is left alone */
export async function aCuttingProxy(target: string, cutAfter: () => number): Promise<CuttingProxy> {
  let port = Number(new URL(target).port)
  let cuts = 0
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const hub = connect(port, '127.0.0.1')
    const limit = cutAfter()
    let passed = 0
    for (const [socket, other] of [
      [client, hub],
      [hub, client],
    ] as const) {
      open.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        open.delete(socket)
        other.destroy()
      })
    }
    hub.on('data', (bytes) => client.write(bytes))
    client.on('data', (bytes) => {
      passed += bytes.length
      if (limit === 0 || passed < limit) return void hub.write(bytes)
      cuts += 1
      hub.write(bytes.subarray(0, bytes.length - (passed - limit)))
      hub.end()
      client.resetAndDestroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    cuts: () => cuts,
    to: (url) => {
      port = Number(new URL(url).port)
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
