// The story of a rollout in sentences: what is easily told wrong.

import { expect, test } from 'vitest'
import { explain, type Story } from '../../../../hub/rollouts/evidence/explain.ts'
import type { DecisionRow, MemberRow } from '../../../../hub/rollouts/store.ts'
import { aPlan } from '../a-fleet.ts'

const aStage = (idx: number, name: string): Story['stages'][number] => ({
  idx,
  name,
  state: 'pending',
  held_since: null,
  released_by: null,
  admitting_since: null,
  baking_since: null,
  ended_at: null,
  verdict: null,
})

const aMember = (device: string, over: Partial<MemberRow>): MemberRow => ({
  device,
  stage: 0,
  serves_from: 0,
  stratum: 'x64/north',
  standing: 'connected',
  rank: 0,
  target: 'sha',
  previous: null,
  state: 'planned',
  reason: null,
  attempt: 1,
  role: 'primary',
  offered_at: null,
  progress_at: null,
  withdrawn: false,
  acknowledged_attempt: null,
  ...over,
})

const told = (
  members: MemberRow[],
  decisions: Omit<DecisionRow, 'seq' | 'at' | 'actor'>[],
  over: Partial<Story> & { state?: Story['row']['state'] } = {},
): string[] => {
  const { state = 'rolled_back', ...story } = over
  return explain({
    row: {
      id: 'r-1',
      model: 'm',
      version: 2,
      deployment: 'm',
      group_name: 'g',
      query: 'all',
      plan: aPlan(),
      state,
      reason: 'back',
      paused_by: null,
      supersede: false,
      created_by: 'ops',
      created_at: 0,
      started_by: 'ops',
      started_at: 0,
      changed_at: 0,
      revision: 1,
    },
    stages: [aStage(0, 'shadow'), aStage(1, 'canary'), aStage(2, 'all')],
    members,
    decisions: decisions.map((decision, i) => ({ seq: i, at: i, actor: 'hub', ...decision })),
    looks: [],
    suspects: [],
    details: new Map(),
    running: [],
    waits: undefined,
    ...story,
  }).sentences.map(({ text }) => text)
}

test('devices that ran it in shadow before are counted in the stage in which it answers', () => {
  const members = [
    ...['a', 'b'].map((device) => aMember(device, { serves_from: 1 })),
    ...['c', 'd', 'e'].map((device) => aMember(device, { stage: 2, serves_from: 2 })),
  ]
  const sentences = told(members, [
    { action: 'started', detail: { query: 'all', devices: 5 } },
    { action: 'stage', detail: { do: 'stage', index: 1, state: 'admitting' } },
  ])
  expect(sentences[0]).toContain('drawn into shadow 2, canary 2 (2 of them in shadow before), all 3.')
  expect(sentences[1]).toBe('Stage canary began to admit its 2 devices.')
})

test('devices that joined later are counted from then on, and named; so is the rollout that took over', () => {
  const members = ['a', 'b', 'c'].map((device) => aMember(device, { stage: 2, serves_from: 2 }))
  const started = { query: 'ring = a', devices: 1 }
  const admitting = (index: number) => ({ action: 'stage', detail: { do: 'stage', index, state: 'admitting' } })
  const story = told(members, [
    { action: 'started', detail: started },
    admitting(2),
    { action: 'joined', detail: { devices: ['b', 'c'] } },
    admitting(2),
    { action: 'superseded', detail: { by: 'r-2' } },
  ])
  expect(story[0]).toMatch(/to the 1 device of g \(ring = a\), drawn into shadow 0, canary 0, all 1\.$/)
  expect(story.slice(1, 5)).toEqual([
    'Stage all began to admit its 1 device.',
    '2 devices (b, c) came to fit the group, and joined stage all.',
    'Stage all began to admit its 3 devices.',
    'The hub started r-2, which took its devices over.',
  ])
})

test('says why devices failed, and which', () => {
  const sentences = told(
    [
      aMember('a', { state: 'rolled_back', reason: 'crash' }),
      aMember('b', { state: 'rolled_back', reason: 'crash' }),
      aMember('c', { state: 'failed', reason: 'golden_mismatch' }),
      aMember('d', { state: 'rolled_back' }),
      aMember('e', { state: 'succeeded' }),
    ],
    [],
  )
  expect(sentences).toContain('2 devices (a, b) rolled back: crash.')
  expect(sentences).toContain('c failed: golden mismatch.')
  expect(sentences).toHaveLength(3)
})

test('says in the words of the device why it failed', () => {
  const details = new Map([['a', 'is 2000133 bytes, this device keeps 1500000']])
  const sentences = told([aMember('a', { state: 'rejected', reason: 'incompatible' })], [], { details })
  expect(sentences).toContain('a rejected: incompatible (is 2000133 bytes, this device keeps 1500000).')
})

test('of one that has ended it says what runs where now', () => {
  const running = [
    { model: 'm', version: 1, devices: 7 },
    { model: 'm', version: 2, devices: 1 },
    { model: null, version: null, devices: 2 },
  ]
  for (const state of ['completed', 'aborted', 'superseded'] as const) {
    expect(told([], [], { state, running })).toEqual([
      `It has ended: ${state}, back. Now 1 of 10 devices runs m 2, 7 m 1, 2 nothing that is known.`,
    ])
  }
})

test('times in sentences are written as all others are', () => {
  const waits = { for: 'devices', until: Date.UTC(2026, 10, 24, 8, 15, 2, 5) }
  expect(told([], [], { state: 'running', waits }).at(-1)).toBe(
    'It is running (back) and waits for devices, until 2026-11-24 08:15:02 UTC.',
  )
})
