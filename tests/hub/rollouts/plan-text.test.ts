// Plans as text: what is written is read as the same plan, and what is wrong is named where it stands.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { RolloutPlan } from '../../../hub/rollouts/plan/plan.ts'
import { placeOf, readPlanText } from '../../../hub/rollouts/plan/plan-text.ts'
import { planText, writtenPlan } from '../../../hub/rollouts/plan/written-plan.ts'
import { aPlan } from '../../builders/plans.ts'

const seed = 1611

describe('a plan as a person would have written it', () => {
  test('is the same plan, whatever it holds', () => {
    const same = (plan: RolloutPlan) => {
      expect(RolloutPlan.parse(writtenPlan(plan))).toEqual(plan)
      expect(RolloutPlan.parse(parse(planText(plan)))).toEqual(plan)
      // as others read it: the times of day are no sexagesimal numbers
      expect(RolloutPlan.parse(parse(planText(plan), { version: '1.1' }))).toEqual(plan)
    }
    fc.assert(fc.property(aPlan(), same), { seed, numRuns: 100 })
  })

  test('leaves out what is a default, and spells durations', () => {
    const plan = RolloutPlan.parse({
      stages: [
        { name: 'shadow', mode: 'shadow', devices: 3, bake: '90m' },
        { name: 'all', percent: 100, bake: '1h', gates: [{ metric: 'silence', silent: '250ms' }] },
      ],
      gates: [],
      window: { from: '01:00', to: '05:00' },
      stageTimeLimit: '2d',
    })
    expect(planText(plan)).toBe(`stages:
  - { name: shadow, mode: shadow, devices: 3, bake: 90m }
  - name: all
    percent: 100
    bake: 1h
    gates:
      - { metric: silence, silent: 250ms }
gates: []
window: { from: "01:00", to: "05:00" }
stageTimeLimit: 2d
`)
  })
})

describe('a text', () => {
  const faultOf = (text: string) => {
    const read = readPlanText(text)
    return read.ok ? undefined : [read.fault.line, read.fault.message]
  }
  test('that cannot be read says where', () => {
    expect(faultOf('stages:\n  - { name: a\n')).toEqual([3, expect.stringContaining('Flow map')])
    expect(faultOf('stages: []\nstages: []\n')).toEqual([2, expect.stringContaining('unique')])
    expect(faultOf('')).toEqual([1, expect.stringContaining('write stages:')])
    expect(faultOf('a: *b\n')).toEqual([1, expect.stringMatching(/alias/i)])
  })

  test('that would become a large plan out of few lines is refused', () => {
    const bomb = Array.from(
      { length: 9 },
      (_, i) => `a${i}: &a${i} [${i === 0 ? 1 : `*a${i - 1}, *a${i - 1}, *a${i - 1}`}]`,
    )
    expect(faultOf(bomb.join('\n'))?.[1]).toMatch(/alias/i)
  })

  test('says where a field stands, or the nearest of what is there', () => {
    const text = 'stages:\n  - { name: a, percent: 5, bake: 1h }\n  - name: b\n    percent: 3\ngates: []\n'
    const read = readPlanText(text)
    if (!read.ok) throw new Error('it can be read')
    const at = (...path: (string | number)[]) => {
      const { line, column } = placeOf(text, read.document, path)
      return [line, column]
    }
    expect(at('stages', 1, 'percent')).toEqual([4, 5])
    expect(at('stages', 0, 'bakeMs')).toEqual([2, 28])
    expect(at('stages', 1, 'bakeMs')).toEqual([3, 5])
    expect(at('stages', 0)).toEqual([2, 5])
    expect(at('window', 'from')).toEqual([1, 1])
  })
})
