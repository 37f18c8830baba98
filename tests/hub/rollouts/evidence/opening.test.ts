import { expect, test } from 'vitest'
import { z } from 'zod'
import { cborColumn } from '../../../../hub/rollouts/evidence/columns.ts'
import { Tally } from '../../../../hub/rollouts/evidence/tally.ts'
import { stagesOf } from '../../../../hub/rollouts/store.ts'
import { aFleet, aPlan } from '../a-fleet.ts'

test('each stage counts from its own beginning: what was reported during the one before is not in it', async () => {
  await using fleet = await aFleet(4)
  await fleet.obey()
  const plan = aPlan({
    stages: [
      { name: 'half', percent: 50, bakeMs: 20_000 },
      { name: 'all', percent: 100, bakeMs: 20_000 },
    ],
    gates: [{ metric: 'error_rate', margin: 0.5 }],
    samplesMin: 1,
  })
  const wanted = { model: 'vibration', version: 2, group: 'all', plan, supersede: false }
  const { id } = await fleet.engine().start(wanted, { actor: 'token:ops' })
  const second = async () => (await stagesOf(fleet.hub.database, id))[1]
  const Row = z.object({ tally: cborColumn(Tally).nullable() })
  let counted = 0
  for (let round = 0; round < 60 && counted < 4; round += 1) {
    await fleet.engine().look()
    await fleet.obey()
    const begun = (await second())?.admitting_since ?? null
    const rows = await fleet.hub.database.all(Row, 'SELECT tally FROM rollout_tallies')
    for (const { tally } of begun === null ? [] : rows) {
      // a window a second
      const seconds = (tally?.recordedMs ?? 0) / 1_000
      if (begun !== null && seconds > 0 && begun + 3_000 < fleet.clock.nowMs) {
        expect(seconds).toBeLessThanOrEqual((fleet.clock.nowMs - begun) / 1_000)
        counted += 1
      }
    }
    await fleet.report()
    fleet.clock.nowMs += 1_000
  }
  expect(counted).toBeGreaterThanOrEqual(4)
})
