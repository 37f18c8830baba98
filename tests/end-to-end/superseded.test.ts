// A wish that changes while files come over a slow link: the download nobody wants any more ends, and what is wished now
// gets there, again and again, in one and the same process.

import { expect, test } from 'vitest'
import { aFleet, ready, register, untilAgent, untilRuns, wish } from './a-fleet.ts'
import { aVersion, chunkBytes } from './versions.ts'

const sizeBytes = 32 * chunkBytes
const bytesPerSecond = 4 * 1_048_576
const versions = 4

test.each(['mqtt', 'http'])(
  'superseded again and again on its way, a download by %s makes way for the next',
  async (way) => {
    await using fleet = await aFleet()
    const operator = fleet.operator()
    const gateway = await fleet.enrol('gateway')
    for (let version = 1; version <= versions; version++) await register(operator, aVersion(version, sizeBytes))
    for (const link of [fleet.link.http, fleet.link.mqtt]) link.setRate(bytesPerSecond)
    const carried = () => fleet.link.http.carriedBytes() + fleet.link.mqtt.carriedBytes()
    const agent = await ready(gateway.start({ environment: { ROOST_AGENT_DOWNLOAD: way } }))

    for (let version = 1; version < versions; version++) {
      const before = carried()
      await wish(operator, gateway.name, version)
      await untilAgent('a part of it is there', agent, () => carried() - before > 2 * chunkBytes)
    }
    await wish(operator, gateway.name, versions)
    await untilRuns(operator, gateway.name, versions)
    expect(agent.logged('activating')).toHaveLength(1)
    expect(await agent.stop()).toBe(0)
  },
  240_000,
)
