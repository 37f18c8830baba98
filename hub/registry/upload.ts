// The parts of a registration as they arrive: files to disk under their limits, JSON into bounded memory.
// Nothing large is ever whole in memory, and what goes wrong in one part stops the reading of all.

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy } from '@fastify/busboy'
import { z } from 'zod'
import { invalidRequest, Problem } from '../problem.ts'
import { BlobError, type BlobStore, type StagedBlob } from '../storage/blobs.ts'

export const sampleBytesMax = 64 * 1_048_576
export const goldenBytesMax = 8 * 1_048_576
export const metadataBytesMax = 1_048_576
/** Boundaries and part headers beside the parts themselves. */
const framingBytesMax = 65_536

/** `metadata` and `golden`: JSON, not validated yet. */
export type Upload = AsyncDisposable & {
  /** Undefined where it came another way: `upload` is the id of a resumable upload that holds it. */
  model: StagedBlob | undefined
  upload: string | undefined
  metadata: unknown
  sample: StagedBlob | undefined
  golden: unknown
}

const partNames = ['model', 'metadata', 'sample', 'golden'] as const
type PartName = (typeof partNames)[number]

/** Reads a `multipart/form-data` request. Dispose of what it returns: files that were not kept are removed.
 *  @throws Problem too-large, missing-part, unknown-part, repeated-part, malformed-upload, invalid-json */
export async function receiveUpload(request: Request, blobs: BlobStore, modelBytesMax: number): Promise<Upload> {
  const bytesMax = modelBytesMax + sampleBytesMax + goldenBytesMax + metadataBytesMax + framingBytesMax
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw tooLarge('the request', bytesMax)

  const staged = new AsyncDisposableStack()
  const files = new Map<PartName, StagedBlob>()
  const texts = new Map<PartName, unknown>()
  const read: Record<PartName, (part: AsyncIterable<Uint8Array>) => Promise<void>> = {
    model: async (part) => {
      files.set('model', staged.use(await stage(blobs, 'model', part, modelBytesMax)))
    },
    sample: async (part) => {
      files.set('sample', staged.use(await stage(blobs, 'sample', part, sampleBytesMax)))
    },
    metadata: async (part) => {
      texts.set('metadata', await readJson('metadata', part, metadataBytesMax))
    },
    golden: async (part) => {
      texts.set('golden', await readJson('golden', part, goldenBytesMax))
    },
  }
  try {
    await readParts(request, read)
    const model = files.get('model')
    const { upload, metadata } = splitUpload(texts.get('metadata') ?? {})
    if (model === undefined && upload === undefined) {
      const detail = 'send the ONNX file as `model`, or name the upload that holds it as `metadata.upload`'
      throw new Problem(422, 'missing-part', 'A part is missing', detail, { field: 'model' })
    }
    if (model !== undefined && upload !== undefined) {
      const detail = 'the model came as `model` and as `metadata.upload`: send one of them'
      throw new Problem(422, 'repeated-part', 'A part came twice', detail, { field: 'metadata.upload' })
    }
    return {
      model,
      upload,
      metadata,
      sample: files.get('sample'),
      golden: texts.get('golden'),
      [Symbol.asyncDispose]: () => staged.disposeAsync(),
    }
  } catch (error) {
    await staged.disposeAsync()
    throw error
  }
}

const WithUpload = z.looseObject({ upload: z.string().regex(/^[0-9a-f]{32}$/, 'the id of an upload') })

/** The id of the resumable upload, and the metadata without it.
 *  @throws Problem invalid-request where it is no id */
function splitUpload(metadata: unknown): { upload: string | undefined; metadata: unknown } {
  if (typeof metadata !== 'object' || metadata === null || !('upload' in metadata)) {
    return { upload: undefined, metadata }
  }
  const named = WithUpload.safeParse(metadata)
  if (!named.success) {
    throw invalidRequest({
      issues: named.error.issues.map((issue) => ({ ...issue, path: ['metadata', ...issue.path] })),
    })
  }
  const { upload, ...rest } = named.data
  return { upload, metadata: rest }
}

