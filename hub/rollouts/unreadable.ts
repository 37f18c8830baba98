// Rollouts whose stored plan this hub cannot read, because another version of Roost wrote it: they are shown, carried no
// further, and can be ended.

import { Problem } from '../problem.ts'
import type { Reader } from '../storage/database.ts'
import type { Asked } from './operate.ts'
import { RolloutPlan } from './plan/plan.ts'
import type { RolloutState } from './states.ts'
import { type RolloutRow, type StoredRollout, stagesOf } from './store.ts'

/** What to do about it. */
export const unreadableSentence =
  'its plan was written by another version of Roost and cannot be read here: abort it, roll it back, or run the hub that wrote it'

/** @throws Problem plan-unreadable */
export function readable(row: StoredRollout): RolloutRow {
  if (row.plan !== null) return { ...row, plan: row.plan }
  const detail = `rollout ${row.id} cannot be carried on: ${unreadableSentence}`
  throw new Problem(409, 'plan-unreadable', 'The plan cannot be read', detail)
}

/** The row with its plan, or, where what is to be done follows from no plan, with one in its place that nothing follows
 *  from.
 *  @param asked by a person; undefined for a look
 *  @throws Problem plan-unreadable where it needs the plan */
export async function withPlan(reader: Reader, row: StoredRollout, asked?: Asked): Promise<RolloutRow> {
  const needsPlan = asked === undefined ? goesByPlan.has(row.state) : !endsIt(asked)
  if (row.plan !== null || needsPlan) return readable(row)
  return { ...row, plan: standIn((await stagesOf(reader, row.id)).map(({ name }) => name)) }
}

/** Those that have ended, and those that go back, only hear what devices say. */
const goesByPlan: ReadonlySet<RolloutState> = new Set(['draft', 'awaiting_approval', 'running', 'paused'])

const endsIt = ({ operation, stage }: Asked): boolean =>
  operation === 'abort' || (operation === 'rollback' && stage === undefined)

const standIn = (stages: readonly string[]): RolloutPlan =>
  RolloutPlan.parse({
    stages: stages.map((name, i) => ({ name, percent: (100 * (i + 1)) / stages.length, bakeMs: 0 })),
    gates: [],
  })
