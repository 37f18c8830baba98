// A sealed version through real processes: the device it is assigned to serves it; the broker, the hub's blobs and disk,
// another device and this device's own disk never hold a byte of it that can be read; a device with other keys says so.

import { generateKeyPairSync } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { isMissing } from '@roost/agent/durable-file.ts'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { aModel, floats, node } from '../builders/onnx.ts'
import { aFleet, eventsOf, type Gateway, ready, register, shown, untilRuns, wish } from './a-fleet.ts'
import { seededChance, until } from './waiting.ts'

/** Bytes of a version's weights that nothing shrinks: found again wherever they are in the open. */
const markerBytes = 48

/** `y = factor * x`, of three chunks. */
function aVersion(factor: number): { onnx: Uint8Array; marker: Buffer } {
  const chance = seededChance(factor)
  const weights = new Float32Array(Uint8Array.from({ length: 160_000 }, () => chance() * 256).buffer)
  const marker = Buffer.from(weights.buffer, 4_000, markerBytes)
  const onnx = aModel({
    node: [node('Mul', ['x', 'factor'], ['y'])],
    initializer: [floats('factor', [], [factor]), floats('weights', [weights.length], weights)],
  })
  expect(Buffer.from(onnx).includes(marker)).toBe(true)
  return { onnx, marker }
}

/** All bytes that pass between agents and broker. */
async function aTap(port: number) {
  const pieces: Buffer[] = []
  const server = createServer((down) => {
    const up = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [down, up],
      [up, down],
    ] as const) {
      from.on('data', (piece) => {
        pieces.push(Buffer.from(piece))
        to.write(piece)
      })
      from.on('error', () => to.destroy()).on('close', () => to.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `mqtt://127.0.0.1:${address.port}`,
    saw: (marker: Buffer) => Buffer.concat(pieces).includes(marker),
    [Symbol.dispose]: () => server.close(),
  }
}

/** The files below a folder that hold the bytes. Those who live there write, rename and remove meanwhile: where one was gone
 *  before it was read, all are read anew. */
const holding = (folder: string, marker: Buffer): Promise<string[]> =>
  until('all that is there is read', () => {
    try {
      return readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .filter((path) => readFileSync(path).includes(marker))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  })

async function answerOf({ servingUrl }: Gateway): Promise<unknown> {
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 3] }]
  const answer = await fetch(`${servingUrl}/v2/models/scale/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs }),
  })
  const { outputs } = z.object({ outputs: z.tuple([z.looseObject({ data: z.unknown() })]) }).parse(await answer.json())
  return outputs[0].data
}

const untilAnswered = (gateway: Gateway, answer: number[]): Promise<unknown> =>
  until(`it answers ${answer}`, () =>
    answerOf(gateway).then(
      (data) => String(data) === String(answer),
      () => false,
    ),
  )

test('what is sealed is read by the device it is for, and by nothing in between', async () => {
  await using fleet = await aFleet()
  const operator = fleet.operator()
  const hubFolder = join(fleet.folder, 'hub')
  using tap = await aTap(fleet.link.mqtt.port)
  const environment = { ROOST_AGENT_MQTT_URL: tap.url, ROOST_AGENT_DOWNLOAD: 'mqtt' }
  const north = await fleet.enrol('north')
  const idle = await fleet.enrol('idle')
  const [agent] = await Promise.all([ready(north.start({ environment })), ready(idle.start({ environment }))])

  // the same in the open, so that it is known that all this would be seen
  const open = aVersion(2)
  await register(operator, open.onnx)
  await wish(operator, 'north', 1)
  await untilRuns(operator, 'north', 1)
  expect(tap.saw(open.marker)).toBe(true)
  expect(await holding(join(hubFolder, 'blobs'), open.marker)).toHaveLength(1)
  expect(await holding(north.folder, open.marker)).toHaveLength(1)

  await operator.send('PUT', '/v1/models/scale/sealing', { sealed: true }, z.unknown())
  const sealed = aVersion(5)
  const version = await register(operator, sealed.onnx, {
    golden: { vectors: [{ inputs: { x: { datatype: 'FP32', shape: [1, 2], data: [1, 3] } } }] },
  })
  expect(version).toMatchObject({ version: 2, variants: [{ sealed: true }] })
  await wish(operator, 'north', 2)
  await untilRuns(operator, 'north', 2)
  expect(await answerOf(north)).toEqual([5, 15])
  expect(tap.saw(sealed.marker)).toBe(false)
  expect(await holding(fleet.folder, sealed.marker)).toEqual([])

  // started anew without a hub it serves from what it has
  await agent.stop()
  fleet.link.http.cut()
  fleet.link.mqtt.cut()
  const again = await ready(north.start({ environment }))
  await untilAnswered(north, [5, 15])
  fleet.link.http.restore()
  fleet.link.mqtt.restore()
  await again.stop()

  // another device's keys on this one's disk: what ran before goes on, and the hub is told why the next one does not
  const { privateKey } = generateKeyPairSync('x25519', {
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
    publicKeyEncoding: { format: 'pem', type: 'spki' },
  })
  await wish(operator, 'north', 1)
  const before = await ready(north.start({ environment }))
  await untilRuns(operator, 'north', 1)
  await before.stop()
  writeFileSync(join(north.folder, 'identity', 'seal.pem'), privateKey)
  const next = aVersion(7)
  await register(operator, next.onnx)
  await wish(operator, 'north', 3)
  await ready(north.start({ environment }))
  const failed = await until('it says that it cannot', async () =>
    (await eventsOf(operator, 'north')).find(({ body }) => 'reason' in body && body.reason === 'sealed'),
  )
  expect(failed.body).toMatchObject({ state: 'failed', detail: expect.stringContaining('not for this device') })
  // it may have failed before the runtime of the one that goes on was up
  await untilAnswered(north, [2, 6])
  expect((await shown(operator, 'north')).reported.find(({ running }) => running)).toMatchObject({ version: 1 })
  for (const marker of [sealed.marker, next.marker]) {
    expect(tap.saw(marker)).toBe(false)
    expect(await holding(fleet.folder, marker)).toEqual([])
  }
}, 240_000)
