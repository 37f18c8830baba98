// The socket belongs to whoever opened it, before any runtime serves and after one is gone.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { openServingSocket } from '../../../agent/reconcile/serving-socket.ts'

const bind = (host: string, port: number) =>
  expect.objectContaining({ code: 'bind', message: expect.stringContaining(`${host}:${port}`) })

describe('a serving socket', () => {
  test('has the port it was asked for, or says which it got', () => {
    const any = openServingSocket({ host: '127.0.0.1', port: 0 })
    expect(any.port).toBeGreaterThan(0)
    const { port } = any
    any.close()
    const same = openServingSocket({ host: '127.0.0.1', port })
    expect(same).toMatchObject({ host: '127.0.0.1', port })
    same.close()
  })

  test('says that the port is taken by somebody who listens', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    expect(() => openServingSocket({ host: '127.0.0.1', port })).toThrow(bind('127.0.0.1', port))
    server.close()
  })

  test('refuses a host that is a name, or an address of somebody else', () => {
    expect(() => openServingSocket({ host: 'localhost', port: 0 })).toThrow(/'localhost' is not an IP address/)
    expect(() => openServingSocket({ host: '192.0.2.1', port: 0 })).toThrow(bind('192.0.2.1', 0))
  })

  test('is nobody’s way in before the first runtime listens on it', async () => {
    const socket = openServingSocket({ host: '127.0.0.1', port: 0 })
    const client = connect(socket.port, '127.0.0.1')
    const [error] = await once(client, 'error')
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
    socket.close()
  })
})
