// Reads the fixed header of every MQTT packet in a byte stream. The parsers of aedes and MQTT.js buffer whatever length a
// header declares, also before login (256 MiB is a legal declaration), so the length is judged here, as soon as it is
// known: at the hub of what devices send, on a device of what a broker sends.

/** Longest packets borne, in bytes after the fixed header. */
export type PacketLimits = {
  /** The first packet's first byte: `connectByte`, or of an answer `connackByte`. */
  firstByte: number
  /** Any packet before the connection is accepted. */
  unacceptedBytesMax: number
  /** After that: a PUBLISH, and any other packet. */
  publishBytesMax: number
  controlBytesMax: number
}

export type PacketViolation = 'not-mqtt' | 'malformed-length' | 'packet-too-long'

/** Where in the stream the scan stands. `type` is undefined between packets. */
export type PacketScan = {
  packets: number
  type: number | undefined
  lengthDigits: number
  /** Declared so far; whole once `bodyLeft` is set. */
  length: number
  /** Bytes of the packet's body still to come; undefined while the header is incomplete. */
  bodyLeft: number | undefined
}

export const scanStart: PacketScan = { packets: 0, type: undefined, lengthDigits: 0, length: 0, bodyLeft: undefined }

/** MQTT 3.1.1 §3.1.1, §3.2.1: types 1 and 2, no flags. A TLS hello on the plain port has flags here. */
export const connectByte = 0x10
export const connackByte = 0x20
const publishType = 3
/** MQTT 3.1.1 §2.2.1: 0 and 15 are forbidden. */
const typeMin = 1
const typeMax = 14
/** §2.2.3: at most four digits of seven bits. */
const lengthDigitsMax = 4

/** Goes on scanning with `chunk`. Returns the new position, or why the connection must be cut; after a violation the
 *  stream must not be read on. */
export function scanPackets(
  scan: PacketScan,
  chunk: Uint8Array,
  limits: PacketLimits,
  accepted: boolean,
): PacketScan | PacketViolation {
  let { packets, type, lengthDigits, length, bodyLeft } = scan
  let at = 0
  while (at < chunk.length) {
    if (bodyLeft !== undefined) {
      const step = Math.min(bodyLeft, chunk.length - at)
      at += step
      bodyLeft -= step
    } else {
      const byte = chunk[at] ?? 0
      at += 1
      if (type === undefined) {
        type = byte >> 4
        const allowed = packets === 0 ? byte === limits.firstByte : type >= typeMin && type <= typeMax
        if (!allowed) return 'not-mqtt'
        continue
      }
      length += (byte & 0x7f) * 128 ** lengthDigits
      lengthDigits += 1
      if (length > longest(type, limits, accepted)) return 'packet-too-long'
      if ((byte & 0x80) !== 0) {
        if (lengthDigits === lengthDigitsMax) return 'malformed-length'
        continue
      }
      bodyLeft = length
    }
    if (bodyLeft === 0) {
      packets += 1
      type = undefined
      lengthDigits = 0
      length = 0
      bodyLeft = undefined
    }
  }
  return { packets, type, lengthDigits, length, bodyLeft }
}

/** Declared bytes of the packet that is not complete yet; 0 between packets. */
export const unfinishedBytes = (scan: PacketScan): number => (scan.bodyLeft === undefined ? 0 : scan.length)

function longest(type: number, limits: PacketLimits, accepted: boolean): number {
  if (!accepted) return limits.unacceptedBytesMax
  return type === publishType ? limits.publishBytesMax : limits.controlBytesMax
}
