import { createLatencyRecorder } from '@roost/shared/sketch/latency.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultPlan } from '../../../hub/rollouts/plan/default-plan.ts'
import { RolloutPlan } from '../../../hub/rollouts/plan/plan.ts'
import { type Arm, type Evidence, judgeStage } from '../../../hub/rollouts/verdict.ts'

const seed = 88
console.log(`verdict: seed ${seed}`)

function anArm(inferences: number, errors: number, latencyUs: number): Arm {
  const latency = createLatencyRecorder()
  for (let i = 0; i < inferences; i++) latency.record(latencyUs)
  return { devices: 1, inferences, errors, latency: latency.snapshot() }
}

const someEvidence = (over: Partial<Evidence> = {}): Evidence => ({
  accepted: 3,
  failed: 0,
  canary: anArm(1000, 0, 100),
  control: anArm(1000, 0, 100),
  controlKind: 'concurrent',
  ...over,
})

const judge = (evidence: Evidence) => judgeStage(defaultPlan.gates, 100, evidence).outcome

describe('verdict', () => {
  test.each<[string, Partial<Evidence>, string]>([
    ['equal arms pass', {}, 'pass'],
    ['one failed installation fails', { failed: 1 }, 'fail'],
    ['a failed installation fails even while nothing else can be said', { failed: 1, canary: anArm(0, 0, 0) }, 'fail'],
    ['errors within the margin pass', { canary: anArm(1000, 10, 100) }, 'pass'],
    ['errors beyond the margin fail', { canary: anArm(1000, 11, 100) }, 'fail'],
    ['errors that control has too pass', { canary: anArm(1000, 50, 100), control: anArm(1000, 45, 100) }, 'pass'],
    ['slower within the slack passes', { canary: anArm(1000, 0, 550) }, 'pass'],
    ['slower than slack and ratio fails', { canary: anArm(1000, 0, 700) }, 'fail'],
    [
      'a large latency within the ratio passes',
      { canary: anArm(500, 0, 14_000), control: anArm(500, 0, 10_000) },
      'pass',
    ],
    ['too few answers of the new version say nothing', { canary: anArm(99, 99, 100) }, 'undecided'],
    ['too few answers of the old version say nothing', { control: anArm(99, 0, 100) }, 'undecided'],
    ['nothing to compare with passes on installation alone', { controlKind: 'none', control: anArm(0, 0, 0) }, 'pass'],
  ])('%s', (_, over, outcome) => {
    expect(judge(someEvidence(over))).toBe(outcome)
  })

  test('more errors on the canary never turn a failed stage into a better one', () => {
    const order = { pass: 0, undecided: 1, fail: 2 }
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), fc.nat(1000), (control, errors, more) => {
        const evidence = someEvidence({ control: anArm(1000, control, 100) })
        const before = judge({ ...evidence, canary: anArm(1000, Math.min(errors, more), 100) })
        const after = judge({ ...evidence, canary: anArm(1000, Math.max(errors, more), 100) })
        expect(order[after]).toBeGreaterThanOrEqual(order[before])
      }),
      { seed, numRuns: 50 },
    )
  })

  test.each<[string, object, RegExp]>([
    [
      'stages that fall',
      {
        stages: [
          { name: 'a', percent: 50, bakeMs: 1 },
          { name: 'b', percent: 20, bakeMs: 1 },
        ],
      },
      /cumulative/,
    ],
    ['a last stage below 100', { stages: [{ name: 'a', percent: 50, bakeMs: 1 }] }, /100 percent/],
    [
      'two stages of one name',
      {
        stages: [
          { name: 'a', percent: 50, bakeMs: 1 },
          { name: 'a', percent: 100, bakeMs: 1 },
        ],
      },
      /name of its own/,
    ],
    ['an unknown field', { stages: [{ name: 'a', percent: 100, bakeMs: 1 }], gate: [] }, /gate/],
  ])('a plan with %s is refused', (_, plan, message) => {
    expect(() => RolloutPlan.parse(plan)).toThrow(message)
  })
})
