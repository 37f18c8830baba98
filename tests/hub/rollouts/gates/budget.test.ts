import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lookDue, lookTimes } from '../../../../hub/rollouts/gates/looks.ts'
import { powerOf } from '../../../../hub/rollouts/gates/power.ts'
import { errorBudget, levelsAt, stageShare } from '../../../../hub/rollouts/gates/spending.ts'
import { aFleet, aStage, comparison, errorRate, judgedAs } from './a-comparison.ts'

const seed = 577
console.log(`budget: seed ${seed}`)

const stageTimes = fc.record({
  bakeMs: fc.integer({ min: 0, max: 10 ** 8 }),
  timeLimitMs: fc.integer({ min: 1, max: 10 ** 9 }),
  admittedMs: fc.option(fc.integer({ min: 0, max: 10 ** 8 }), { nil: undefined }),
})

describe('looks', () => {
  test('are few, at growing distances, with one at the end of the bake and one at the time limit', () => {
    fc.assert(
      fc.property(stageTimes, (stage) => {
        const times = lookTimes(stage)
        expect(times.length).toBeLessThanOrEqual(15)
        expect(times).toEqual([...new Set(times)].sort((a, b) => a - b))
        expect(times.at(-1)).toBe(stage.timeLimitMs)
        if (stage.admittedMs !== undefined) {
          expect(times).toContain(Math.min(stage.admittedMs + stage.bakeMs, stage.timeLimitMs))
        }
      }),
      { seed },
    )
  })

  test('each is due once, however often and late it is asked for', () => {
    fc.assert(
      fc.property(stageTimes, fc.array(fc.integer({ min: 0, max: 10 ** 9 }), { maxLength: 60 }), (stage, asked) => {
        let done = 0
        const seen = asked
          .sort((a, b) => a - b)
          .flatMap((elapsedMs) => {
            const due = lookDue(elapsedMs, done, stage)
            if (due !== undefined) done = due
            return due ?? []
          })
        expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
        expect(lookDue(10 ** 9, done, { ...stage, timeLimitMs: 1 })).toBe(done === 0 ? 1 : undefined)
      }),
      { seed },
    )
  })
})

describe('the error budget', () => {
  test('over all looks, gates and stages is never more than 5 %', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 16 }),
        fc.integer({ min: 1, max: 16 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 }),
        (stages, gates, fractions) => {
          let total = 0
          for (let index = 0; index < stages; index++) {
            let before: { spent: number } | undefined
            let atMargin = 0
            for (const [i, fraction] of fractions.toSorted().entries()) {
              const levels = levelsAt({ number: i + 1, fraction, before }, aStage({ stages, gates, index }))
              total += gates * levels.unchanged
              atMargin += levels.fail
              before = levels
            }
            expect(atMargin).toBeLessThanOrEqual(errorBudget + 1e-12)
          }
          expect(total).toBeLessThanOrEqual(errorBudget + 1e-12)
        },
      ),
      { seed },
    )
  })

  test('gives an early look enough to see a large effect', () => {
    const first = levelsAt({ number: 1, fraction: 1 / 32, before: undefined }, aStage())
    expect(first.spent).toBeGreaterThan(0.3)
    expect(stageShare(0, 3)).toBeGreaterThan(0.5)
  })

  test('with nothing wrong and no margin at all, hardly a rollout fails', () => {
    const rollouts = 40
    let failed = 0
    for (let k = 0; k < rollouts; k++) {
      const outcomes = [6, 20].flatMap((canary, index) =>
        [1 / 16, 1 / 4, 1].map(
          (fraction, i) =>
            // each look at other data: more chances to fail than a rollout whose data only grow
            judgedAs(errorRate(0), comparison(aFleet({ devices: 40, canary, seed: `${k}/${index}/${i}` })), {
              stage: { index, stages: 2, gates: 1 },
              look: { number: i + 1, fraction, before: undefined },
              seed: `${k}`,
            }).outcome,
        ),
      )
      if (outcomes.includes('fail')) failed++
    }
    // 0.05 of 40 are 2; without carrying over what is spent each look has more than its share here
    expect(failed).toBeLessThanOrEqual(8)
  })
})

describe('power', () => {
  const fleet = (canary: number, control: number) => ({ strata: [{ canary, control }], spread: 0.005 })

  test('more canaries see less, and one of ten sees nothing', () => {
    const seen = [5, 10, 20, 60].map(
      (canary) => powerOf(0.01, fleet(canary, 200 - canary), aStage()).sees ?? Number.NaN,
    )
    expect(seen).toEqual(seen.toSorted((a, b) => b - a))
    expect(seen[3]).toBeGreaterThan(0.01)
    expect(powerOf(0.01, fleet(1, 9), aStage())).toMatchObject({ sees: null, passesAt: null, smallestP: 0.1 })
    expect(powerOf(0.01, fleet(0, 9), aStage()).sees).toBeNull()
  })

  test('counting sets its own bound, however alike the devices are', () => {
    const alike = { strata: [{ canary: 10, control: 190 }], spread: 0 }
    const few = powerOf(0.01, { ...alike, counting: { usual: 0.02, tries: 500 } }, aStage()).sees ?? 0
    const many = powerOf(0.01, { ...alike, counting: { usual: 0.02, tries: 50_000 } }, aStage()).sees ?? 0
    expect(few).toBeGreaterThan(many)
    expect(many).toBeGreaterThan(0.01)
  })

  test('what is said to be seen in four of five is seen about so often', () => {
    const stage = aStage({ gates: 1, stages: 1 })
    // aFleet: 0.002 on either side of the difference from a device's own past, which it follows not quite
    const sees = powerOf(0.01, { strata: [{ canary: 20, control: 80 }], spread: 0.003 }, stage).sees ?? 0
    const runs = 40
    let failed = 0
    for (let k = 0; k < runs; k++) {
      const units = aFleet({ devices: 100, canary: 20, effect: sees, seed: `power ${k}`, strata: 1 }).map((unit) => ({
        ...unit,
        weight: 1e6,
      }))
      const before = { ...judgedAs(errorRate(), { kind: 'none', why: '' }), spent: 0.5 ** (1 / 3) }
      if (
        judgedAs(errorRate(), comparison(units), { stage, look: { number: 2, fraction: 1, before } }).outcome === 'fail'
      )
        failed++
    }
    expect(failed / runs).toBeGreaterThan(0.55)
    expect(failed / runs).toBeLessThan(0.99)
  })
})
