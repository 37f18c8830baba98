// A stage that can no longer come to its quorum, although its gates bear the failures: it does not wait for its time limit.

import { describe, expect, test } from 'vitest'
import { outOfReach } from '../../../hub/rollouts/quorum.ts'
import { waitsFor } from '../../../hub/rollouts/waiting.ts'
import { aDevice, aPlan, aRollout, aVerdict, type Behaviour, operated, type Played, play, says } from './a-rollout.ts'

const plan = aPlan({ gates: [{ metric: 'installation', failuresMax: 3 }] })
const begun = (): Played => ({ rollout: aRollout({ plan }), nowMs: 0 })
const passing = () => aVerdict('pass')
const doing =
  (first: ReturnType<Behaviour>, second: ReturnType<Behaviour> = first): Behaviour =>
  ({ device }) =>
    device === 'd-0' ? first : device === 'd-1' ? second : 'succeeded'
const isPaused = ({ state }: Played['rollout']) => state === 'paused'

describe('a stage pauses at once', () => {
  const cases: [string, Behaviour][] = [
    ['all failed', doing('failed')],
    ['all refused', doing('rejected')],
    ['one failed, one refused', doing('failed', 'rejected')],
    ['one failed, and two are needed', doing('failed', 'succeeded')],
  ]
  test.each(cases)('%s', (_, behaviour) => {
    const played = play(begun(), { until: isPaused, behaviour, judge: passing })
    expect(played.rollout).toMatchObject({ state: 'paused', pausedBy: 'undecided' })
    expect(played.rollout.stages.map(({ state }) => state)).toEqual(['inconclusive', 'pending'])
    expect(played.nowMs).toBeLessThan(2_000)
  })

  test('not where those that have timed out may still come', () => {
    let late = play(begun(), { forMs: 10_000, behaviour: doing('downloading'), judge: passing })
    expect(late.rollout.state).toBe('running')
    expect(waitsFor(late.rollout, undefined, late.nowMs)?.for).toBe(
      'devices of stage canary: 0 of 2 devices installed it, 2 have timed out and may still come',
    )
    late = play(says(late, ['d-0', 'd-1'], 'succeeded'), {
      until: ({ state }) => state === 'completed',
      judge: passing,
    })
    expect(late.rollout.state).toBe('completed')
  })
})

test('who resumes has seen it: it waits, and says for whom; a retry goes on', () => {
  let played = play(begun(), { until: isPaused, behaviour: doing('failed', 'rejected'), judge: passing })
  played = play(operated(played, { operation: 'resume' }), { forMs: 1_000, judge: passing })
  expect(played.rollout.state).toBe('running')
  expect(waitsFor(played.rollout, undefined, played.nowMs)?.for).toBe(
    'a person to retry devices of stage canary, or to advance it: no device of it can have the version any more ' +
      '(0 of 2 devices installed it, 1 refused it, 1 failed)',
  )
  played = play(operated(played, { operation: 'retry' }), {
    judge: passing,
    until: ({ state }) => state === 'completed',
  })
  expect(played.rollout.state).toBe('completed')
})

test('says how many are needed, and counts nobody who is revoked', () => {
  const devices = ['failed', 'succeeded', 'succeeded', 'planned'] as const
  const stage = devices.map((state, i) => aDevice({ device: `d-${i}`, state }))
  expect(outOfReach(0.75, 0, stage)).toBeUndefined()
  expect(outOfReach(0.8, 0, stage)).toMatchObject({
    isNews: true,
    sentence: expect.stringContaining('quorum of 4 devices'),
  })
  const revoked = stage.map((device, i) => (i === 0 ? { ...device, gone: true } : device))
  expect(outOfReach(1, 0, revoked)).toBeUndefined()
})
