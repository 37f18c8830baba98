// Whether the hub could listen where it should, and what listens there already: which certificate it shows, and whether it
// is a broker.

import type { X509Certificate } from 'node:crypto'
import { connect as connectTcp, createServer, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export const isLocal = (host: string): boolean => ['127.0.0.1', 'localhost', '::1', '[::1]'].includes(host)

export const dayMs = 86_400_000
/** A certificate that ends sooner is warned of. */
export const certificateDays = 14

/** Why nothing can listen there, as the system's code; undefined where one can. */
export function whyNotListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve('code' in error ? String(error.code) : error.message))
    server.listen({ host, port }, () => server.close(() => resolve(undefined)))
  })
}

/** CONNECT of MQTT 3.1.1 (§3.1) by nobody: client id `doctor`, clean session, no user. */
const connectPacket = Buffer.from([0x10, 18, 0, 4, ...Buffer.from('MQTT'), 4, 2, 0, 5, 0, 6, ...Buffer.from('doctor')])
const connackType = 0x20
/** §3.2.2.3: 0 lets in. */
const connackCodeAt = 3
const greetMsMax = 5_000

/** What a stranger is told who comes to the broker: that it is not for them, or to come in. */
export type Greeting = 'turned-away' | 'let-in'

/** How an MQTT broker there answers a stranger; where none does, what came instead. */
export function greetBroker(url: string): Promise<{ greeting: Greeting } | { reason: string }> {
  const { protocol, hostname, port } = new URL(url)
  const host = hostname.replaceAll(/[[\]]/g, '')
  const secure = protocol === 'mqtts:'
  const to = { host, port: Number(port || (secure ? 8883 : 1883)) }
  return new Promise((resolve) => {
    const end = (answer: { greeting: Greeting } | { reason: string }) => {
      socket.destroy()
      resolve(answer)
    }
    // whether its certificate is good: shownCertificate
    const socket: Socket = secure ? connectTls({ ...to, rejectUnauthorized: false }) : connectTcp(to)
    socket.setTimeout(greetMsMax, () => end({ reason: `nothing came within ${greetMsMax / 1000} s` }))
    socket.once('error', (error) => end({ reason: 'code' in error ? String(error.code) : error.message }))
    socket.once('close', () => end({ reason: 'the connection was closed' }))
    socket.once(secure ? 'secureConnect' : 'connect', () => socket.write(connectPacket))
    socket.once('data', (bytes: Buffer) => {
      if (bytes[0] !== connackType) return end({ reason: 'what answers does not speak MQTT' })
      end({ greeting: bytes[connackCodeAt] === 0 ? 'let-in' : 'turned-away' })
    })
  })
}

/** The certificate by which the end of a TLS connection there is trusted.
 *  @param ca PEM of who may have signed it; undefined: authorities that are publicly known
 *  @returns the error of the handshake where it is not */
export function shownCertificate(url: string, ca: string | undefined): Promise<X509Certificate | Error> {
  const { protocol, hostname, port } = new URL(url)
  const host = hostname.replaceAll(/[[\]]/g, '')
  const name = isIP(host) === 0 ? { servername: host } : {}
  const to = { host, port: Number(port || (protocol === 'wss:' ? 443 : 8883)), ...name, ...(ca && { ca }) }
  return new Promise((resolve) => {
    const end = (answer: X509Certificate | Error) => {
      socket.destroy()
      resolve(answer)
    }
    const socket = connectTls(to, () => end(socket.getPeerX509Certificate() ?? new Error('it shows no certificate')))
    socket.setTimeout(greetMsMax, () => end(new Error(`nothing came within ${greetMsMax / 1000} s`)))
    socket.once('error', end)
    socket.once('close', () => end(new Error('the connection was closed')))
  })
}
