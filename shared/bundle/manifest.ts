// The manifest: what one variant of one version is made of. Signed with a release key, never changed afterwards.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { WindowSpec } from '../drift/baseline.ts'
import { Digest, ModelName, Name } from '../protocol/names.ts'
import { decodeBase64, encodeEnvelope, payloadTypes, signEnvelope, verifyEnvelope } from '../trust/envelope.ts'
import { TrustError } from '../trust/error.ts'
import type { KeyPair } from '../trust/keys.ts'
import type { Root } from '../trust/root.ts'
import { parseStrictJson } from '../trust/strict-json.ts'
import { TensorSpec } from './tensor.ts'

export const chunkBytes = 65_536
/** A sha256 in the list of chunk hashes. */
export const chunkHashBytes = 32
/** The model, 512 MiB, and each other file, 64 MiB: so that the hashes of all their chunks fit into the manifest and the
 *  manifest into a message (11,264 hashes, twice in base64, are 626 KiB). */
export const fileBytesMax = 8192 * chunkBytes
export const partBytesMax = 1024 * chunkBytes

export const contentCipher = 'chacha20-poly1305'

/** Of a sealed bundle the file as it travels is ciphertext, and `plain` is what must come out (sealing.ts).
 *  `chunks`: the sha256 of every 64 KiB of the file, raw and concatenated, base64. */
export const BundleFile = z.object({
  role: z.enum(['model', 'features', 'baseline', 'golden']),
  sha256: Digest,
  sizeBytes: z.number().int().positive().max(fileBytesMax),
  chunks: z.base64(),
  plain: z.object({ sha256: Digest, sizeBytes: z.number().int().positive().max(fileBytesMax) }).optional(),
})
export type BundleFile = z.infer<typeof BundleFile>

/** What the runtime may use and must reach on the device; the profile may be stricter. */
export const Limits = z.object({
  /** Memory the model may add to the bare runtime. */
  memoryBytes: z.number().int().positive(),
  /** Loading and all golden vectors together. */
  trialMs: z.number().int().positive(),
  /** One inference; a runtime whose inference takes longer than this is killed as hung. */
  inferenceMs: z.number().int().positive(),
})
export type Limits = z.infer<typeof Limits>

/** What an output means, where it means something a label can be held against. */
export const Task = z.object({
  kind: z.literal('binary-classification'),
  output: z.string(),
  threshold: z.number(),
})
export type Task = z.infer<typeof Task>

export const Manifest = z.object({
  type: z.literal('manifest'),
  formatVersion: z.literal(1),
  model: ModelName,
  version: z.number().int().positive(),
  /** Only grows over all versions of a model; the floor a device remembers is of this. */
  counter: z.number().int().positive(),
  variant: Name,
  /** Device profiles it is for; empty: any. */
  profiles: z.array(Name).max(64),
  files: z.array(BundleFile).min(1).max(4),
  inputs: z.array(TensorSpec).min(1).max(64),
  outputs: z.array(TensorSpec).min(1).max(64),
  opset: z.number().int().positive(),
  limits: Limits,
  window: WindowSpec,
  task: Task.optional(),
  /** Where the files are encrypted: `key` is the sha256 of the content key. Each device gets the key itself in a box. */
  sealed: z.object({ cipher: z.literal(contentCipher), key: Digest }).optional(),
  created: z.iso.datetime(),
})
export type Manifest = z.infer<typeof Manifest>

/** The manifest's exact bytes: what is signed, and what its digest names. */
export const manifestPayload = (manifest: Manifest): Uint8Array => Buffer.from(JSON.stringify(manifest))

/** sha256 of the payload, hex: the name of a manifest, whoever signed it. */
export const manifestDigest = (payload: Uint8Array): Digest => createHash('sha256').update(payload).digest('hex')

/** The envelope's bytes over a manifest's exact bytes. */
export function signManifest(payload: Uint8Array, keyPairs: readonly KeyPair[]): Uint8Array {
  return encodeEnvelope(signEnvelope(payloadTypes.manifest, payload, keyPairs))
}

/** The manifest in an envelope that the release role of `root` signed, and its digest.
 *  @throws TrustError `too-large`, `malformed`, `payload-type`, `threshold`, `key`, `manifest` */
export function verifyManifest(bytes: Uint8Array, root: Root): { manifest: Manifest; digest: Digest } {
  const payload = verifyEnvelope(bytes, payloadTypes.manifest, root, 'release')
  return { manifest: parseManifest(payload), digest: manifestDigest(payload) }
}

/** Of a file of so many bytes, when sealed: 16 more for every 65,520. */
export const sealedSizeBytes = (plainBytes: number): number =>
  plainBytes + 16 * Math.ceil(plainBytes / (chunkBytes - 16))

/** Reads a manifest and checks that it does not contradict itself: one file a role, one of them the model, and as many
 *  chunk hashes as the size has chunks. Says nothing about who made it.
 *  @throws TrustError `malformed`, `manifest` */
export function parseManifest(payload: Uint8Array): Manifest {
  const manifest = parseStrictJson(payload, Manifest)
  const fileRoles = manifest.files.map(({ role }) => role)
  if (new Set(fileRoles).size < fileRoles.length) throw new TrustError('manifest', 'two files of one role')
  if (!fileRoles.includes('model')) throw new TrustError('manifest', 'no file of role model')
  for (const { role, sizeBytes, chunks, plain } of manifest.files) {
    if ((plain === undefined) !== (manifest.sealed === undefined)) {
      throw new TrustError('manifest', `${role}: sealed are all files or none`)
    }
    if (plain !== undefined && sizeBytes !== sealedSizeBytes(plain.sizeBytes)) {
      throw new TrustError('manifest', `${role}: ${plain.sizeBytes} bytes are not ${sizeBytes} when sealed`)
    }
    if (role !== 'model' && sizeBytes > partBytesMax) {
      throw new TrustError('manifest', `${role} has ${sizeBytes} bytes, at most ${partBytesMax}`)
    }
    const hashes = decodeBase64(chunks).length / chunkHashBytes
    const chunksDue = Math.ceil(sizeBytes / chunkBytes)
    if (hashes !== chunksDue) throw new TrustError('manifest', `${role}: ${hashes} chunk hashes, ${chunksDue} are due`)
  }
  return manifest
}
