import {
  connackByte,
  connectByte,
  scanPackets,
  scanStart,
  unfinishedBytes,
} from '@roost/shared/protocol/packet-guard.ts'
import fc from 'fast-check'
import mqttPacket from 'mqtt-packet'
import { describe, expect, test } from 'vitest'

const limits = { firstByte: connectByte, unacceptedBytesMax: 1_000, publishBytesMax: 100_000, controlBytesMax: 2_000 }

const connect = mqttPacket.generate({
  cmd: 'connect',
  clientId: 'd-1',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clean: true,
})
const publishOf = (payloadBytes: number) =>
  mqttPacket.generate({
    cmd: 'publish',
    topic: 't',
    payload: Buffer.alloc(payloadBytes, 1),
    qos: 0,
    dup: false,
    retain: false,
  })
const ping = mqttPacket.generate({ cmd: 'pingreq' })

/** Scans `bytes` cut at `cuts`; the violation, or the packets seen. */
function scanAll(bytes: Uint8Array, cuts: readonly number[], accepted: boolean) {
  let scan = scanStart
  const ends = [...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length]
  let from = 0
  for (const end of ends) {
    const next = scanPackets(scan, bytes.subarray(from, end), limits, accepted)
    if (typeof next === 'string') return next
    scan = next
    from = end
  }
  return scan
}

describe('the packet guard', () => {
  test.each([
    { what: 'an HTTP request', bytes: Buffer.from('GET / HTTP/1.1\r\n'), accepted: false, result: 'not-mqtt' },
    {
      what: 'a TLS hello on the plain port',
      bytes: Buffer.from([0x16, 3, 1, 2, 0]),
      accepted: false,
      result: 'not-mqtt',
    },
    { what: 'a PUBLISH before CONNECT', bytes: publishOf(1), accepted: false, result: 'not-mqtt' },
    { what: 'packet type 0', bytes: Buffer.from([0x00, 0]), accepted: false, result: 'not-mqtt' },
    {
      what: 'packet type 15 after login',
      bytes: Buffer.concat([connect, Buffer.from([0xf0, 0])]),
      accepted: true,
      result: 'not-mqtt',
    },
    {
      what: 'CONNECT of 256 MiB',
      bytes: Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]),
      accepted: false,
      result: 'packet-too-long',
    },
    {
      what: 'CONNECT of one byte too many',
      bytes: Buffer.from([0x10, 0xe9, 0x07]),
      accepted: false,
      result: 'packet-too-long',
    },
    {
      what: 'a length that does not end',
      bytes: Buffer.from([0x10, 0x80, 0x80, 0x80, 0x80]),
      accepted: false,
      result: 'malformed-length',
    },
    {
      what: 'a long PUBLISH in the same bytes as CONNECT',
      bytes: Buffer.concat([connect, publishOf(5_000)]),
      accepted: false,
      result: 'packet-too-long',
    },
    {
      what: 'a PUBLISH over the limit',
      bytes: Buffer.concat([connect, publishOf(100_000)]),
      accepted: true,
      result: 'packet-too-long',
    },
    {
      what: 'a SUBSCRIBE of a PUBLISH’s length',
      bytes: Buffer.concat([connect, Buffer.from([0x82, 0x88, 0x27])]),
      accepted: true,
      result: 'packet-too-long',
    },
  ])('refuses $what', ({ bytes, accepted, result }) => {
    expect(scanAll(bytes, [], accepted)).toBe(result)
  })

  test('begins with an answer where it stands at a device', () => {
    const answers = { ...limits, firstByte: connackByte }
    const connack = mqttPacket.generate({ cmd: 'connack', returnCode: 0, sessionPresent: false })
    expect(scanPackets(scanStart, connack, answers, true)).toMatchObject({ packets: 1 })
    expect(scanPackets(scanStart, connect, answers, true)).toBe('not-mqtt')
    expect(scanPackets(scanStart, Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]), answers, true)).toBe('not-mqtt')
  })

  test('sees the same packets however the bytes are cut', () => {
    const packet = fc.oneof(
      fc.integer({ min: 0, max: 90_000 }).map(publishOf),
      fc.constant(ping),
      fc.integer({ min: 90_000, max: 300_000 }).map(publishOf),
    )
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 5 }), fc.array(fc.nat(200_000), { maxLength: 20 }), (packets, cuts) => {
        const bytes = Buffer.concat([connect, ...packets])
        const tooLong = packets.findIndex((bytes) => bytes.length > limits.publishBytesMax)
        const result = scanAll(bytes, cuts, true)
        if (tooLong >= 0 && (packets[tooLong]?.length ?? 0) > limits.publishBytesMax + 10) {
          expect(result).toBe('packet-too-long')
        } else if (tooLong < 0) {
          expect(result).toEqual({ ...scanStart, packets: packets.length + 1 })
        }
      }),
      { seed: 20261124, numRuns: 300 },
    )
  })

  test('cuts a packet as soon as its length is known, before one byte of its body', () => {
    const long = publishOf(200_000)
    const scan = scanPackets(scanStart, connect, limits, true)
    if (typeof scan === 'string') throw new Error(scan)
    expect(scanPackets(scan, long.subarray(0, 4), limits, true)).toBe('packet-too-long')
  })

  test('says how much an unfinished packet holds', () => {
    const scan = scanPackets(scanStart, Buffer.concat([connect, publishOf(5_000).subarray(0, 100)]), limits, true)
    if (typeof scan === 'string') throw new Error(scan)
    expect(unfinishedBytes(scan)).toBe(5_003)
    expect(unfinishedBytes(scanStart)).toBe(0)
  })
})
