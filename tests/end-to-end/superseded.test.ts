// A wish that changes while files come over a slow link: the download nobody wants any more ends, and what is wished now
// gets there, again and again, in one and the same process.

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aFleet, type Gateway, ready, register, untilRuns, wish } from './a-fleet.ts'
import { aVersion, chunkBytes } from './versions.ts'
import { until } from './waiting.ts'

const sizeBytes = 64 * chunkBytes
const bytesPerSecond = 4 * 1_048_576
/** While a busy hub takes the next wish, the version before must not get there. */
const heldBytesPerSecond = 262_144
const versions = 4

test.each(['mqtt', 'http'])(
  'superseded again and again on its way, a download by %s makes way for the next',
  async (way) => {
    await using fleet = await aFleet()
    const operator = fleet.operator()
    const gateway = await fleet.enrol('gateway')
    for (let version = 1; version <= versions; version++) await register(operator, aVersion(version, sizeBytes))
    const links = [fleet.link.http, fleet.link.mqtt]
    const setRate = (rate: number) => {
      for (const link of links) link.setRate(rate)
    }
    setRate(bytesPerSecond)
    const agent = await ready(gateway.start({ environment: { ROOST_AGENT_DOWNLOAD: way } }))

    const begun = new Set<string>()
    for (let version = 1; version < versions; version++) {
      await wish(operator, gateway.name, version)
      setRate(bytesPerSecond)
      const part = await until(
        `a part of version ${version} is there`,
        async () => (await partsIn(gateway)).find((name) => !begun.has(name)),
        agent.output,
      )
      begun.add(part)
      setRate(heldBytesPerSecond)
    }
    await wish(operator, gateway.name, versions)
    setRate(bytesPerSecond)
    await untilRuns(operator, gateway.name, versions)
    expect(agent.logged('activating')).toHaveLength(1)
    expect(await agent.stop()).toBe(0)
  },
  240_000,
)

/** Files of which something has come, and not all. */
async function partsIn({ folder }: Gateway): Promise<string[]> {
  const names = (await readdir(join(folder, 'blobs'))).filter((name) => name.endsWith('.part'))
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, 'blobs', name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return names.filter((_, i) => (sizes[i] ?? 0) > 0)
}
