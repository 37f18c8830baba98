// P6 for a large download: 8 MiB over a slow link, the agent killed on the way by each of the ways there are. What is on disk
// is not fetched again.

import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aFleet, ready, register, untilRuns, wish } from './a-fleet.ts'
import { aVersion, chunkBytes } from './versions.ts'
import { until } from './waiting.ts'

const chunks = 128
const sizeBytes = chunks * chunkBytes
const bytesPerSecond = 3 * 1_048_576
/** As good as nothing: so that it does not get there while it is being killed. */
const heldBytesPerSecond = 16_384
/** On disk when the agent is killed: at least so much of the whole. */
const killedAt = [0.2, 0.6]
/** Beside the chunks: hellos, assignments with their manifests, confirmations, what frames a chunk. */
const besideBytes = 20 * chunkBytes

/** How many chunks of a file that is being downloaded are right. */
async function chunksOn(folder: string, whole: Uint8Array): Promise<number> {
  const names = await readdir(join(folder, 'blobs'))
  const part = names.find((name) => name.endsWith('.part'))
  if (part === undefined) return 0
  const there = await readFile(join(folder, 'blobs', part))
  let right = 0
  for (let at = 0; at < whole.length; at += chunkBytes) {
    if (there.subarray(at, at + chunkBytes).equals(whole.subarray(at, at + chunkBytes))) right += 1
  }
  return right
}

async function bytesOn(folder: string): Promise<number> {
  const names = await readdir(join(folder, 'blobs')).catch(() => [])
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, 'blobs', name)).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

test.each(['mqtt', 'http', 'auto'])(
  'killed twice on the way, a download by %s goes on where it was',
  async (way) => {
    await using fleet = await aFleet()
    const operator = fleet.operator()
    const gateway = await fleet.enrol('gateway')
    // a little less than so many chunks: the model's other parts
    const whole = aVersion(1, sizeBytes - 1_024)
    const { version } = await register(operator, whole)
    await wish(operator, gateway.name, version)
    const links = [fleet.link.http, fleet.link.mqtt]
    const carried = () => links.reduce((sum, link) => sum + link.carriedBytes(), 0)
    const environment = { ROOST_AGENT_DOWNLOAD: way }

    for (const share of killedAt) {
      for (const link of links) link.setRate(bytesPerSecond)
      const agent = gateway.start({ environment })
      await until('enough is there', async () => (await bytesOn(gateway.folder)) >= share * sizeBytes, agent.output)
      for (const link of links) link.setRate(heldBytesPerSecond)
      await agent.kill()
    }
    for (const link of links) link.setRate(Number.POSITIVE_INFINITY)
    const there = await chunksOn(gateway.folder, whole)
    expect(there).toBeGreaterThanOrEqual(Math.floor((killedAt.at(-1) ?? 0) * chunks) - 1)
    expect(there).toBeLessThan(chunks)

    const before = carried()
    const agent = await ready(gateway.start({ environment }))
    await untilRuns(operator, gateway.name, version)
    expect(carried() - before).toBeLessThan((chunks - there) * chunkBytes + besideBytes)
    // over MQTT the agent itself says how many chunks it wrote
    const told = agent.logged('downloaded').at(-1)
    if (way !== 'http') expect(told).toMatchObject({ written: chunks - there, corrupt: 0 })
  },
  240_000,
)
