// What a dry run says that a gate could see, where the metric is not one of those that few devices can tell by their past.

import { expect, test } from 'vitest'
import { type Arms, sightOf } from '../../../hub/rollouts/plan/sight.ts'

const past = { devices: [], metrics: new Map(), outputs: [] }
const stage = { gates: 2, stages: 3, index: 1, isLast: false, mode: 'canary' as const }
const arms = (canary: number, control: number): Arms => ({
  taking: canary,
  canary,
  control,
  strata: [{ canary, control }],
})
const silence = { metric: 'silence' as const, silentMs: 60_000, margin: 0.1 }

test('silence of few devices is told where there is none, and by no draw where there is some', () => {
  expect(sightOf(silence, arms(2, 8), past, stage)).toMatchObject({
    method: 'none',
    blind: false,
    sentence: expect.stringMatching(/passes where none of 2 canaries is silent/),
  })
  // no two versions on the same inputs make a device speak
  expect(sightOf(silence, arms(2, 8), past, { ...stage, mode: 'shadow' }).method).toBe('none')
  expect(sightOf(silence, arms(20, 180), past, stage)).toMatchObject({ method: 'redraw', blind: false })
})

test('agreement is told by pairs in shadow, and passes elsewhere', () => {
  const gate = { metric: 'agreement' as const, min: 0.9 }
  expect(sightOf(gate, arms(2, 8), past, { ...stage, mode: 'shadow' }).method).toBe('paired')
  expect(sightOf(gate, arms(2, 8), past, stage)).toMatchObject({ method: 'none', blind: false })
  expect(sightOf(gate, arms(2, 8), past, stage).sentence).toContain('in shadow only')
})

test('a gate is called what a person calls it', () => {
  const torque = { metric: 'custom' as const, name: 'torque', better: 'lower' as const, margin: 1, relative: false }
  expect(sightOf(torque, arms(2, 8), past, stage).label).toBe('metric torque')
  const gate = { metric: 'installation' as const, failuresMax: 0 }
  expect(sightOf(gate, arms(2, 8), past, stage).label).toBe('installation')
})
