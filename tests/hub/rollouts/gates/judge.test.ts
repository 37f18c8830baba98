import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Unit } from '../../../../hub/rollouts/gates/evidence.ts'
import { GateVerdict } from '../../../../hub/rollouts/gates/verdict.ts'
import { seededRandom } from '../../../../hub/seeded-random.ts'
import { aFleet, comparison, errorRate, judgedAs, normal } from './a-comparison.ts'

const seed = 2718
console.log(`judge: seed ${seed}`)

const margin = 0.01
const judgedFleet = (units: readonly Unit[], options: Parameters<typeof judgedAs>[2] = {}) =>
  judgedAs(errorRate(margin), comparison(units), options)

describe('the verdict over a comparison', () => {
  test('no effect passes, twice the margin fails, and what is at the margin stays undecided', () => {
    expect(judgedFleet(aFleet()).outcome).toBe('pass')
    expect(judgedFleet(aFleet({ effect: 2 * margin })).outcome).toBe('fail')
    expect(judgedFleet(aFleet({ effect: margin })).outcome).toBe('undecided')
  })

  test('says it to an operator', () => {
    const { sentence } = judgedFleet(aFleet({ effect: 0.019, devices: 400, canary: 40 }))
    expect(sentence).toMatch(
      /^of 9,999 other draws, 0 looked as bad: error rate \+1\.\d+ % \(\+1\.\d+ % to \+1\.\d+ %\) where \+1 % is allowed$/,
    )
  })

  test('an interval goes from less to more, whichever way is worse', () => {
    const right = aFleet({ effect: 0.019, devices: 400, canary: 40 }).map((unit) => ({
      ...unit,
      value: 1 - unit.value,
      before: unit.before === null ? null : 1 - unit.before,
    }))
    const { sentence, low, high } = judgedAs({ metric: 'accuracy', margin }, comparison(right))
    expect(low).toBeLessThan(high ?? 0)
    const [, from, to] = /accuracy −[\d.]+ % \(−([\d.]+) % to −([\d.]+) %\)/.exec(sentence) ?? []
    expect(Number(from), sentence).toBeGreaterThan(Number(to))
  })

  test('the same inputs give the same verdict to the last bit, whatever the order and the names of devices', () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(0, margin, 2 * margin), (which, effect) => {
        const units = aFleet({ seed: String(which), effect, devices: 60, strata: 3 })
        const verdict = judgedFleet(units)
        const renamed = units
          .map((unit, i) => ({ ...unit, device: `other-${(i * 37) % 60}`, stratum: `renamed-${unit.stratum.at(-1)}` }))
          .toReversed()
        const again = judgedFleet(renamed)
        expect({ ...again, excluded: [] }).toEqual({ ...verdict, excluded: [] })
        expect(judgedFleet(units)).toEqual(verdict)
        expect(GateVerdict.parse(JSON.parse(JSON.stringify(verdict)))).toEqual(verdict)
      }),
      { seed, numRuns: 8 },
    )
  })

  test('its interval says the same as its outcome', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.double({ min: -0.02, max: 0.04, noNaN: true }),
        fc.constantFrom(2, 5, 20, 60),
        (which, effect, canary) => {
          const verdict = judgedFleet(aFleet({ seed: String(which), effect, canary, devices: 80 }), {
            stage: { stages: 1, gates: 1 },
          })
          const { outcome, low, high, difference } = verdict
          if (outcome === 'fail') expect(low).toBeGreaterThanOrEqual(margin)
          if (outcome === 'pass') expect(high).toBeLessThanOrEqual(margin)
          if (outcome === 'undecided') expect(high ?? 1).toBeGreaterThan(margin)
          if (low !== null && difference !== null) expect(low).toBeLessThanOrEqual(difference)
          if (high !== null && difference !== null) expect(high).toBeGreaterThanOrEqual(difference)
        },
      ),
      { seed, numRuns: 25 },
    )
  })

  test('without figures it makes fewer draws and comes to the same, also of what passed before and in the last stage', () => {
    const passed = judgedFleet(aFleet())
    const undecided = judgedFleet(aFleet({ effect: margin }))
    const looks = [
      {},
      { look: { number: 2, fraction: 1 / 4, before: passed } },
      // soon after the first: hardly any budget, and so thousands of draws before it may pass
      { look: { number: 2, fraction: 1 / 14, before: undecided } },
      { stage: { index: 2, isLast: true } },
    ]
    let fewer = 0
    fc.assert(
      fc.property(
        fc.integer(),
        fc.double({ min: 0, max: 3 * margin, noNaN: true }),
        fc.constantFrom(...looks),
        fc.constantFrom(0, 10, 60),
        (which, effect, options, others) => {
          const units = aFleet({ seed: String(which), effect, canary: 30, devices: 30 + others })
          const told = judgedFleet(units, options)
          const untold = judgedFleet(units, { ...options, telling: { withFigures: false } })
          const { outcome, difference, margin: at, method, moved, alpha, spent } = told
          expect(untold).toMatchObject({ outcome, difference, margin: at, method, moved, alpha, spent })
          if (untold.draws < told.draws) fewer += 1
        },
      ),
      { seed, numRuns: 30 },
    )
    expect(fewer).toBeGreaterThan(5)
  })

  test('a worse effect is never judged better', () => {
    fc.assert(
      fc.property(fc.integer(), (which) => {
        const order = { pass: 0, undecided: 1, fail: 2 }
        const outcomes = [-0.01, 0, 0.005, 0.01, 0.015, 0.02, 0.05, 0.5].map((effect) => {
          const units = aFleet({ seed: String(which), devices: 100 })
          const worse = units.map((unit) => (unit.treated ? { ...unit, value: unit.value + effect } : unit))
          return order[judgedFleet(worse).outcome]
        })
        expect(outcomes).toEqual(outcomes.toSorted())
        expect(outcomes[0]).toBe(0)
        expect(outcomes.at(-1)).toBe(2)
      }),
      { seed, numRuns: 5 },
    )
  })

  test('one device that lies can neither stop a rollout, nor let a bad version pass, nor keep a good one from passing', () => {
    for (const lie of [1, 1e9, -1e9]) {
      for (const liar of [0, 199]) {
        const lying = (units: Unit[]) =>
          units.map((unit, i) => (i === liar ? { ...unit, value: lie, weight: 1e9 } : unit))
        const healthy = judgedFleet(lying(aFleet()))
        expect(healthy.outcome).toBe('pass')
        expect(judgedFleet(lying(aFleet({ effect: 3 * margin }))).outcome).toBe('fail')
        expect(healthy.excluded.map(({ device }) => device)).toContain(`d-${liar}`)
      }
    }
    const impossible = aFleet().map((unit, i) => (i === 3 ? { ...unit, value: Number.NaN } : unit))
    const verdict = judgedFleet(impossible)
    expect(verdict.outcome).toBe('pass')
    expect(verdict.excluded[0]?.device).toBe('d-3')
  })

  test('a failure that no device ever had before: passes only when counting allows it, fails when two in a hundred do', () => {
    const clean = (weight: number, failing: number) =>
      aFleet().map((unit) => ({ ...unit, value: unit.treated ? failing : 0, before: 0, weight }))
    expect(judgedFleet(clean(20, 0)).outcome).toBe('undecided')
    expect(judgedFleet(clean(100, 0)).outcome).toBe('pass')
    expect(judgedFleet(clean(100, 0.009)).outcome).toBe('undecided')
    expect(judgedFleet(clean(2_000, 0.02)).outcome).toBe('fail')
  })

  test('one canary of ten can be judged by no draw: undecided, and it says why', () => {
    const verdict = judgedFleet(aFleet({ devices: 10, canary: 1, effect: 0.9 }))
    expect(verdict.outcome).toBe('undecided')
    expect(verdict.low).toBeNull()
    expect(verdict.sentence).toContain('too few devices')
  })

  test('what passed once stays passed while undecided, and still fails when it is found to be worse', () => {
    const before = judgedFleet(aFleet())
    const look = { number: 2, fraction: 1 / 4, before }
    expect(judgedFleet(aFleet({ effect: margin }), { look }).outcome).toBe('pass')
    expect(judgedFleet(aFleet({ effect: 3 * margin }), { look }).outcome).toBe('fail')
    expect(judgedAs(errorRate(), { kind: 'none', why: 'silent' }, { look }).outcome).toBe('pass')
  })

  test('a look without evidence spends nothing of the budget', () => {
    const none = judgedAs(errorRate(), { kind: 'none', why: 'nobody has reported' })
    expect([none.outcome, none.spent, none.sentence]).toEqual(['undecided', 0, 'nobody has reported'])
    const first = judgedFleet(aFleet(), { look: { fraction: 1 / 8 } })
    const later = judgedFleet(aFleet(), { look: { number: 2, fraction: 1 / 8, before: none } })
    expect(later.alpha).toEqual(first.alpha)
    const again = judgedFleet(aFleet(), { look: { number: 2, fraction: 1 / 8, before: first } })
    expect(again.alpha.fail).toBe(0)
  })

  test('latency is compared as a ratio, and below the slack nobody would notice', () => {
    const gate = { metric: 'latency' as const, quantile: 0.95, ratioMax: 1.5, slackUs: 500 }
    const random = seededRandom('latency')
    const fleet = (usualUs: number, factor: number) =>
      aFleet().map((unit) => {
        const own = usualUs * Math.exp(0.8 * normal(random))
        const value = own * Math.exp(0.05 * normal(random)) * (unit.treated ? factor : 1)
        return { ...unit, before: own, value }
      })
    expect(judgedAs(gate, comparison(fleet(20_000, 1.1))).outcome).toBe('pass')
    const slow = judgedAs(gate, comparison(fleet(20_000, 2)))
    expect(slow.outcome).toBe('fail')
    expect(slow.label).toBe('latency p95')
    expect(slow.margin).toBeCloseTo(1.5)
    expect(slow.difference).toBeGreaterThan(1.9)
    expect(slow.difference).toBeLessThan(2.1)
    expect(judgedAs(gate, comparison(fleet(100, 2))).outcome).toBe('pass')
  })

  test('where larger is better, less is worse', () => {
    const units = (lost: number) =>
      aFleet({ effect: 0 }).map((u) => ({
        ...u,
        value: 0.9 - u.value - (u.treated ? lost : 0),
        before: 0.9 - (u.before ?? 0),
      }))
    const accuracy = { metric: 'accuracy' as const, margin: 0.02 }
    expect(judgedAs(accuracy, comparison(units(0))).outcome).toBe('pass')
    const worse = judgedAs(accuracy, comparison(units(0.06)))
    expect(worse.outcome).toBe('fail')
    expect(worse.sentence).toContain('accuracy −6')
    const torque = { metric: 'custom' as const, name: 'torque', better: 'higher' as const, margin: 0.1, relative: true }
    expect(judgedAs(torque, comparison(units(0.01))).outcome).toBe('pass')
    expect(judgedAs(torque, comparison(units(0.3))).outcome).toBe('fail')
    expect(judgedAs({ ...torque, better: 'lower' }, comparison(units(0.3))).outcome).toBe('pass')
  })

  test('silence counts against all that were assigned, one silent device does not', () => {
    const gate = { metric: 'silence' as const, silentMs: 3_600_000, margin: 0.1 }
    const silent = (canaries: number, controls: number) =>
      comparison(
        Array.from({ length: 200 }, (_, i) => ({
          device: `d-${i}`,
          stratum: 'a',
          treated: i < 10,
          value: i < canaries || (i >= 10 && i < 10 + controls) ? 1 : 0,
          before: null,
          weight: 1,
        })),
      )
    expect(judgedAs(gate, silent(0, 0)).outcome).toBe('pass')
    expect(judgedAs(gate, silent(1, 0)).outcome).toBe('pass')
    expect(judgedAs(gate, silent(6, 4)).outcome).toBe('fail')
    expect(judgedAs(gate, silent(6, 4)).canary).toBeCloseTo(0.6)
    // two canaries of ten: that none is silent is seen; why one is, is not
    const few = (silentCanaries: number) =>
      comparison(
        Array.from({ length: 10 }, (_, i) => ({
          device: `d-${i}`,
          stratum: 'a',
          treated: i < 2,
          value: i < silentCanaries ? 1 : 0,
          before: null,
          weight: 1,
        })),
      )
    expect([judgedAs(gate, few(0)).outcome, judgedAs(gate, few(1)).outcome]).toEqual(['pass', 'undecided'])
  })

  test('in the last stage it can only fail, by the devices own past and twice the margin', () => {
    const last = (effect: number) =>
      judgedFleet(aFleet({ devices: 50, canary: 50, effect }), { stage: { isLast: true, index: 2, mode: 'full' } })
    expect([last(0).outcome, last(0).method]).toEqual(['pass', 'own_past'])
    // a heat wave since then: the old version had it as well, in the stage before
    const hot = (moved: number | null) =>
      judgedFleet(aFleet({ devices: 50, canary: 50, effect: 0.04 }), {
        stage: { isLast: true, index: 2, mode: 'full' },
        look: { moved },
      }).outcome
    expect([hot(null), hot(0), hot(0.04)]).toEqual(['fail', 'fail', 'pass'])
    expect(last(1.5 * margin).outcome).toBe('pass')
    expect(last(4 * margin).outcome).toBe('fail')
    const newcomers = aFleet({ devices: 9, canary: 9 }).map((unit) => ({ ...unit, before: null }))
    expect(judgedFleet(newcomers, { stage: { isLast: true } }).outcome).toBe('pass')
  })

  test('without anything to compare with it passes, saying so', () => {
    const verdict = judgedAs(errorRate(), { kind: 'incomparable', why: 'nobody ran another version' })
    expect([verdict.outcome, verdict.sentence]).toEqual(['pass', 'nobody ran another version'])
  })

  test('agreement is judged in shadow only', () => {
    const gate = { metric: 'agreement' as const, min: 0.95 }
    const pairs = (share: number, devices: number) =>
      Array.from({ length: 20 * devices }, (_, i) => ({
        device: `d-${i % devices}`,
        block: Math.floor(i / devices) * 60_000,
        candidate: share + 0.004 * Math.sin(i * 7),
        primary: 1,
        weight: 500,
      }))
    const shadow = (share: number, devices = 3) =>
      judgedAs(gate, comparison([], { pairs: pairs(share, devices) }), { stage: { mode: 'shadow' } })
    expect(shadow(0.99).outcome).toBe('pass')
    expect(shadow(0.99, 1).outcome).toBe('pass')
    expect(shadow(0.9).outcome).toBe('fail')
    expect(shadow(0.9, 20).outcome).toBe('fail')
    expect(shadow(0.95).outcome).toBe('undecided')
    // said as what is agreed on, not as a distance from the primary's agreement with itself
    expect(shadow(0.9, 20).sentence).toMatch(
      /: candidate and primary agreed on (89\.9\d?|90(\.0\d?)?) % of the answers \(at least [\d.]+ %, at most [\d.]+ %\), at least 95 % asked$/,
    )
    // the last windows of shadows that are about to serve, too few to tell anything: they must not hold the canary up
    expect(judgedAs(gate, comparison([], { pairs: pairs(0.99, 3).slice(0, 4) })).outcome).toBe('pass')
    expect(judgedAs(gate, comparison([])).outcome).toBe('pass')
    expect(judgedAs(gate, comparison([]), { stage: { mode: 'shadow' } }).outcome).toBe('undecided')
  })

  test('few devices are compared with their own windows before, beside what the controls did meanwhile', () => {
    const random = seededRandom('blocks')
    const storm = (i: number) => 0.05 * Math.sin(i / 3)
    const blocks = (effect: number, devices: number, canaries: number) =>
      Array.from({ length: devices }, (_, d) => ({
        device: `d-${d}`,
        treated: d < canaries,
        before: Array.from({ length: 60 }, (_, i) => 0.1 + storm(i) + 0.004 * normal(random)),
        since: Array.from({ length: 24 }, (_, i) =>
          i === 5 ? null : 0.1 + storm(i + 60) + 0.004 * normal(random) + (d < canaries ? effect : 0),
        ),
      }))
    const judged = (effect: number, devices = 3, canaries = 1) =>
      judgedAs(errorRate(), comparison([], { blocks: blocks(effect, devices, canaries) }))
    expect([judged(0).outcome, judged(0).method]).toEqual(['pass', 'blocks'])
    expect(judged(0.03).outcome).toBe('fail')
    expect(judged(0.03).sentence).toContain('too few devices to draw again')
    expect(judged(0, 1, 1).sentence).toContain('no other device')
  })
})

