// Whether the hub could listen where it should, and whether what listens there already is a broker.

import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

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
    // whether its certificate is good is another check's business
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
