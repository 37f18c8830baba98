// The socket of the API: plain or TLS, opened and closed here.

import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { getRequestListener, type Http2Bindings, type HttpBindings } from '@hono/node-server'
import type { Routes } from './app.ts'
import type { Hub } from './hub.ts'

/** A model of 512 MiB over 1.2 Mbit/s; over less it is sent in pieces. */
const requestMsMax = 3_600_000
/** Requests get this long to end when the hub stops. */
const stopMs = 5_000

export type HttpServer = { port: number; close(): Promise<void> }

/** @throws the error of listen(2): a port in use, an address that is not ours */
export async function startHttpServer(hub: Hub, app: Routes): Promise<HttpServer> {
  const answer = async (request: Request, env: HttpBindings | Http2Bindings) => {
    const response = await app.fetch(request, env)
    if (isCutShort(env.incoming)) response.headers.set('connection', 'close')
    return response
  }
  const listener = getRequestListener(answer, { overrideGlobalObjects: false })
  const options = { requestTimeout: requestMsMax }
  const serve: (...args: Parameters<typeof listener>) => void = (incoming, outgoing) => {
    listener(incoming, outgoing).catch((error: unknown) => {
      hub.log.error({ err: error }, 'an answer was cut short')
      outgoing.destroy()
    })
  }
  const server: Server =
    hub.tls === undefined ? createHttpServer(options, serve) : createHttpsServer({ ...options, ...hub.tls }, serve)
  const { httpHost, httpPort } = hub.config
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(httpPort, httpHost, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', (error) => hub.log.error({ err: error }, 'HTTP listener failed to accept'))
  return { port: portOf(server.address()), close: () => stop(server) }
}

/** Answered before its body had come, an upload that is refused as a rule: the connection ends with the answer, and a
 *  client that is not told would send its next request into it. */
const isCutShort = ({ complete, headers }: HttpBindings['incoming'] | Http2Bindings['incoming']): boolean =>
  !complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)

async function stop(server: Server): Promise<void> {
  const ended = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), stopMs)
  await ended
  clearTimeout(timer)
}

function portOf(address: string | AddressInfo | null): number {
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port')
  return address.port
}
