// Applies a patch, front to back: three blocks in memory, however large the files. Neither patch nor base is trusted.
// What comes out is held against hashes by whoever asked; here it is only made sure that reading ends, and soon.

import { constants, zstdDecompressSync } from 'node:zlib'
import {
  blockBytesMax,
  DeltaError,
  decodeHeader,
  decodeOperationHead,
  type FileName,
  headerBytes,
  malformed,
  type Operation,
  operationHeadBytes,
  operationsMax,
  payloadBytesOf,
  type Source,
} from './format.ts'
import { decodeWords } from './word-coder.ts'
import { addDifferences, fromBytePlanes } from './words.ts'

/** The window a frame may ask its reader for: 8 MiB, as for chunks. */
const windowLogMax = 23
const copyBytesMax = 65_536

/** The new file in pieces of at most `blockBytesMax` bytes, `expected.target.sizeBytes` in all.
 *  @throws DeltaError, also after some pieces; whatever the sources throw */
export async function* applyPatch(
  patch: Source,
  base: Source,
  expected: { base: FileName['sha256']; target: FileName },
): AsyncGenerator<Uint8Array, void, undefined> {
  const header = decodeHeader(await patch.read(0, Math.min(headerBytes, patch.sizeBytes)))
  const isMeant = header.base.sha256 === expected.base && header.target.sha256 === expected.target.sha256
  if (!isMeant || header.target.sizeBytes !== expected.target.sizeBytes || header.base.sizeBytes !== base.sizeBytes) {
    throw new DeltaError('other-files', 'the patch is for other files')
  }
  let at = headerBytes
  let leftBytes = header.target.sizeBytes
  let leftOperations = operationsMax(header.target.sizeBytes)
  let leftDictionaryBytes = base.sizeBytes
  while (leftBytes > 0) {
    const head = await patch.read(at, Math.min(operationHeadBytes, patch.sizeBytes - at))
    const operation = decodeOperationHead(head, base.sizeBytes, leftBytes)
    const payloadAt = at + operationHeadBytes
    at = payloadAt + payloadBytesOf(operation)
    if (at > patch.sizeBytes) throw malformed('it breaks off')
    leftOperations -= 1
    leftDictionaryBytes -= operation.kind === 'zstd' ? operation.dictionaryBytes : 0
    if (leftOperations < 0 || leftDictionaryBytes < 0) throw malformed('more work than a file of this size can need')
    leftBytes -= operation.length
    if (operation.kind === 'copy') yield* copied(base, operation)
    else yield await made(operation, base, await patch.read(payloadAt, payloadBytesOf(operation)))
  }
  if (at !== patch.sizeBytes) throw malformed('it goes on behind its end')
}

async function* copied(base: Source, { baseOffset, length }: { baseOffset: number; length: number }) {
  for (let done = 0; done < length; done += copyBytesMax) {
    yield await base.read(baseOffset + done, Math.min(copyBytesMax, length - done))
  }
}

async function made(
  operation: Exclude<Operation, { kind: 'copy' }>,
  base: Source,
  payload: Uint8Array,
): Promise<Uint8Array> {
  const { length } = operation
  switch (operation.kind) {
    case 'raw':
      return payload
    case 'zstd': {
      const { baseOffset, dictionaryBytes } = operation
      const dictionary = dictionaryBytes > 0 ? await base.read(baseOffset, dictionaryBytes) : undefined
      return decompress(payload, length, dictionary)
    }
    case 'planes': {
      const before = await base.read(operation.baseOffset, length)
      return addDifferences(before, fromBytePlanes(decompress(payload, length), operation.width), operation.width)
    }
    case 'coded': {
      const before = await base.read(operation.baseOffset, length)
      return addDifferences(before, decodeWords(before, payload, operation.words), operation.words.width)
    }
  }
}

/** Exactly `length` bytes.
 *  @throws DeltaError `malformed` */
function decompress(payload: Uint8Array, length: number, dictionary?: Uint8Array): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = zstdDecompressSync(payload, {
      maxOutputLength: Math.min(length, blockBytesMax),
      params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
      ...(dictionary && { dictionary }),
    })
  } catch (error) {
    throw malformed('a frame that cannot be read', error)
  }
  if (bytes.length !== length) throw malformed(`a frame of ${bytes.length} bytes where ${length} are due`)
  return bytes
}