/** Gives each part to its reader as it comes; the first reader that fails ends it all. */
async function readParts(
  request: Request,
  readers: Record<PartName, (part: AsyncIterable<Uint8Array>) => Promise<void>>,
): Promise<void> {
  const parser = createParser(request.headers.get('content-type') ?? '')
  const reading: Promise<void>[] = []
  const seen = new Set<string>()
  const failed = new AbortController()
  let failure: unknown
  const parts: Readable[] = []
  const fail = (error: unknown) => {
    // what a reader says is wrong explains what its broken stream says, not the other way round
    if (failure === undefined || (error instanceof Problem && !(failure instanceof Problem))) failure = error
    failed.abort()
  }
  parser.on('file', (name, part) => {
    // a part cut short ends in its reader too; an error nobody listens to would end the process
    part.on('error', fail)
    parts.push(part)
    const reader = isPartName(name) && !seen.has(name) ? readers[name] : undefined
    if (reader === undefined) return fail(seen.has(name) ? repeatedPart(name) : unknownPart(name))
    seen.add(name)
    reading.push(reader(part).catch(fail))
  })
  parser.on('partsLimit', () => fail(malformed(`more than ${partNames.length} parts`)))
  try {
    await pipeline(Readable.fromWeb(request.body ?? new ReadableStream()), parser, { signal: failed.signal })
  } catch (error) {
    fail(error)
  }
  if (failure !== undefined) for (const stream of [parser, ...parts]) stream.destroy()
  await Promise.all(reading)
  if (failure instanceof Problem) throw failure
  if (failure !== undefined) throw malformed(failure instanceof Error ? failure.message : String(failure), failure)
}

function createParser(contentType: string) {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      isPartAFile: () => true,
      limits: { parts: partNames.length, fieldNameSize: 64, headerPairs: 16, headerSize: 4096 },
    })
  } catch (cause) {
    throw new Problem(
      415,
      'unsupported-media-type',
      'The request cannot be read',
      'send multipart/form-data with a boundary',
      { cause },
    )
  }
}

const isPartName = (name: string): name is PartName => partNames.some((known) => known === name)

async function stage(
  blobs: BlobStore,
  name: PartName,
  part: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<StagedBlob> {
  try {
    return await blobs.stage(part, { bytesMax })
  } catch (error) {
    if (error instanceof BlobError && error.code === 'too-large') throw tooLarge(name, bytesMax)
    throw error
  }
}

async function readJson(name: PartName, part: AsyncIterable<Uint8Array>, bytesMax: number): Promise<unknown> {
  const pieces: Uint8Array[] = []
  let sizeBytes = 0
  for await (const piece of part) {
    sizeBytes += piece.length
    if (sizeBytes > bytesMax) throw tooLarge(name, bytesMax)
    pieces.push(piece)
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces)))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Problem(422, 'invalid-json', 'Not JSON', `the part ${name} is not JSON: ${reason}`, {
      field: name,
      cause,
    })
  }
}

const tooLarge = (what: string, bytesMax: number) =>
  new Problem(413, 'too-large', 'Too large', `${what} may have ${bytesMax} bytes; it was cut there`, { field: what })
const unknownPart = (name: string) =>
  new Problem(
    422,
    'unknown-part',
    'Unknown part',
    `there is no part ${JSON.stringify(name)}; parts are ${partNames.join(', ')}`,
    { field: name },
  )
const repeatedPart = (name: string) =>
  new Problem(422, 'repeated-part', 'A part came twice', `the part ${JSON.stringify(name)} came twice`, { field: name })
const malformed = (detail: string, cause?: unknown) =>
  new Problem(400, 'malformed-upload', 'The upload is malformed', detail, { cause })
