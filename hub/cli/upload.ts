// A large file on its way to the hub, in pieces that are each checked there (tus 1.0). A cut, or a hub that is away for a
// while, costs the piece that was on its way.

import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { RequestError } from './client.ts'
import { type Progress, progressOn } from './progress.ts'

/** From this size on a file is sent in pieces; smaller ones go whole. */
export const resumableBytesMin = 16 * 1_048_576
/** In memory at a time. */
const pieceBytes = 4 * 1_048_576
/** Failures in a row, with no byte in between, before it is given up: about three minutes. */
const failuresMax = 25
const pauseMsMax = 8_000

type HubAddress = { url: string; token: string }

/** Sends it, however often it is cut.
 *  @returns the id of the upload
 *  @throws RequestError where the hub refuses it, or cannot be reached for minutes */
export async function uploadFile(
  hub: HubAddress,
  file: Blob,
  pause: (ms: number) => Promise<void> = delay,
  progress: Progress = progressOn(process.stderr),
): Promise<string> {
  // a creation that is sent again is answered once
  const key = crypto.randomUUID()
  let path: string | undefined
  let offset = 0
  for (let failures = 0; ; ) {
    try {
      path ??= await begin(hub, file.size, key)
      // after a failure: what the hub has may be more or less than what was sent
      if (failures > 0) offset = await ask(hub, path)
      progress(offset, file.size)
      if (offset === file.size) return path.slice(path.lastIndexOf('/') + 1)
      offset = await sendPiece(hub, path, offset, file.slice(offset, offset + pieceBytes))
      failures = 0
    } catch (error) {
      failures += 1
      if (failures > failuresMax || !isPassing(error)) throw error
      await pause(Math.min(pauseMsMax, 250 * 2 ** failures))
    }
  }
}

async function begin(hub: HubAddress, length: number, key: string): Promise<string> {
  const headers = { 'upload-length': String(length), 'idempotency-key': key }
  const path = (await request(hub, 'POST', '/v1/uploads', headers)).headers.get('location')
  if (path === null) throw new RequestError('the hub did not say where to send the file', 0, null)
  return path
}

const ask = async (hub: HubAddress, path: string): Promise<number> => offsetOf(await request(hub, 'HEAD', path, {}))

async function sendPiece(hub: HubAddress, path: string, offset: number, piece: Blob): Promise<number> {
  const bytes = new Uint8Array(await piece.arrayBuffer())
  const headers = {
    'content-type': 'application/offset+octet-stream',
    'upload-offset': String(offset),
    'upload-checksum': `sha256 ${createHash('sha256').update(bytes).digest('base64')}`,
  }
  return offsetOf(await request(hub, 'PATCH', path, headers, bytes))
}

function offsetOf({ headers }: Response): number {
  const offset = headers.get('upload-offset')
  if (offset === null) throw new RequestError('the hub did not say how far the upload is', 0, null)
  return Number(offset)
}

async function request(
  { url, token }: HubAddress,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: Uint8Array<ArrayBuffer>,
): Promise<Response> {
  let response: Response
  try {
    response = await fetch(new URL(path, url), {
      method,
      headers: { authorization: `Bearer ${token}`, 'tus-resumable': '1.0.0', ...headers },
      ...(body === undefined ? {} : { body }),
    })
  } catch (cause) {
    throw new RequestError(`no hub answers at ${url}; is it running, is --url right?`, 0, cause)
  }
  if (response.ok) return response
  const text = await response.text()
  throw new RequestError(`the upload was refused: ${detailOf(text, response)}`, response.status, text)
}

function detailOf(text: string, { status, statusText }: Response): string {
  try {
    const problem: unknown = JSON.parse(text)
    if (typeof problem === 'object' && problem !== null && 'detail' in problem) return String(problem.detail)
  } catch {
    // not a problem document: the status line is all there is to tell
  }
  return `${status} ${statusText}`
}

/** No answer, a hub that is starting or busy, another offset than was thought, a piece that was cut or damaged. */
const isPassing = (error: unknown): boolean =>
  error instanceof RequestError && (error.status === 0 || error.status >= 500 || passing.has(error.status))
const passing: ReadonlySet<number> = new Set([400, 408, 409, 429, 460])
