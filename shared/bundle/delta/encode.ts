// Makes a patch: what of the new file is the same as in the base, what is a tensor that was trained further, and what is
// left. Each block is written in the smallest of the ways there are. A block of each file is in memory, never a file.

import { constants, zstdCompressSync } from 'node:zlib'
import {
  blockBytesMax,
  encodeHeader,
  encodeOperationHead,
  type FileName,
  headerBytes,
  type Operation,
  operationHeadBytes,
  type Source,
  type WordFormat,
} from './format.ts'
import { encodeWords } from './word-coder.ts'
import { bytePlanes, wordDifferences } from './words.ts'

/** A tensor's numbers in a file: bytes `start` to `end`. Tensors of two files with the same `key` (name, type, shape) are
 *  the same one, older and newer. */
export type TensorPlace = { key: string; start: number; end: number; words: WordFormat }

export type LaidOut = Source & { file: FileName; tensors: readonly TensorPlace[] }

/** Smaller ones are left to zstd, with what is around them. */
const tensorBytesMin = 512
const zstdLevel = 19

/** The patch, piece by piece. Ends early, with `false`, where it would be longer than `bytesMax`.
 *  @throws whatever the sources throw */
export async function* makePatch(
  base: LaidOut,
  target: LaidOut,
  bytesMax: number,
): AsyncGenerator<Uint8Array, boolean, undefined> {
  let leftBytes = bytesMax - headerBytes
  yield encodeHeader({ base: base.file, target: target.file })
  for await (const { operation, payload } of mergedCopies(operationsOf(base, target))) {
    leftBytes -= operationHeadBytes + payload.length
    if (leftBytes < 0) return false
    yield encodeOperationHead(operation)
    if (payload.length > 0) yield payload
  }
  return true
}

type Written = { operation: Operation; payload: Uint8Array }
const nothing = new Uint8Array()

/** Of the new file from front to back; `reference`: where in the base to look for something like it. */
type Stretch = { start: number; end: number; reference: { start: number; end: number }; words: WordFormat | undefined }

/** Tensors that both files have, and what lies between them. */
export function stretchesOf(base: LaidOut, target: LaidOut): Stretch[] {
  const before = new Map(base.tensors.map((place) => [place.key, place]))
  const shared = target.tensors
    .flatMap((place) => {
      const reference = before.get(place.key)
      const sizeBytes = place.end - place.start
      if (reference === undefined || sizeBytes < tensorBytesMin || reference.end - reference.start !== sizeBytes)
        return []
      return [{ start: place.start, end: place.end, reference, words: place.words }]
    })
    .sort((a, b) => a.start - b.start)
  const stretches: Stretch[] = []
  let at = 0
  let baseAt = 0
  const fillUpTo = (end: number, baseEnd: number) => {
    if (end > at)
      stretches.push({ start: at, end, reference: { start: baseAt, end: Math.max(baseAt, baseEnd) }, words: undefined })
  }
  for (const tensor of shared) {
    fillUpTo(tensor.start, tensor.reference.start)
    stretches.push(tensor)
    at = tensor.end
    baseAt = tensor.reference.end
  }
  fillUpTo(target.sizeBytes, base.sizeBytes)
  return stretches
}

async function* operationsOf(base: LaidOut, target: LaidOut): AsyncGenerator<Written, void, undefined> {
  // every byte of the base serves as a dictionary once: that bounds what a reader has to load
  let dictionaryLeft = base.sizeBytes
  for (const { start, end, reference, words } of stretchesOf(base, target)) {
    for (let at = start; at < end; at += blockBytesMax) {
      const block = await target.read(at, Math.min(blockBytesMax, end - at))
      const from = Math.min(reference.start + (at - start), reference.end)
      const known = await base.read(from, Math.min(blockBytesMax, reference.end - from))
      if (known.length >= block.length && Buffer.compare(known.subarray(0, block.length), block) === 0) {
        yield { operation: { kind: 'copy', length: block.length, baseOffset: from }, payload: nothing }
        continue
      }
      const dictionary = words === undefined ? known.subarray(0, dictionaryLeft) : nothing
      dictionaryLeft -= dictionary.length
      const ways = [
        raw(block),
        zstd(block, dictionary, from),
        ...(words === undefined ? [] : deltas(known, block, from, words)),
      ]
      yield ways.reduce((best, way) => (way.payload.length < best.payload.length ? way : best))
    }
  }
}

const raw = (block: Uint8Array): Written => ({ operation: { kind: 'raw', length: block.length }, payload: block })

function zstd(block: Uint8Array, dictionary: Uint8Array, baseOffset: number): Written {
  const isUsed = dictionary.length > 0
  const payload = compress(block, isUsed ? dictionary : undefined)
  const where = { baseOffset: isUsed ? baseOffset : 0, dictionaryBytes: dictionary.length }
  return { operation: { kind: 'zstd', length: block.length, payloadBytes: payload.length, ...where }, payload }
}

/** A block of a tensor ends where a word ends: `blockBytesMax` is a multiple of every width. */
function deltas(base: Uint8Array, block: Uint8Array, baseOffset: number, words: WordFormat): Written[] {
  const differences = wordDifferences(base, block, words.width)
  const planes = compress(bytePlanes(differences, words.width))
  const coded = encodeWords(base, differences, words, block.length)
  const where = { length: block.length, baseOffset }
  return [
    { operation: { kind: 'planes', ...where, payloadBytes: planes.length, width: words.width }, payload: planes },
    ...(coded === undefined
      ? []
      : [{ operation: { kind: 'coded' as const, ...where, payloadBytes: coded.length, words }, payload: coded }]),
  ]
}

function compress(bytes: Uint8Array, dictionary?: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: zstdLevel, [constants.ZSTD_c_contentSizeFlag]: 1 },
    pledgedSrcSize: bytes.length,
    ...(dictionary && { dictionary }),
  })
}

/** Copies that follow each other in both files become one. */
async function* mergedCopies(written: AsyncIterable<Written>): AsyncGenerator<Written, void, undefined> {
  let copy: Extract<Operation, { kind: 'copy' }> | undefined
  for await (const next of written) {
    const { operation } = next
    if (operation.kind === 'copy' && copy !== undefined && copy.baseOffset + copy.length === operation.baseOffset) {
      copy = { ...copy, length: copy.length + operation.length }
    } else {
      if (copy !== undefined) yield { operation: copy, payload: nothing }
      copy = operation.kind === 'copy' ? operation : undefined
      if (copy === undefined) yield next
    }
  }
  if (copy !== undefined) yield { operation: copy, payload: nothing }
}
