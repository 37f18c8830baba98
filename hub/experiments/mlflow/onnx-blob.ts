// Finds the ONNX file of a logged model among its files, and makes it one file where its weights lie in others.

import type { Hub } from '../../hub.ts'
import { OnnxError } from '../../registry/onnx-error.ts'
import { inlineWeights, modelBytesMax, type Piece } from '../../registry/onnx-inline.ts'
import { BlobError } from '../../storage/blobs.ts'
import { type Owner, pathFault } from '../artifacts/path.ts'
import { type ArtifactRow, artifactsBelow, findArtifact } from '../artifacts/store.ts'
import { doesNotExist, invalidParameter } from './error.ts'
import { type MlModel, mlModelBytesMax, readMlModel } from './mlmodel.ts'

export type FoundModel = {
  /** The ONNX file, whole. */
  sha256: string
  framework: string
  /** What a client finds when it downloads the version, relative to the model's folder; none: what the hub writes. */
  files: ArtifactRow[]
}

/** @param source where the MLmodel file lies, or an ONNX file itself
 *  @throws MlflowError saying what to do about a model that is none, or no ONNX */
export async function findModel(hub: Hub, owner: Owner, source: string): Promise<FoundModel> {
  const isFile = source.endsWith('.onnx') && (await findArtifact(hub.database, owner, source)) !== undefined
  const folder = isFile ? source.slice(0, Math.max(0, source.lastIndexOf('/'))) : source
  const files = (await artifactsBelow(hub.database, owner, folder)).map((file) => ({
    ...file,
    path: folder === '' ? file.path : file.path.slice(folder.length + 1),
  }))
  const mlModel = isFile ? undefined : await describedBy(hub, files, source)
  const path = mlModel === undefined ? source.slice(source.lastIndexOf('/') + 1) : onnxPath(mlModel)
  const onnx = files.find((file) => file.path === path)
  if (onnx === undefined) {
    throw doesNotExist(`The model's file ${JSON.stringify(path)} is not among its files: log it anew`)
  }
  const framework = mlModel?.onnxVersion === undefined ? 'onnx' : `onnx ${mlModel.onnxVersion}`
  const merged = await inOneFile(hub, onnx, files)
  const whole = merged?.file ?? onnx
  const kept = files.filter((file) => file.path !== path && !(merged?.used.has(file.path) ?? false))
  return { sha256: whole.sha256, framework, files: isFile ? [] : [...kept, whole] }
}

async function describedBy(hub: Hub, files: readonly ArtifactRow[], source: string): Promise<MlModel> {
  const where = source === '' ? 'the source' : JSON.stringify(source)
  if (files.length === 0) throw doesNotExist(`There are no files in ${where}: log the model first`)
  const described = files.find(({ path }) => path === 'MLmodel')
  if (described !== undefined) return readMlModel(Buffer.from(await readSmall(hub, described)).toString())
  throw invalidParameter(`There is no MLmodel file in ${where}: name the folder that log_model made, or an .onnx file`)
}

/** @throws MlflowError where the model has no ONNX flavor */
function onnxPath({ onnxFile, flavors: all }: MlModel): string {
  if (onnxFile !== undefined) return onnxFile
  const flavors = all.slice(0, 10).join(', ')
  throw invalidParameter(
    `The model has no ONNX flavor (it has ${flavors || 'none'}), and devices run ONNX: convert it, for example with ` +
      'skl2onnx, torch.onnx or tf2onnx, and log it with mlflow.onnx.log_model',
  )
}

async function readSmall({ blobs }: Hub, { path, sha256, size_bytes }: ArtifactRow, bytesMax = mlModelBytesMax) {
  if (size_bytes > bytesMax) throw invalidParameter(`${path} has ${size_bytes} bytes; at most ${bytesMax} are read`)
  return blobs.read(sha256, 0, size_bytes)
}

/** The model with its weights inside, as a new blob; undefined where they are inside already. */
async function inOneFile(hub: Hub, onnx: ArtifactRow, files: readonly ArtifactRow[]) {
  // larger ones hold their weights; if they do not, the inspection says so
  if (onnx.size_bytes > modelBytesMax) return undefined
  const folder = onnx.path.slice(0, onnx.path.lastIndexOf('/') + 1)
  const beside = (location: string) =>
    pathFault(location) === undefined ? files.find(({ path }) => path === folder + location) : undefined
  const used = new Set<string>()
  const sizeOf = (location: string) => {
    const file = beside(location)
    if (file !== undefined) used.add(file.path)
    return file?.size_bytes
  }
  try {
    const pieces = inlineWeights(await readSmall(hub, onnx, modelBytesMax), sizeOf)
    if (pieces === undefined) return undefined
    const blob = await hub.blobs.put(
      bytesOf(hub, pieces, (location) => beside(location)?.sha256 ?? ''),
      {
        bytesMax: hub.config.uploadBytesMax,
      },
    )
    return { file: { path: onnx.path, sha256: blob.sha256, size_bytes: blob.sizeBytes }, used }
  } catch (error) {
    if (error instanceof OnnxError) throw invalidParameter(`The model cannot be registered: ${error.message}`)
    if (error instanceof BlobError && error.code === 'too-large') {
      throw invalidParameter(`The model with its weights has more than ${hub.config.uploadBytesMax} bytes`)
    }
    throw error
  }
}

async function* bytesOf({ blobs }: Hub, pieces: readonly Piece[], blobOf: (location: string) => string) {
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) yield piece
    else yield* blobs.open(blobOf(piece.location), piece.offset, piece.length)
  }
}
