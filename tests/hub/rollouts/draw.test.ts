import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Candidate, drawStages, unitHash } from '../../../hub/rollouts/plan/draw.ts'
import { type PlannedStage, RolloutPlan } from '../../../hub/rollouts/plan/plan.ts'

const seed = 4711
console.log(`draw: seed ${seed}`)

const stagesOf = (...percents: number[]): PlannedStage[] =>
  RolloutPlan.parse({ stages: percents.map((percent, i) => ({ name: `s${i}`, percent, bakeMs: 0 })) }).stages

const fleet = fc.uniqueArray(
  fc.record({
    device: fc.string({ unit: fc.constantFrom(...'abcdef0123'), minLength: 1, maxLength: 6 }),
    profile: fc.constantFrom('pi', 'pc'),
    site: fc.constantFrom('north', 'south', 'west'),
    present: fc.boolean(),
  }),
  { selector: (candidate) => candidate.device, minLength: 20, maxLength: 120 },
)

const drawn = (rollout: string, candidates: Candidate[], stages: PlannedStage[]) => {
  const result = drawStages(rollout, candidates, stages)
  if ('emptyStage' in result) throw new Error(result.detail)
  return result
}

describe('draw', () => {
  test('every device is in exactly one stage and cumulative sizes are the percentages, rounded up', () => {
    fc.assert(
      fc.property(fleet, (candidates) => {
        const result = drawn('r-1', candidates, stagesOf(10, 50, 100))
        expect(result.map((d) => d.device).sort()).toEqual(candidates.map((c) => c.device).sort())
        const upTo = (stage: number) => result.filter((d) => d.stage <= stage).length
        expect(upTo(0)).toBe(Math.ceil(candidates.length * 0.1 - 1e-9))
        expect(upTo(1)).toBe(Math.ceil(candidates.length * 0.5 - 1e-9))
        expect(upTo(2)).toBe(candidates.length)
      }),
      { seed },
    )
  })

  test('does not depend on the order in which devices are listed', () => {
    fc.assert(
      fc.property(fleet, (candidates) => {
        const byDevice = (list: Candidate[]) =>
          Object.fromEntries(drawn('r-1', list, stagesOf(25, 100)).map((d) => [d.device, d.stage]))
        expect(byDevice(candidates.toReversed())).toEqual(byDevice(candidates))
      }),
      { seed },
    )
  })

  test('a canary takes devices that are there as long as there are enough', () => {
    fc.assert(
      fc.property(fleet, (candidates) => {
        const canary = drawn('r-1', candidates, stagesOf(10, 100)).filter((d) => d.stage === 0)
        const present = new Set(candidates.filter((c) => c.present).map((c) => c.device))
        const presentDrawn = canary.filter((d) => present.has(d.device)).length
        expect(presentDrawn).toBe(Math.min(canary.length, present.size))
      }),
      { seed },
    )
  })

  test('strata are spread evenly: none has more than one device over its share in the canary', () => {
    fc.assert(
      fc.property(fleet, (candidates) => {
        const all = candidates.map((candidate) => ({ ...candidate, present: true }))
        const result = drawn('r-1', all, stagesOf(40, 100))
        for (const [, members] of Map.groupBy(result, (d) => d.stratum)) {
          const chosen = members.filter((d) => d.stage === 0).length
          expect(Math.abs(chosen - 0.4 * members.length)).toBeLessThanOrEqual(1.5)
        }
      }),
      { seed },
    )
  })

  test('another rollout draws anew', () => {
    const candidates = Array.from({ length: 200 }, (_, i) => ({
      device: `d-${i}`,
      profile: 'pc',
      site: '',
      present: true,
    }))
    const canary = (id: string) =>
      drawn(id, candidates, stagesOf(10, 100))
        .filter((d) => d.stage === 0)
        .map((d) => d.device)
    expect(canary('r-1')).not.toEqual(canary('r-2'))
    expect(unitHash('r-1', 'd-1')).not.toBe(unitHash('r-2', 'd-1'))
  })

  test('a stage that would add nobody is said, never passed', () => {
    const candidates = Array.from({ length: 6 }, (_, i) => ({
      device: `d-${i}`,
      profile: 'pc',
      site: '',
      present: true,
    }))
    expect(drawStages('r-1', candidates, stagesOf(10, 15, 100))).toMatchObject({ emptyStage: 's1' })
    expect(drawStages('r-1', [], stagesOf(100))).toMatchObject({ emptyStage: 's0' })
  })
})
