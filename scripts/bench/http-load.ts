// Asks one HTTP server the same thing over and over, each connection as soon as it has its answer.
// On bare sockets, because an HTTP client costs as much as the server that is measured and shares its machine.

import { connect, type Socket } from 'node:net'

export type Load = {
  port: number
  path: string
  body: string
  connections: number
  durationMs: number
}

/** Requests answered a second.
 *  @throws for any answer that is not a 200, and where a connection ends */
export async function loadHttp(load: Load): Promise<number> {
  const { port, path, body, connections, durationMs } = load
  const head = [`POST ${path} HTTP/1.1`, 'host: 127.0.0.1', 'content-type: application/json']
  const request = Buffer.from(`${head.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  const started = performance.now()
  const end = started + durationMs
  const counts = await Promise.all(Array.from({ length: connections }, () => askUntil(port, request, end)))
  const answered = counts.reduce((sum, count) => sum + count, 0)
  return (answered * 1000) / (performance.now() - started)
}

function askUntil(port: number, request: Buffer, end: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: '127.0.0.1', port, noDelay: true })
    let answered = 0
    let text = ''
    socket.setEncoding('latin1')
    socket.once('connect', () => socket.write(request))
    socket.on('data', (piece: string) => {
      text += piece
      const missing = bytesMissing(text)
      if (missing === undefined || missing > 0) return
      if (!text.startsWith('HTTP/1.1 200') || missing < 0) {
        socket.destroy()
        reject(new Error(`not an answer to one request: ${text.slice(0, 200)}`))
        return
      }
      answered += 1
      text = ''
      if (performance.now() < end) {
        socket.write(request)
        return
      }
      socket.destroy()
      resolve(answered)
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the server closed the connection')))
  })
}

/** Bytes of the answer still to come; undefined while its head is not complete. */
function bytesMissing(text: string): number | undefined {
  const bodyAt = text.indexOf('\r\n\r\n') + 4
  if (bodyAt < 4) return undefined
  const length = /content-length: (\d+)/i.exec(text)?.[1]
  if (length === undefined) throw new Error('an answer without content-length')
  return bodyAt + Number(length) - text.length
}