describe('the gate on installations', () => {
  const counts = {
    kind: 'counts' as const,
    assigned: 12,
    accepted: 10,
    failed: 2,
    tookBack: 0,
    died: 0,
    refused: 1,
    acknowledged: 0,
  }
  const gate = { metric: 'installation' as const, failuresMax: 1 }

  test('counts failures among those that accepted, without those that were acknowledged', () => {
    expect(judgedAs(gate, counts).outcome).toBe('fail')
    expect(judgedAs(gate, { ...counts, acknowledged: 1 }).outcome).toBe('pass')
    expect(judgedAs(gate, { ...counts, failed: 1 }).sentence).toBe(
      '1 of 10 devices that accepted it failed to install it, 1 allowed; 1 refused it because it does not fit; from so many devices one can tell that at most 45 % of such would fail',
    )
  })

  test.each([
    [{ failed: 0 }, '0 of 10 devices that accepted it failed to install it or took it back, 1 allowed'],
    [{ failed: 2, tookBack: 2 }, '2 of 10 devices that accepted it took it back, 1 allowed'],
    [
      { failed: 3, tookBack: 1, died: 1 },
      '3 of 10 devices that accepted it failed: 1 failed to install it, 1 took it back, 1 saw it die 3 times or more, 1 allowed',
    ],
  ])('says what became of each: %j', (over, expected) => {
    expect(judgedAs(gate, { ...counts, ...over }).sentence).toContain(`${expected};`)
  })

  test('says how little ten devices without a failure can show', () => {
    const { low, high } = judgedAs(gate, { ...counts, failed: 0 })
    expect(low).toBe(0)
    expect(high).toBeCloseTo(0.3085, 4) // 1 - 0.025^(1/10)
  })
})
