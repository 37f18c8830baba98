// How a stage is said to stand, beside how its rollout does.

import { expect, test } from 'vitest'
import { rolloutStates, stageShown } from '../../../hub/dashboard/page/rollout/words.ts'

const stages = ['pending', 'held', 'admitting', 'baking', 'open', 'passed', 'failed', 'inconclusive'] as const

test('of a rollout that goes on, a stage is shown as it is', () => {
  for (const rollout of ['draft', 'awaiting_approval', 'running', 'paused'] as const) {
    expect(stages.map((stage) => stageShown(rollout, stage).title)).toEqual([
      'Not begun',
      'Held',
      'Admitting',
      'Baking',
      'Open',
      'Passed',
      'Failed',
      'Undecided',
    ])
  }
})

test('of one that has ended or goes back, none goes on, and what was found stays', () => {
  const over = ['completed', 'rolling_back', 'rolled_back', 'aborted', 'superseded', 'rejected'] as const
  expect(Object.keys(rolloutStates)).toEqual(expect.arrayContaining([...over]))
  for (const rollout of over) {
    expect(stages.map((stage) => stageShown(rollout, stage).title)).toEqual([
      'Not reached',
      'Not reached',
      'Ended',
      'Ended',
      'Ended',
      'Passed',
      'Failed',
      'Undecided',
    ])
  }
})
