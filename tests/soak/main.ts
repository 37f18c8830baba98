// npm run soak -- [--kills 2000] [--seed N] [--gateways 3]: the kill loop of the end-to-end tests, for as long as wanted.
// A line for every fifty kills, the books at the end; a failure says the seed that draws the same moments again.

import { parseArgs } from 'node:util'
import { z } from 'zod'
import { runKillLoop } from '../end-to-end/kill-loop.ts'

/** Of so many kills one is the hub's. */
const killsPerHubKill = 5

const Flags = z.object({
  kills: z.coerce.number().int().positive().default(2_000),
  seed: z.coerce.number().int().nonnegative().optional(),
  gateways: z.coerce.number().int().min(1).max(64).default(3),
})

const text = { type: 'string' } as const
const { kills, gateways, ...flags } = Flags.parse(
  parseArgs({ options: { kills: text, seed: text, gateways: text } }).values,
)
const seed = flags.seed ?? Math.floor(Math.random() * 2 ** 32)
const startedMs = performance.now()
const say = (line: string) =>
  console.log(`${((performance.now() - startedMs) / 1000).toFixed(0).padStart(6)} s  ${line}`)

say(`${kills} kills, ${gateways} gateways, seed ${seed}`)
const hubKills = Math.floor(kills / killsPerHubKill)
const killsEach = Math.ceil((kills - hubKills) / gateways)
try {
  const result = await runKillLoop({ seed, gateways, killsEach, hubKills, say })
  say(JSON.stringify(result))
  say('soak: ok')
} catch (error) {
  say(`soak: failed, seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`)
  process.exitCode = 1
}
