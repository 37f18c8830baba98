// P6, P8, P9 and P10 against kill -9: agents and hub killed at random moments of starting, downloading, activating, serving
// and reporting. A failure prints the seed; the same seed draws the same moments.

import { expect, test } from 'vitest'
import { runKillLoop } from './kill-loop.ts'

const seed = Number(process.env.ROOST_TEST_SEED ?? 20261125)

test(`after every kill a device serves again, in the end what is wished, and all is counted once (seed ${seed})`, async () => {
  const result = await runKillLoop({ seed, gateways: 3, killsEach: 13, hubKills: 12, say: console.log })
  console.log(JSON.stringify({ seed, ...result }))
  expect(result.agentKills + result.hubKills).toBeGreaterThanOrEqual(50)
  expect(result.answered).toBeGreaterThan(500)
  expect(result.interrupted).toBeGreaterThan(0)
  expect(Object.keys(result.moments).length).toBeGreaterThan(3)
}, 600_000)
