// Blobs over HTTP: `GET {hub}/v1/blobs/{sha256}` with Range and the device's secret, for what MQTT did not bring.
// The answer is as untrusted as a chunk off the broker: each chunk is verified before it is written, and nothing is read
// past the range that was asked for.

import { chunkSizeBytes } from '@roost/shared/bundle/chunks.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import { Agent, type Dispatcher, request } from 'undici'
import { DownloadError } from './error.ts'
import type { PartialBlob } from './partial-blob.ts'

const connectTimeoutMs = 15_000
/** Between two pieces of an answer, and before its first. */
export const silenceMaxMs = 30_000
/** A connection without a request is given back so soon: those of a fleet are the hub's memory. */
const idleMsMax = 4_000
/** Whole chunks asked for in one request: 16 MiB, so that a cut costs little and a file is few requests. */
export const chunksPerRequestMax = 256

export type BlobHttpOptions = {
  /** `https://hub.example`, without a slash at the end. */
  hubUrl: string
  device: string
  /** Asked at each request: secrets are exchanged while the agent runs. */
  secret: () => string
  /** The hub's certificate authority in PEM form, where it is not a public one. */
  certificateAuthority?: string | undefined
}

/** Connections to the hub for blobs; close it when the agent ends. */
export class BlobHttp {
  readonly #options: BlobHttpOptions
  readonly #agent: Agent

  constructor(options: BlobHttpOptions) {
    this.#options = options
    const { certificateAuthority } = options
    this.#agent = new Agent({
      connections: 2,
      connect: { timeout: connectTimeoutMs, ...(certificateAuthority && { ca: certificateAuthority }) },
      headersTimeout: silenceMaxMs,
      bodyTimeout: silenceMaxMs,
      keepAliveMaxTimeout: idleMsMax,
    })
  }

  /** Resolves when nothing of `blob` is missing any more.
   *  @throws DownloadError `http`, `no-space`, `disk`; the signal's reason when aborted */
  async fetch(blob: PartialBlob, signal: AbortSignal): Promise<void> {
    for (let run = firstMissingRun(blob); run !== undefined; run = firstMissingRun(blob)) {
      signal.throwIfAborted()
      await this.#fetchRun(blob, run, signal)
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }

  async #fetchRun(blob: PartialBlob, run: ChunkRun, signal: AbortSignal): Promise<void> {
    const { body, skipBytes } = await this.#request(blob, run, signal)
    try {
      await takeChunks(body, skipBytes, blob, run)
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof DownloadError ? error : httpError('the answer broke off', error)
    } finally {
      body.destroy() // what comes after the range is not read
    }
  }

  /** `skipBytes`: how far the answer begins before the run, where the server gave the whole blob. */
  async #request(blob: PartialBlob, run: ChunkRun, signal: AbortSignal) {
    const { hubUrl, device, secret } = this.#options
    const { sha256, sizeBytes } = blob.file
    const start = run.first * chunkBytes
    const last = Math.min((run.last + 1) * chunkBytes, sizeBytes) - 1
    const authorization = `Basic ${Buffer.from(`${device}:${secret()}`).toString('base64')}`
    let answer: Dispatcher.ResponseData
    try {
      answer = await request(`${hubUrl}/v1/blobs/${sha256}`, {
        dispatcher: this.#agent,
        headers: { authorization, range: `bytes=${start}-${last}`, 'accept-encoding': 'identity' },
        signal,
      })
    } catch (error) {
      signal.throwIfAborted()
      throw httpError('the hub cannot be reached', error)
    }
    const { statusCode, headers, body } = answer
    // A body that is destroyed unread may say so; nobody listens to it any more.
    body.on('error', () => undefined)
    if (statusCode === 200) return { body, skipBytes: start }
    if (statusCode === 206 && headers['content-range'] === `bytes ${start}-${last}/${sizeBytes}`)
      return { body, skipBytes: 0 }
    body.destroy()
    throw httpError(statusCode === 206 ? 'another range than asked for' : `the hub answered ${statusCode}`)
  }
}

/** Missing chunks that lie side by side, first and last included. */
type ChunkRun = { first: number; last: number }

function firstMissingRun({ missing }: PartialBlob): ChunkRun | undefined {
  if (missing.size === 0) return undefined
  const first = Math.min(...missing)
  let last = first
  while (missing.has(last + 1) && last + 1 - first < chunksPerRequestMax) last++
  return { first, last }
}

async function takeChunks(
  body: AsyncIterable<Buffer>,
  skipBytes: number,
  blob: PartialBlob,
  run: ChunkRun,
): Promise<void> {
  const chunk = Buffer.alloc(chunkBytes)
  let toSkip = skipBytes
  let index = run.first
  let filled = 0
  for await (const piece of body) {
    for (let at = Math.min(toSkip, piece.length); at < piece.length; ) {
      const copied = piece.copy(chunk, filled, at, at + chunkSizeBytes(blob.file, index) - filled)
      at += copied
      filled += copied
      if (filled < chunkSizeBytes(blob.file, index)) continue
      if ((await blob.put(index, chunk.subarray(0, filled))) === 'corrupt')
        throw httpError(`chunk ${index} is not what the manifest says`)
      if (index === run.last) return
      index++
      filled = 0
    }
    toSkip -= Math.min(toSkip, piece.length)
  }
  throw httpError('the answer ended early')
}

const httpError = (message: string, cause?: unknown) =>
  new DownloadError('http', message, cause === undefined ? undefined : { cause })
