// The sockets MQTT comes in through: TCP and WebSocket, both plain or both with TLS.
// What opens a server here closes it here; who may stay is admission's business, what is said the broker's.

import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import type { Logger } from 'pino'
import { createWebSocketStream, WebSocketServer } from 'ws'
import type { Admission } from './admission.ts'

export type Address = { host: string; port: number }

export type ListenOptions = {
  tcp?: Address | undefined
  webSocket?: Address | undefined
  /** PEM. Holds for both. */
  tls?: { key: string | Buffer; cert: string | Buffer } | undefined
}

export type Ports = { tcp: number | undefined; webSocket: number | undefined }

/** `socket`: what carries the stream; the same object for TCP. Returns whether the peer has logged in yet. */
export type OnStream = (stream: Duplex, socket: Socket) => () => boolean

export type WebSocketLimits = {
  /** Longest WebSocket message. */
  messageBytesMax: number
  /** Bytes a peer may send in all before it is logged in: ws buffers a message whole before anyone sees it. */
  unacceptedReadBytesMax: number
  onRefused: (refusal: 'unaccepted-bytes') => void
}

type Admit = (socket: Socket) => void

export type Listeners = { ports: Ports; close: () => Promise<void> }

/** @throws the error of listen(2): a port in use, an address that is not ours */
export async function openListeners(
  options: ListenOptions,
  admission: Admission,
  webSocketLimits: WebSocketLimits,
  onStream: OnStream,
  log: Logger,
): Promise<Listeners> {
  const opened: Server[] = []
  const admit: Admit = (socket) => admission.admit(socket)
  const open = async (server: Server, address: Address): Promise<number> => {
    const port = await startListening(server, address)
    opened.push(server)
    server.on('error', (error) => log.error({ err: error }, 'MQTT listener failed to accept'))
    return port
  }
  const close = async () => {
    admission.close()
    await Promise.all(opened.map(stopListening))
  }
  try {
    const ports: Ports = {
      tcp: options.tcp && (await open(tcpServer(options.tls, admit, onStream), options.tcp)),
      webSocket:
        options.webSocket &&
        (await open(webSocketServer(options.tls, webSocketLimits, admit, onStream), options.webSocket)),
    }
    return { ports, close }
  } catch (error) {
    await close()
    throw error
  }
}

function tcpServer(tls: ListenOptions['tls'], admit: Admit, onStream: OnStream): Server {
  const serve = (socket: Socket) => {
    if (!socket.destroyed) onStream(socket, socket)
  }
  return tls === undefined
    ? // admitted first: else the broker's own deadline might end unseen what admission's would have, and is then not counted
      createTcpServer({ noDelay: true }).on('connection', admit).on('connection', serve)
    : createTlsServer({ ...tls, minVersion: 'TLSv1.2', noDelay: true }, serve).on('connection', admit)
}

/** MQTT over WebSocket, MQTT 3.1.1 §6: subprotocol `mqtt`, binary frames. Any other request is told to upgrade. */
function webSocketServer(
  tls: ListenOptions['tls'],
  limits: WebSocketLimits,
  admit: Admit,
  onStream: OnStream,
): HttpServer {
  const server = tls === undefined ? createHttpServer() : createHttpsServer({ ...tls, minVersion: 'TLSv1.2' })
  server.on('connection', admit)
  const upgrader = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.messageBytesMax,
    handleProtocols: (offered) => (offered.has('mqtt') ? 'mqtt' : false),
  })
  server.on('request', (_request, response) => {
    response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end()
  })
  server.on('upgrade', (request, stream, head) => {
    const { socket } = request
    if (socket.destroyed) return
    upgrader.handleUpgrade(request, stream, head, (webSocket) => {
      const isAccepted = onStream(createWebSocketStream(webSocket), socket)
      let readBytes = head.length
      const count = (data: Buffer) => {
        readBytes += data.length
        if (isAccepted()) stream.off('data', count)
        else if (readBytes > limits.unacceptedReadBytesMax) {
          limits.onRefused('unaccepted-bytes')
          stream.destroy()
        }
      }
      stream.on('data', count)
    })
  })
  return server
}

function startListening(server: Server, { host, port }: Address): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      const address: AddressInfo | string | null = server.address()
      resolve(address === null || typeof address === 'string' ? port : address.port)
    })
  })
}

function stopListening(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)))
  })
}
