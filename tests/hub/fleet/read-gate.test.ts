import { PassThrough } from 'node:stream'
import { connectByte } from '@roost/shared/protocol/packet-guard.ts'
import mqttPacket from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { guardReads, messagesInHandMax, readBudget } from '../../../hub/fleet/read-gate.ts'

const limits = { firstByte: connectByte, unacceptedBytesMax: 1_000, publishBytesMax: 100_000, controlBytesMax: 1_000 }
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
    payload: Buffer.alloc(payloadBytes),
    qos: 0,
    dup: false,
    retain: false,
  })

/** A guarded stream that is read as aedes reads: whatever is there, at every `readable`. */
function aGuarded(budget = readBudget(1_000_000), accepted = true) {
  const stream = new PassThrough({ highWaterMark: 1_000_000 })
  const violations: string[] = []
  const gate = guardReads(
    stream,
    budget,
    limits,
    () => accepted,
    (violation) => violations.push(violation),
  )
  const got: Buffer[] = []
  stream.on('readable', () => {
    const chunk: unknown = stream.read()
    if (Buffer.isBuffer(chunk)) got.push(chunk)
  })
  const bytesGot = () => Buffer.concat(got).length
  return { stream, gate, bytesGot, violations }
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 10))

describe('the read gate', () => {
  test('reads nothing while a device has its most messages in hand, and goes on when one is answered', async () => {
    const { stream, gate, bytesGot } = aGuarded()
    stream.write(connect)
    await settle()
    const answers = Array.from({ length: messagesInHandMax }, () => gate.take(10))
    stream.write(publishOf(100))
    await settle()
    stream.write(publishOf(100))
    await settle()
    expect(bytesGot()).toBe(connect.length)
    answers[0]?.()
    await settle()
    expect(bytesGot()).toBe(connect.length + 2 * publishOf(100).length)
  })

  test('reads nothing between packets while all devices together hold the most, and goes on when any of them lets go', async () => {
    const budget = readBudget(1_000)
    const [a, b] = [aGuarded(budget), aGuarded(budget)]
    for (const { stream } of [a, b]) stream.write(connect)
    await settle()
    const answer = a.gate.take(1_000)
    for (const { stream } of [a, b]) stream.write(publishOf(10))
    await settle()
    expect([a.bytesGot(), b.bytesGot()]).toEqual([connect.length, connect.length])
    answer()
    await settle()
    const all = connect.length + publishOf(10).length
    expect([a.bytesGot(), b.bytesGot()]).toEqual([all, all])
  })

  test('finishes a packet that has begun, whatever others hold: else both would wait for each other', async () => {
    const budget = readBudget(5_000)
    const [a, b] = [aGuarded(budget), aGuarded(budget)]
    for (const { stream } of [a, b]) stream.write(connect)
    await settle()
    const long = publishOf(20_000)
    a.stream.write(long.subarray(0, 5))
    await settle()
    expect(budget.heldBytes).toBe(20_003)
    b.stream.write(publishOf(1))
    await settle()
    expect(b.bytesGot()).toBe(connect.length)
    a.stream.write(long.subarray(5))
    await settle()
    expect(a.bytesGot()).toBe(connect.length + long.length)
    expect(budget.heldBytes).toBe(0)
    b.gate.take(1)()
    await settle()
    expect(b.bytesGot()).toBe(connect.length + publishOf(1).length)
  })

  test('finishes it also where its own messages in hand were in the way', async () => {
    const { stream, gate, bytesGot } = aGuarded(readBudget(5_000))
    const long = publishOf(20_000)
    const answers = Array.from({ length: messagesInHandMax }, () => gate.take(1))
    answers.pop()?.()
    stream.write(Buffer.concat([connect, long.subarray(0, 5)]))
    await settle()
    const answer = gate.take(1)
    stream.write(long.subarray(5))
    await settle()
    expect(bytesGot()).toBe(connect.length + 5)
    answer()
    await settle()
    expect(bytesGot()).toBe(connect.length + long.length)
  })

  test('reads who is not logged in yet, whatever others hold', async () => {
    const budget = readBudget(1_000)
    const [busy, arriving] = [aGuarded(budget), aGuarded(budget, false)]
    busy.gate.take(5_000)
    arriving.stream.write(connect)
    await settle()
    expect(arriving.bytesGot()).toBe(connect.length)
  })

  test('gives back what an unfinished packet held when its connection ends', async () => {
    const budget = readBudget(5_000)
    const { stream, gate } = aGuarded(budget)
    stream.write(Buffer.concat([connect, publishOf(20_000).subarray(0, 100)]))
    await settle()
    gate.close()
    expect(budget.heldBytes).toBe(0)
    expect(budget.starved.size).toBe(0)
  })

  test('hands out nothing from the violation on', async () => {
    const { stream, bytesGot, violations } = aGuarded()
    stream.write(connect)
    await settle()
    stream.write(publishOf(200_000).subarray(0, 10))
    await settle()
    stream.write(publishOf(10))
    await settle()
    expect(bytesGot()).toBe(connect.length)
    expect(violations).toEqual(['packet-too-long'])
  })
})
