// The patch format: a header, then operations that make the new file from front to back. docs/protocol.md says the same
// for those who write a reader in another language. Everything here is read from bytes that nobody vouches for.

import { Digest } from '../../protocol/names.ts'
import { fileBytesMax } from '../manifest.ts'

/** Bytes that one operation makes at most, but for a copy: what a reader has to hold of each of base, payload and result. */
export const blockBytesMax = 1_048_576
export const headerBytes = 96
export const operationHeadBytes = 24
const magic = Buffer.from('RSTDELTA')
const formatVersion = 1

/** A file, or anything else that can be read in any place. `read` gives all of the bytes asked for. */
export type Source = { sizeBytes: number; read: (offset: number, length: number) => Promise<Uint8Array> }

/** `malformed`: what is there is no patch, or breaks a bound. `other-files`: it is for another pair of files. */
export type DeltaCode = 'malformed' | 'other-files'
export class DeltaError extends Error {
  override readonly name = 'DeltaError'
  readonly code: DeltaCode
  constructor(code: DeltaCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export type FileName = { sha256: Digest; sizeBytes: number }
export type Header = { base: FileName; target: FileName }

/** How the numbers of a tensor lie: little endian words of `width` bytes. `contextShift` and `contextBits` pick the bits
 *  of the base's word that say how large a difference is to be expected: a float's exponent; no bits for an integer. */
export type WordFormat = { width: 1 | 2 | 4; contextShift: number; contextBits: number }

/** `length`: bytes of the new file it makes. */
export type Operation =
  | { kind: 'copy'; length: number; baseOffset: number }
  | { kind: 'raw'; length: number }
  /** One zstd frame; `dictionaryBytes` of the base, from `baseOffset`, are what it may refer to (0: nothing). */
  | { kind: 'zstd'; length: number; payloadBytes: number; baseOffset: number; dictionaryBytes: number }
  /** Differences to as many bytes of the base, in byte planes in one zstd frame. */
  | { kind: 'planes'; length: number; payloadBytes: number; baseOffset: number; width: WordFormat['width'] }
  /** The same differences, arithmetically coded (word-coder.ts). */
  | { kind: 'coded'; length: number; payloadBytes: number; baseOffset: number; words: WordFormat }

const kinds = ['copy', 'raw', 'zstd', 'planes', 'coded'] as const

export function encodeHeader({ base, target }: Header): Uint8Array {
  const bytes = Buffer.alloc(headerBytes)
  magic.copy(bytes)
  bytes.writeUInt32LE(formatVersion, 8)
  bytes.writeBigUInt64LE(BigInt(base.sizeBytes), 16)
  bytes.writeBigUInt64LE(BigInt(target.sizeBytes), 24)
  bytes.write(base.sha256, 32, 'hex')
  bytes.write(target.sha256, 64, 'hex')
  return bytes
}

/** @throws DeltaError `malformed` */
export function decodeHeader(bytes: Uint8Array): Header {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.length !== headerBytes || !view.subarray(0, 8).equals(magic)) throw malformed('no header')
  const version = view.readUInt32LE(8)
  if (version !== formatVersion || view.readUInt32LE(12) !== 0) throw malformed(`format ${version}`)
  const sizeAt = (offset: number) => {
    const size = view.readBigUInt64LE(offset)
    if (size < 1n || size > BigInt(fileBytesMax)) throw malformed(`a file of ${size} bytes`)
    return Number(size)
  }
  const digestAt = (offset: number) => Digest.parse(view.toString('hex', offset, offset + 32))
  return {
    base: { sha256: digestAt(32), sizeBytes: sizeAt(16) },
    target: { sha256: digestAt(64), sizeBytes: sizeAt(24) },
  }
}

export function encodeOperationHead(operation: Operation): Uint8Array {
  const bytes = Buffer.alloc(operationHeadBytes)
  const words = operation.kind === 'coded' ? operation.words : { width: 0, contextShift: 0, contextBits: 0 }
  bytes.writeUInt8(kinds.indexOf(operation.kind), 0)
  bytes.writeUInt8(operation.kind === 'planes' ? operation.width : words.width, 1)
  bytes.writeUInt8(words.contextShift, 2)
  bytes.writeUInt8(words.contextBits, 3)
  bytes.writeUInt32LE(operation.length, 4)
  bytes.writeUInt32LE(payloadBytesOf(operation), 8)
  bytes.writeUInt32LE(operation.kind === 'zstd' ? operation.dictionaryBytes : 0, 12)
  bytes.writeBigUInt64LE(BigInt(operation.kind === 'raw' ? 0 : operation.baseOffset), 16)
  return bytes
}

/** The operation, once all that can be said of it without its payload is found right: it makes at least one byte and no
 *  more than `leftBytes`, and reads nothing beyond the base.
 *  @throws DeltaError `malformed` */
export function decodeOperationHead(bytes: Uint8Array, baseBytes: number, leftBytes: number): Operation {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.length !== operationHeadBytes) throw malformed('it ends inside an operation')
  const kind = kinds[view.readUInt8(0)]
  const [width, contextShift, contextBits] = [view.readUInt8(1), view.readUInt8(2), view.readUInt8(3)]
  const [length, payloadBytes, dictionaryBytes] = [view.readUInt32LE(4), view.readUInt32LE(8), view.readUInt32LE(12)]
  const offset = view.readBigUInt64LE(16)
  if (offset > BigInt(baseBytes)) throw malformed('it reads beyond the base')
  const baseOffset = Number(offset)
  if (kind === undefined) throw malformed('an unknown operation')
  if (length === 0 || length > leftBytes) throw malformed(`an operation of ${length} bytes where ${leftBytes} are left`)
  if (kind !== 'copy' && length > blockBytesMax) throw malformed(`an operation of ${length} bytes`)
  const readsBytes = { copy: length, raw: 0, zstd: dictionaryBytes, planes: length, coded: length }[kind]
  if (baseOffset + readsBytes > baseBytes) throw malformed('it reads beyond the base')
  const operation: Operation = (() => {
    switch (kind) {
      case 'copy':
        return { kind, length, baseOffset }
      case 'raw':
        return { kind, length }
      case 'zstd':
        return { kind, length, payloadBytes, baseOffset, dictionaryBytes }
      case 'planes':
        return { kind, length, payloadBytes, baseOffset, width: widthOf(width, length) }
      case 'coded':
        return {
          kind,
          length,
          payloadBytes,
          baseOffset,
          words: { width: widthOf(width, length), contextShift, contextBits },
        }
    }
  })()
  if (contextBits > 8 || contextShift + contextBits > 8 * width) throw malformed('a context beyond the word')
  if (payloadBytes > length || dictionaryBytes > blockBytesMax) throw malformed('a payload longer than what it makes')
  // what a kind does not use is zero: one patch has one spelling
  if (!view.equals(encodeOperationHead(operation))) throw malformed('an operation says what it does not use')
  return operation
}

/** Bytes that follow the head. */
export function payloadBytesOf(operation: Operation): number {
  if (operation.kind === 'copy') return 0
  return operation.kind === 'raw' ? operation.length : operation.payloadBytes
}

/** More operations than any file of so many bytes needs: each costs its reader some work. */
export const operationsMax = (targetBytes: number): number => 1_024 + Math.ceil(targetBytes / 128)

function widthOf(width: number, length: number): WordFormat['width'] {
  if (width !== 1 && width !== 2 && width !== 4) throw malformed(`words of ${width} bytes`)
  if (length % width !== 0) throw malformed(`${length} bytes in words of ${width}`)
  return width
}

export const malformed = (what: string, cause?: unknown) =>
  new DeltaError('malformed', `the patch is no good: ${what}`, cause === undefined ? undefined : { cause })
