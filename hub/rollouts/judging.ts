// The verdicts `decide` asks for, with the evidence read beforehand: the seam between engine and evidence.

import type { Reader, Statement } from '../storage/database.ts'
import { stagesJudged } from './decide.ts'
import { type Arms, armsOf, evidenceOf } from './evidence.ts'
import { gatesOf, type Judge } from './states.ts'
import { judgeStage } from './verdict.ts'
import type { Loaded } from './view.ts'

/** `judge` answers from what was read. `record`: what is stored of this look, in the transaction that stores what was
 *  decided by it, also where nothing was. */
export type Judging = { judge: Judge; record: () => Statement[] }

export async function judgingOf(tx: Reader, { row, stages, members, view }: Loaded, nowMs: number): Promise<Judging> {
  const arms = new Map<number, Arms>()
  for (const index of stagesJudged(view, nowMs)) {
    const since = stages[index]?.admitting_since ?? null
    if (since !== null) arms.set(index, await armsOf(tx, row, members, index, since))
  }
  const judge: Judge = (index, devices) => {
    const known = arms.get(index)
    if (known === undefined) return { outcome: 'undecided', gates: [] }
    return judgeStage(gatesOf(row.plan, index), row.plan.samplesMin, evidenceOf(known, devices, index))
  }
  return { judge, record: () => [] }
}
