// Judges every look of a hub's rollouts again from its stored inputs: the verdicts must come out the same to the last bit.

import { z } from 'zod'
import { inputsOfLook, looksOf, replay } from '../../../hub/rollouts/evidence/looks.ts'
import type { Reader } from '../../../hub/storage/database.ts'

/** @returns how many verdicts were judged again
 *  @throws Error where one differs, or where a decision that followed from a verdict has no inputs */
export async function replayAll(database: Reader): Promise<number> {
  const rollouts = await database.all(z.object({ id: z.string() }), 'SELECT id FROM rollouts ORDER BY id')
  let replayed = 0
  for (const { id } of rollouts) {
    const stored = new Map(
      (await looksOf(database, id)).map(({ number, verdict }) => [number, JSON.stringify(verdict)]),
    )
    for (const [number, verdict] of stored) {
      const inputs = await inputsOfLook(database, id, number)
      if (inputs === undefined) throw new Error(`look ${number} of ${id} has no inputs`)
      const again = JSON.stringify(replay(inputs))
      if (again !== verdict) throw new Error(`look ${number} of ${id} was judged\n${verdict}\nand is now\n${again}`)
      replayed += 1
    }
    for (const { seq, record, verdict } of await judgedDecisions(database, id)) {
      if (stored.get(record) !== verdict) throw new Error(`decision ${seq} of ${id} is not what look ${record} said`)
    }
  }
  return replayed
}

const judgedDecisions = (database: Reader, rollout: string) =>
  database.all(
    z.object({ seq: z.number(), record: z.number(), verdict: z.string() }),
    `SELECT seq, detail -> '$.verdict.look.record' ->> '$' AS record, detail -> '$.verdict' AS verdict
     FROM rollout_decisions WHERE rollout = ? AND detail ->> '$.verdict.outcome' IS NOT NULL
       AND json_array_length(detail, '$.verdict.gates') > 0`,
    [rollout],
  )
