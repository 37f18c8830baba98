// Arithmetic coding of single decisions whose odds are learned as they come, as LZMA does it (the LZMA specification,
// "Range coder"), but with odds of 16 bits, so that what is nearly certain costs nearly nothing.

import { malformed } from './format.ts'

/** Odds of a zero out of 65,536. A model starts knowing nothing. */
export const aModel = (count: number): Uint16Array => new Uint16Array(count).fill(32_768)
/** Each decision moves the odds by a 32nd of the way; they stay between 31 and 65,505. */
const learning = 5
const rangeMin = 2 ** 24
/** Bits of even odds coded in one step. */
export const plainBitsMax = 16

export class RangeEncoder {
  /** Below 2^33 where a carry is due. */
  #low = 0
  #range = 0xffff_ffff
  #cached = 0
  /** Bytes held back until it is known whether a carry reaches them: the cached one, and 255s behind it. */
  #held = 1
  readonly #out: Uint8Array
  #length = 0

  /** Coding ends in vain once it takes more than `bytesMax`. */
  constructor(bytesMax: number) {
    this.#out = new Uint8Array(bytesMax)
  }

  get isOverfull(): boolean {
    return this.#length > this.#out.length
  }

  bit(model: Uint16Array, at: number, bit: number): void {
    const odds = model[at] ?? 0
    const bound = (this.#range >>> 16) * odds
    if (bit === 0) {
      this.#range = bound
      model[at] = odds + ((65_536 - odds) >> learning)
    } else {
      this.#low += bound
      this.#range -= bound
      model[at] = odds - (odds >> learning)
    }
    this.#settle()
  }

  /** The lowest `count` bits of `value`, at most `plainBitsMax`, at even odds. */
  plain(value: number, count: number): void {
    this.#range >>>= count
    this.#low += value * this.#range
    this.#settle()
  }

  /** Undefined where it took too much. */
  finish(): Uint8Array | undefined {
    for (let i = 0; i < 5; i++) this.#shift()
    return this.isOverfull ? undefined : this.#out.subarray(0, this.#length)
  }

  #settle(): void {
    while (this.#range < rangeMin) {
      this.#range = (this.#range << 8) >>> 0
      this.#shift()
    }
  }

  #shift(): void {
    if (this.#low < 0xff00_0000 || this.#low >= 2 ** 32) {
      const carry = this.#low >= 2 ** 32 ? 1 : 0
      this.#put(this.#cached + carry)
      for (let i = 1; i < this.#held; i++) this.#put(0xff + carry)
      this.#held = 0
      this.#cached = Math.floor(this.#low / rangeMin) & 0xff
    }
    this.#held += 1
    this.#low = (this.#low % rangeMin) * 256
  }

  #put(byte: number): void {
    if (this.#length < this.#out.length) this.#out[this.#length] = byte & 0xff
    this.#length += 1
  }
}

export class RangeDecoder {
  readonly #bytes: Uint8Array
  #at = 0
  #range = 0xffff_ffff
  #code = 0

  /** @throws DeltaError `malformed` */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    if (this.#next() !== 0) throw malformed('no arithmetic code')
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#next()) >>> 0
  }

  /** @throws DeltaError `malformed` where the bytes end */
  bit(model: Uint16Array, at: number): number {
    const odds = model[at] ?? 0
    const bound = (this.#range >>> 16) * odds
    if (this.#code < bound) {
      this.#range = bound
      model[at] = odds + ((65_536 - odds) >> learning)
      this.#settle()
      return 0
    }
    this.#code -= bound
    this.#range -= bound
    model[at] = odds - (odds >> learning)
    this.#settle()
    return 1
  }

  /** @throws DeltaError `malformed` where the bytes end */
  plain(count: number): number {
    this.#range >>>= count
    const value = Math.min(Math.floor(this.#code / this.#range), 2 ** count - 1)
    this.#code = (this.#code - value * this.#range) >>> 0
    this.#settle()
    return value
  }

  /** @throws DeltaError `malformed` where bytes are left */
  finish(): void {
    if (this.#at !== this.#bytes.length) throw malformed('an arithmetic code that does not end where it should')
  }

  #settle(): void {
    while (this.#range < rangeMin) {
      this.#range = (this.#range << 8) >>> 0
      this.#code = ((this.#code << 8) | this.#next()) >>> 0
    }
  }

  #next(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw malformed('an arithmetic code that breaks off')
    this.#at += 1
    return byte
  }
}
