// How the error budget of a rollout is shared over its stages, their gates and the looks at them. Formulas: docs/gates.md.

import type { GateVerdict, Look, StageContext } from './verdict.ts'

/** Of the rollouts with nothing wrong, at most this share fails, over all stages, gates and looks together; of the gates
 *  whose effect is exactly the margin, at most this share fails in a stage, and at most this share passes. */
export const errorBudget = 0.05

/** Spent after a share t of the stage's time limit: t^(1/3) (power family of Kim & DeMets 1987, in the framework of Lan &
 *  DeMets 1983). Concave, so the first look gets the largest part: at 1/32 of the time, 31 %. */
const spendingPower = 1 / 3

/** Levels of one look, and the share of the stage's budget that is gone after it. */
export type Levels = { fail: number; unchanged: number; pass: number; spent: number }

/** Of a look: when it is, and what was spent by then. */
export type LookTime = Pick<Look, 'number' | 'fraction'> & { before: Pick<GateVerdict, 'spent'> | undefined }

/** `fail`: to fail at the margin, for one gate in one stage. `unchanged`: to fail as worse than no change at all, whose
 *  sum over everything in the rollout is the budget. `pass`: to pass at the margin; a bad version must pass every look
 *  that decides, every gate and every stage, so nothing is shared but over looks. */
export function levelsAt(look: LookTime, stage: StageContext): Levels {
  const gone = look.before?.spent ?? 0
  const spent = Math.max(gone, Math.min(1, Math.max(0, look.fraction)) ** spendingPower)
  const level = errorBudget * (spent - gone)
  const unchanged = (level * stageShare(stage.index, stage.stages)) / Math.max(1, stage.gates)
  return { fail: level, unchanged, pass: level, spent }
}

/** Share of the rollout's budget that a stage has: 1, 1/2, 1/3, … in proportion, because an early stage has the fewest
 *  devices to tell by and the most to spare. */
export function stageShare(index: number, stages: number): number {
  let total = 0
  for (let i = 0; i < stages; i++) total += 1 / (i + 1)
  return 1 / (index + 1) / total
}
