// A version that was trained further comes as a patch: over MQTT, over HTTP, after the hub was restarted, and where the agent
// is killed on the way; and whole where the disk has damaged what the patch starts from.

import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aModel, floats, node } from '../builders/onnx.ts'
import { aFleet, eventsOf, type Gateway, ready, register, untilRuns, wish } from './a-fleet.ts'
import { factorOfVersion } from './an-application.ts'
import { chunkBytes } from './versions.ts'
import { seededChance, until } from './waiting.ts'

const sizeBytes = 16 * chunkBytes
/** Hellos, assignments with their manifests, confirmations and reports, on the way to a version. */
const besideBytes = 3 * chunkBytes

/** Weights nobody needs, in the second version moved by up to a two-thousandth. */
function aTrainedVersion(version: number): Uint8Array {
  const chance = seededChance(1)
  const moves = seededChance(version)
  const weights = Float32Array.from({ length: sizeBytes / 4 - 256 }, () => chance() - 0.5)
  const moved = version === 1 ? weights : weights.map((weight) => weight * (1 + 0.001 * (moves() - 0.5)))
  return aModel({
    node: [node('Mul', ['x', 'factor'], ['y'])],
    initializer: [floats('factor', [], [factorOfVersion(version)]), floats('weights', [weights.length], moved)],
  })
}

test('a version trained further comes as a patch by every way, and whole where the base is damaged', async () => {
  await using fleet = await aFleet()
  const operator = fleet.operator()
  const carriedBytes = () => fleet.link.http.carriedBytes() + fleet.link.mqtt.carriedBytes()
  const names = ['first', 'mqtt', 'http', 'damaged']
  const gateways = await Promise.all(names.map((name) => fleet.enrol(name)))
  const [first, overMqtt, overHttp, damaged] = gateways
  if (!first || !overMqtt || !overHttp || !damaged) throw new Error('four are enrolled')
  const start = (gateway: Gateway) => {
    const way = gateway === overHttp ? 'http' : 'mqtt'
    return ready(gateway.start({ environment: { ROOST_AGENT_DOWNLOAD: way } }))
  }
  const [one, two] = [await register(operator, aTrainedVersion(1)), await register(operator, aTrainedVersion(2))]
  for (const { name } of gateways) await wish(operator, name, one.version)
  const agents = new Map(await Promise.all(gateways.map(async (gateway) => [gateway, await start(gateway)] as const)))
  for (const { name } of gateways) await untilRuns(operator, name, one.version)

  // the first to go makes the hub make the patch, and does not wait for it
  await wish(operator, first.name, two.version)
  await untilRuns(operator, first.name, two.version)
  await until('the patch is made', async () => fleet.hub().output().includes('a patch is made'), fleet.hub().output)
  await agents.get(first)?.stop()
  const connections = (gateway: Gateway) => agents.get(gateway)?.logged('connected').length ?? 0
  const before = new Map(gateways.map((gateway) => [gateway, connections(gateway)]))
  await fleet.hub().stop()
  await fleet.startHub()

  for (const gateway of [overMqtt, overHttp]) {
    const agent = agents.get(gateway)
    // its page may still speak of the hub before
    await until('it is back', () => connections(gateway) > (before.get(gateway) ?? 0), agent?.output)
    const carriedBefore = carriedBytes()
    await wish(fleet.operator(), gateway.name, two.version)
    await untilRuns(fleet.operator(), gateway.name, two.version)
    expect(agent?.logged('patched')).toHaveLength(1)
    const [{ patchBytes } = { patchBytes: 0 }] = agent?.logged('patched') ?? []
    expect(patchBytes).toBeLessThan(0.6 * sizeBytes)
    expect(carriedBytes() - carriedBefore).toBeLessThan(Number(patchBytes) + besideBytes)
    expect(carriedBytes() - carriedBefore).toBeLessThan(0.8 * sizeBytes)
  }

  await spoilModel(join(damaged.folder, 'blobs'))
  await wish(fleet.operator(), damaged.name, two.version)
  await untilRuns(fleet.operator(), damaged.name, two.version)
  expect(agents.get(damaged)?.logged('patched')).toEqual([])
  const told = await until('it is said', async () => {
    const events = await eventsOf(fleet.operator(), damaged.name)
    return events.find(({ event }) => event === 'patch_failed')
  })
  expect(told).toMatchObject({ body: { detail: expect.stringMatching(/not what the manifest says/) } })
}, 240_000)

test('an agent that is killed while the patch comes goes on with it', async () => {
  await using fleet = await aFleet()
  const operator = fleet.operator()
  const [maker, slow] = [await fleet.enrol('maker'), await fleet.enrol('slow')]
  const [one, two] = [await register(operator, aTrainedVersion(1)), await register(operator, aTrainedVersion(2))]
  const environment = { ROOST_AGENT_DOWNLOAD: 'http' }
  for (const { name } of [maker, slow]) await wish(operator, name, one.version)
  const making = await ready(maker.start({ environment }))
  const killed = await ready(slow.start({ environment }))
  for (const { name } of [maker, slow]) await untilRuns(operator, name, one.version)
  await wish(operator, maker.name, two.version)
  await untilRuns(operator, maker.name, two.version)
  await until('the patch is made', async () => fleet.hub().output().includes('a patch is made'), fleet.hub().output)
  await making.stop()

  fleet.link.http.setRate(2 * chunkBytes)
  await wish(operator, slow.name, two.version)
  await until(
    'the patch comes',
    async () => {
      const names = await readdir(join(slow.folder, 'blobs'))
      return names.filter((name) => name.endsWith('.part')).length === 2
    },
    killed.output,
  )
  await killed.kill()
  fleet.link.http.setRate(Number.POSITIVE_INFINITY)
  const agent = await ready(slow.start({ environment }))
  await untilRuns(operator, slow.name, two.version)
  expect(agent.logged('patched')).toHaveLength(1)
}, 240_000)

/** Changes one byte in the middle of the model. */
async function spoilModel(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    await using file = await open(join(folder, name), 'r+')
    if ((await file.stat()).size < sizeBytes / 2) continue
    const at = Math.floor(sizeBytes / 2)
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, at)
    await file.write(Buffer.from([byte.readUInt8(0) ^ 1]), 0, 1, at)
  }
}
