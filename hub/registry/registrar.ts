// The one door into the registry: a multipart upload and an ONNX file that is a blob already go the same way, and in
// the same line.

import { chunkHashes } from '@roost/shared/bundle/chunks.ts'
import { Digest } from '@roost/shared/protocol/names.ts'
import type { Hub } from '../hub.ts'
import { notFound, Problem } from '../problem.ts'
import type { StagedBlob } from '../storage/blobs.ts'
import { type Registered, type Registration, register, type Source } from './register.ts'
import type { Score } from './scoring.ts'
import { createTurns } from './turns.ts'
import { receiveUpload, sampleBytesMax } from './upload.ts'

export type BlobRegistration = Registration & {
  /** The ONNX file, and the sample where there is one: blobs of this hub. */
  sha256: string
  sample?: string | undefined
  metadata: unknown
  golden?: unknown
}

export type Registrar = {
  /** A multipart upload.
   *  @throws Problem: docs/registering.md lists them */
  register(registration: Registration & { request: Request }): Promise<Registered>
  /** A file that has arrived another way (a resumed upload, an artifact of a run).
   *  @throws Problem as `register`, and not-found where there is no such blob */
  registerBlob(registration: BlobRegistration): Promise<Registered>
}

/** The blob that a resumable upload of this actor has become.
 *  @throws Problem not-found, unfinished-upload */
export type TakeUpload = (actor: string, id: string) => Promise<string>
/** Removes such an upload with its blob, if nothing else names that: a sealed version leaves nothing behind in the open. */
export type DropUpload = (actor: string, id: string, sha256: string) => Promise<void>

/** `onRegistered` hears of each version, and of each further variant, after it is there. */
export function createRegistrar(
  hub: Hub,
  score: Score,
  onRegistered: (model: string, version: number) => Promise<void> | void = () => undefined,
  takeUpload: TakeUpload = (_, id) => Promise.reject(notFound('upload', id)),
  dropUpload: DropUpload = () => Promise.resolve(),
): Registrar {
  const turns = createTurns()
  const told = async (model: string, registered: Promise<Registered>): Promise<Registered> => {
    const done = await registered
    await onRegistered(model, done.version)
    return done
  }
  return {
    register: ({ request, ...registration }) =>
      turns.enter(async (oneAtATime) => {
        await using received = await receiveUpload(request, hub.blobs, hub.config.uploadBytesMax)
        const { upload, sample, metadata, golden } = received
        const bytesMax = hub.config.uploadBytesMax
        const model =
          received.model ??
          (await asStaged(hub, 'model', await takeUpload(registration.createdBy, upload ?? ''), bytesMax))
        const registered = await told(
          registration.model,
          oneAtATime(() => register(hub, score, { model, sample, metadata, golden }, registration)),
        )
        if (upload !== undefined && registered.sealed) {
          await dropUpload(registration.createdBy, upload, model.sha256)
        }
        return registered
      }),
    registerBlob: ({ sha256, sample, metadata, golden, ...registration }) =>
      turns.enter((oneAtATime) =>
        told(
          registration.model,
          oneAtATime(async () => {
            const source: Source = {
              model: await asStaged(hub, 'model', sha256, hub.config.uploadBytesMax),
              metadata,
              sample: sample === undefined ? undefined : await asStaged(hub, 'sample', sample, sampleBytesMax),
              golden,
            }
            return register(hub, score, source, registration)
          }),
        ),
      ),
  }
}

/** A blob as if it had just been staged; there is nothing to remove, and it is to stay.
 *  @throws Problem not-found, too-large */
async function asStaged(
  { blobs }: Pick<Hub, 'blobs'>,
  field: 'model' | 'sample',
  name: string,
  bytesMax: number,
): Promise<StagedBlob> {
  const digest = Digest.safeParse(name)
  if (!digest.success || !(await blobs.has(digest.data))) throw notFound('blob', name)
  const sha256 = digest.data
  const sizeBytes = await blobs.sizeBytes(sha256)
  if (sizeBytes > bytesMax) {
    const detail = `the blob has ${sizeBytes} bytes; ${field} may have ${bytesMax}`
    throw new Problem(413, 'too-large', 'Too large', detail, { field })
  }
  return {
    ...(await chunkHashes(blobs.open(sha256))),
    path: blobs.pathOf(sha256),
    read: (offset, length) => blobs.read(sha256, offset, length),
    keep: () => blobs.renew(sha256),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
