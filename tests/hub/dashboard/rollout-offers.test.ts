// What is said before something is done to a rollout.

import { expect, test } from 'vitest'
import { offersFor } from '../../../hub/dashboard/page/rollout/may-be-done.ts'

type Asked = Parameters<typeof offersFor>[0]

const aStage = (devices: Record<string, number>): Asked['stages'][number] => ({
  name: 'canary',
  mode: 'canary',
  reach: '1 device',
  state: 'pending',
  devices,
  takenBack: null,
  approvals: { needed: 1, given: [] },
  heldSince: null,
  releasedBy: null,
  admittingSince: null,
  bakingSince: null,
  endedAt: null,
  verdict: null,
})

const lastApproval = (state: Asked['state'], devices: Record<string, number>) =>
  offersFor(
    { state, stages: [aStage(devices)], plan: null, model: 'motes', version: 2 },
    { operate: false, approve: true },
  )
    .find(({ operation }) => operation === 'approve')
    ?.consequences.at(-1)

test('before the last approval it is said how many devices are offered it, by the plan while nobody is drawn yet', () => {
  expect(lastApproval('running', { planned: 3 })).toBe('3 devices of stage canary are offered motes 2.')
  expect(lastApproval('awaiting_approval', {})).toBe(
    'The members of the group are frozen now, and those of stage canary (1 device) are offered motes 2.',
  )
})
