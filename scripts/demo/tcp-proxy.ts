// A TCP proxy that behaves as a bad link does: it can be cut, delay what it carries, swallow it, or break connections.
// Stands between an agent and its hub in the demo and in the tests.

import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

export type TcpProxy = AsyncDisposable & {
  port: number
  /** Breaks every connection and refuses new ones until `restore`. */
  cut(): void
  restore(): void
  /** Breaks every connection; new ones are welcome. */
  breakAll(): void
  /** Each piece of data is held back this long, in order. */
  setDelay(delayMs: number): void
  /** Each connection carries at most so much in each direction; infinity, where nothing is held back. */
  setRate(bytesPerSecond: number): void
  /** While true, data is taken and thrown away: the link looks alive and carries nothing. */
  setSilent(silent: boolean): void
  /** Connections made so far. */
  connections(): number
  /** Bytes carried to those who connected here. */
  carriedBytes(): number
}

/** @param target where connections go on to, on localhost */
export async function startTcpProxy(target: { port: number }): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  const state = {
    cut: false,
    silent: false,
    delayMs: 0,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    connections: 0,
    carriedBytes: 0,
  }

  const breakAll = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy()
    pairs.clear()
  }
  const carry = (from: Socket, to: Socket, count: (bytes: number) => void) => {
    const timers = new Set<NodeJS.Timeout>()
    const later = (act: () => void, afterMs: number) => {
      const timer = setTimeout(() => {
        timers.delete(timer)
        act()
      }, afterMs)
      timers.add(timer)
    }
    from.once('close', () => {
      for (const timer of timers) clearTimeout(timer)
    })
    from.on('data', (data) => {
      if (state.silent) return
      count(data.length)
      if (Number.isFinite(state.bytesPerSecond)) {
        from.pause()
        later(() => from.resume(), (1000 * data.length) / state.bytesPerSecond)
      }
      if (state.delayMs === 0) return void to.write(data)
      later(() => {
        if (!to.destroyed) to.write(data)
      }, state.delayMs)
    })
  }

  const server = createServer((near) => {
    if (state.cut) return void near.destroy()
    state.connections += 1
    const far = connect(target.port, '127.0.0.1')
    const pair = [near, far] as const
    pairs.add(pair)
    for (const socket of pair) {
      // A broken link is what this is for; either end closing ends both.
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        pairs.delete(pair)
        for (const other of pair) other.destroy()
      })
    }
    carry(near, far, () => undefined)
    carry(far, near, (bytes) => {
      state.carriedBytes += bytes
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  return {
    port: (server.address() as AddressInfo).port, // listening on TCP, so it is no pipe name and not null
    cut: () => {
      state.cut = true
      breakAll()
    },
    restore: () => {
      state.cut = false
    },
    breakAll,
    setDelay: (delayMs) => {
      state.delayMs = delayMs
    },
    setSilent: (silent) => {
      state.silent = silent
    },
    setRate: (bytesPerSecond) => {
      state.bytesPerSecond = bytesPerSecond
    },
    connections: () => state.connections,
    carriedBytes: () => state.carriedBytes,
    [Symbol.asyncDispose]: async () => {
      breakAll()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
