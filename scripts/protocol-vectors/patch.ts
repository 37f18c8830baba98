// A patch with an operation of every kind, put together by hand: zstd frames are written down, since another release of
// the library may compress otherwise; all else is what the hub's encoder makes.

import {
  encodeHeader,
  encodeOperationHead,
  type Operation,
  type WordFormat,
} from '@roost/shared/bundle/delta/format.ts'
import { encodeWords } from '@roost/shared/bundle/delta/word-coder.ts'
import { wordDifferences } from '@roost/shared/bundle/delta/words.ts'
import { sha256 } from './parties.ts'

const head = Buffer.from('the same before and after; ')
const before = Buffer.from('{"name":"pump","rows":[1,2,3,4,5,6,7,8],"unit":"bar"}')
const after = Buffer.from('{"name":"pump","rows":[1,2,3,4,5,6,7,9],"unit":"psi"}')
const afterInZstd = Buffer.from('28b52ffd20357d0000387b39707369227d02006093985457', 'hex')
const inserted = Buffer.from(' new ')
const shorts = Array.from({ length: 48 }, (_, i) => 1000 * i)
const shortMoves = shorts.map((_, i) => (i === 7 ? 3 : i === 30 ? -2 : 0))
/** Of the byte planes of these differences. */
const shortPlanesInZstd = Buffer.from('28b52ffd20609d000058000000000000000600030002000512fec011', 'hex')
const floats = Array.from({ length: 32 }, (_, i) => (i % 2 === 0 ? 0.5 : -0.001) * (i + 1))
/** In units of the last place: none, small, either sign, and so large that the bits at even odds come in two parts. */
const floatMoves = floats.map((_, i) => [0, 1, -1, 0, 5, -300, 70_000, 0, 0, -5_000_000][i % 10] ?? 0)
const bytes = Array.from({ length: 24 }, (_, i) => 10 * i)
const byteMoves = bytes.map((_, i) => (i % 3 === 0 ? 1 : i % 7 === 0 ? -9 : 0))

const old = Buffer.concat([head, before, shortsOf(shorts), floatsOf(floats), Buffer.from(bytes)])
const movedFloats = wordsMoved(floatsOf(floats), floatMoves)
const fresh = Buffer.concat([
  head,
  inserted,
  after,
  shortsOf(moved(shorts, shortMoves)),
  movedFloats,
  Buffer.from(moved(bytes, byteMoves)),
])

const places = { before: head.length, shorts: head.length + before.length }
const floatsAt = places.shorts + 2 * shorts.length
const bytesAt = floatsAt + 4 * floats.length
const exponent: WordFormat = { width: 4, contextShift: 23, contextBits: 8 }
const integer: WordFormat = { width: 1, contextShift: 0, contextBits: 0 }

const operations: { operation: Operation; payload: Uint8Array }[] = [
  { operation: { kind: 'copy', length: head.length, baseOffset: 0 }, payload: new Uint8Array() },
  { operation: { kind: 'raw', length: inserted.length }, payload: inserted },
  {
    operation: {
      kind: 'zstd',
      length: after.length,
      payloadBytes: afterInZstd.length,
      baseOffset: places.before,
      dictionaryBytes: before.length,
    },
    payload: afterInZstd,
  },
  {
    operation: {
      kind: 'planes',
      length: 2 * shorts.length,
      payloadBytes: shortPlanesInZstd.length,
      baseOffset: places.shorts,
      width: 2,
    },
    payload: shortPlanesInZstd,
  },
  coded(floatsOf(floats), movedFloats, floatsAt, exponent),
  coded(Buffer.from(bytes), Buffer.from(moved(bytes, byteMoves)), bytesAt, integer),
]

export const patch = {
  old,
  new: fresh,
  patch: Buffer.concat([
    encodeHeader({
      base: { sha256: sha256(old), sizeBytes: old.length },
      target: { sha256: sha256(fresh), sizeBytes: fresh.length },
    }),
    ...operations.flatMap(({ operation, payload }) => [encodeOperationHead(operation), payload]),
  ]),
  operations: operations.map(({ operation }) => operation),
}

function coded(base: Uint8Array, target: Uint8Array, baseOffset: number, words: WordFormat) {
  const payload = encodeWords(base, wordDifferences(base, target, words.width), words, base.length)
  if (payload === undefined) throw new Error('the coded differences are longer than the words')
  const operation: Operation = { kind: 'coded', length: base.length, payloadBytes: payload.length, baseOffset, words }
  return { operation, payload }
}

function moved(words: readonly number[], moves: readonly number[]): number[] {
  return words.map((word, i) => word + (moves[i] ?? 0))
}

function shortsOf(words: readonly number[]): Buffer {
  const into = Buffer.alloc(2 * words.length)
  words.forEach((word, i) => {
    into.writeUInt16LE(word, 2 * i)
  })
  return into
}

function floatsOf(numbers: readonly number[]): Buffer {
  const into = Buffer.alloc(4 * numbers.length)
  numbers.forEach((number, i) => {
    into.writeFloatLE(number, 4 * i)
  })
  return into
}

/** The float's bits as an unsigned integer, moved. */
function wordsMoved(words: Buffer, moves: readonly number[]): Buffer {
  const into = Buffer.from(words)
  moves.forEach((move, i) => {
    into.writeUInt32LE((words.readUInt32LE(4 * i) + move) >>> 0, 4 * i)
  })
  return into
}
