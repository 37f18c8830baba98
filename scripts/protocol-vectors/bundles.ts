// Two bundles: one in the open whose model has two chunks, and one that is sealed.

import { ChunkHasher } from '@roost/shared/bundle/chunks.ts'
import {
  type BundleFile,
  contentCipher,
  type Manifest,
  manifestDigest,
  manifestPayload,
  signManifest,
} from '@roost/shared/bundle/manifest.ts'
import { contentKeyId, plainChunkBytes, sealChunk } from '@roost/shared/bundle/sealing.ts'
import { wrapContentKey } from '@roost/shared/trust/content-key.ts'
import { releaseKey, repeated, sealPair, sha256 } from './parties.ts'

/** No ONNX, which none of the checks look at: the pattern over and over. */
export const model = { pattern: 'roost model ', sizeBytes: 65_576 }
export const modelBytes = repeated(model.pattern, model.sizeBytes)
export const goldenBytes: Uint8Array = Buffer.from(
  '{"vectors":[{"inputs":{"x":{"datatype":"FP32","shape":[1,2],"data":[0.5,1]}},' +
    '"outputs":{"p":{"datatype":"FP32","shape":[1,1],"data":[0.25]}}}],"tolerance":{"absolute":0.0001,"relative":0.001}}',
)

export const open = bundle({
  version: 1,
  counter: 1,
  files: [fileOf('model', modelBytes), fileOf('golden', goldenBytes)],
})
/** The next version, for floors and for what a rollout replaces. */
export const next = bundle({ version: 2, counter: 2, files: [fileOf('model', modelBytes.subarray(0, 65_570))] })

export const contentKey = new Uint8Array(32).fill(0x42)
export const sealedGolden = seal('golden', goldenBytes)
export const sealedModel = seal('model', modelBytes)
export const sealed = bundle({
  version: 3,
  counter: 3,
  files: [sealedFile('model', modelBytes, sealedModel), sealedFile('golden', goldenBytes, sealedGolden)],
  sealed: { cipher: contentCipher, key: contentKeyId(contentKey) },
})
/** The key in a box for the device; sender and nonce would be random. */
export const box = wrapContentKey(contentKey, sealed.digest, sealPair.publicKey, (sizeBytes) =>
  new Uint8Array(sizeBytes).fill(sizeBytes),
)

export type Bundle = { manifest: Manifest; payload: Uint8Array; digest: string; envelope: Uint8Array }

export function bundle(changes: Partial<Manifest>): Bundle {
  const manifest: Manifest = {
    type: 'manifest',
    formatVersion: 1,
    model: 'pumps',
    version: 1,
    counter: 1,
    variant: 'fp32',
    profiles: [],
    files: [],
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2] }],
    outputs: [{ name: 'p', datatype: 'FP32', shape: [1, 1] }],
    opset: 17,
    limits: { memoryBytes: 134_217_728, trialMs: 60_000, inferenceMs: 2_000 },
    window: { seconds: 60 },
    task: { kind: 'binary-classification', output: 'p', threshold: 0.5 },
    created: '2026-11-20T08:00:00.000Z',
    ...changes,
  }
  const payload = manifestPayload(manifest)
  return { manifest, payload, digest: manifestDigest(payload), envelope: signManifest(payload, [releaseKey]) }
}

export function fileOf(role: BundleFile['role'], bytes: Uint8Array): BundleFile {
  const hasher = new ChunkHasher()
  hasher.update(bytes)
  return { role, ...hasher.digest() }
}

function sealedFile(role: BundleFile['role'], plain: Uint8Array, ciphertext: Uint8Array): BundleFile {
  return { ...fileOf(role, ciphertext), plain: { sha256: sha256(plain), sizeBytes: plain.length } }
}

function seal(role: BundleFile['role'], plain: Uint8Array): Uint8Array {
  const chunks = Math.ceil(plain.length / plainChunkBytes)
  return Buffer.concat(
    Array.from({ length: chunks }, (_, index) =>
      sealChunk(
        contentKey,
        { role, index, isLast: index === chunks - 1 },
        plain.subarray(index * plainChunkBytes, (index + 1) * plainChunkBytes),
      ),
    ),
  )
}
