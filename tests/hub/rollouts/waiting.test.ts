// What a rollout says it waits for: only what it really waits for.

import { expect, test } from 'vitest'
import { pendingStage } from '../../../hub/rollouts/states.ts'
import { waitsFor } from '../../../hub/rollouts/waiting.ts'
import { aDevice, aGateVerdict, aPlan, aRollout } from './a-rollout.ts'

const plan = aPlan({ gates: [{ metric: 'installation' }, { metric: 'error_rate' }, { metric: 'latency' }] })
const baking = aRollout({
  plan,
  stages: [
    { ...pendingStage(0, 'canary'), state: 'baking', admittingSince: 0, bakingSince: 0 },
    ...aRollout({ plan }).stages.slice(1),
  ],
  devices: Array.from({ length: 4 }, (_, i) =>
    aDevice({ device: `d-${i}`, stage: i < 2 ? 0 : 1, state: i < 2 ? 'succeeded' : 'planned' }),
  ),
})
const afterBake = 2_000

test('of the gates it names those alone that do not pass yet, each with what it says', () => {
  const gates = [
    aGateVerdict('pass'),
    { ...aGateVerdict('undecided', 'error_rate'), sentence: 'the new version has answered 3 times, 100 needed' },
    { ...aGateVerdict('undecided', 'latency'), label: 'latency p50', method: 'redraw' as const },
  ]
  expect(waitsFor(baking, gates, afterBake)?.for).toBe(
    'gates of stage canary that do not pass yet: error_rate (the new version has answered 3 times, 100 needed); latency p50 (undecided)',
  )
})

test('before the first look it says that none was looked at', () => {
  expect(waitsFor(baking, undefined, afterBake)?.for).toBe(
    'gates of stage canary that do not pass yet: installation (not looked at yet); error rate (not looked at yet); latency p50 (not looked at yet)',
  )
})

test('where all gates pass it waits for devices, not for gates', () => {
  const installing = {
    ...baking,
    devices: baking.devices.map((device, i) => (i === 0 ? { ...device, state: 'downloading' as const } : device)),
  }
  const gates = [aGateVerdict('pass'), aGateVerdict('pass', 'error_rate'), aGateVerdict('pass', 'latency')]
  expect(waitsFor(installing, gates, afterBake)?.for).toBe('1 device still installing')
})
