import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Candidate, type Drawn, drawLate, drawStages } from '../../../hub/rollouts/plan/draw.ts'
import { standInLine, standings, unitHash } from '../../../hub/rollouts/plan/line.ts'
import { type PlannedStage, RolloutPlan, type WrittenPlan } from '../../../hub/rollouts/plan/plan.ts'

const seed = 4711
console.log(`draw: seed ${seed}`)

type WrittenStage = Omit<WrittenPlan['stages'][number], 'name' | 'bakeMs'>
const stagesOf = (...stages: WrittenStage[]): PlannedStage[] =>
  RolloutPlan.parse({ stages: stages.map((stage, i) => ({ name: `s${i}`, bakeMs: 0, ...stage })) }).stages
const percents = (...all: number[]) => stagesOf(...all.map((percent) => ({ percent })))

const aCandidate = (i: number, over: Partial<Candidate> = {}): Candidate => ({
  device: `d-${String(i).padStart(3, '0')}`,
  profile: 'pc',
  labels: { site: 'north' },
  standing: 'present',
  replaces: true,
  ...over,
})
const many = (n: number, over: (i: number) => Partial<Candidate> = () => ({})): Candidate[] =>
  Array.from({ length: n }, (_, i) => aCandidate(i, over(i)))

const fleet = fc.uniqueArray(
  fc.record({
    device: fc.string({ unit: fc.constantFrom(...'abcdef0123'), minLength: 1, maxLength: 6 }),
    profile: fc.constantFrom('pi', 'pc'),
    // few sites and many: a stratum of one device must have its chance too
    labels: fc.record({ site: fc.oneof(fc.constantFrom('north', 'south'), fc.string({ maxLength: 2 })) }),
    standing: fc.constantFrom(...standings, 'present' as const, 'present' as const),
    replaces: fc.boolean(),
  }),
  { selector: (candidate) => candidate.device, minLength: 20, maxLength: 120 },
)
const presentFleet = fleet.map((all) => all.map((candidate) => ({ ...candidate, standing: 'present' as const })))

function drawn(rollout: string, candidates: Candidate[], stages: PlannedStage[]): Drawn[] {
  const result = drawStages(rollout, candidates, stages)
  if ('refused' in result) throw new Error(result.detail)
  return result
}
const devicesUpTo = (all: Drawn[], stage: number) =>
  all.filter(({ servesFrom }) => servesFrom <= stage).map(({ device }) => device)

describe('draw', () => {
  test('every device is in exactly one stage, and cumulative sizes are the percentages of the whole, rounded up', () => {
    fc.assert(
      fc.property(presentFleet, (candidates) => {
        const result = drawn('r-1', candidates, percents(10, 50, 100))
        expect(result.map(({ device }) => device).sort()).toEqual(candidates.map(({ device }) => device).sort())
        expect(devicesUpTo(result, 0).length).toBe(Math.ceil(candidates.length * 0.1 - 1e-9))
        expect(devicesUpTo(result, 1).length).toBe(Math.ceil(candidates.length * 0.5 - 1e-9))
        expect(result.every(({ stage, servesFrom }) => stage === servesFrom)).toBe(true)
      }),
      { seed },
    )
  })

  test('every beginning of the line has of each stratum its share, rounded up or down', () => {
    fc.assert(
      fc.property(presentFleet, (candidates) => {
        const line = standInLine(
          'r-1',
          candidates.map(({ device, labels, standing }) => ({ device, stratum: labels.site, standing })),
        )
        const sizes = Map.groupBy(line, ({ stratum }) => stratum)
        const seen = new Map<string, number>()
        line.forEach(({ stratum, place }, i) => {
          expect(place).toBe(i + 1)
          seen.set(stratum, (seen.get(stratum) ?? 0) + 1)
          for (const [name, members] of sizes) {
            const share = (members.length * place) / line.length
            const count = seen.get(name) ?? 0
            expect(count).toBeGreaterThanOrEqual(Math.floor(share))
            expect(count).toBeLessThanOrEqual(Math.ceil(share))
          }
        })
      }),
      { seed },
    )
  })

  test('a site with one device is in the canary as often as any other device', () => {
    // a hundred devices at one site, a hundred sites with one: of 20 canaries about half are from the small ones
    const candidates = many(200, (i) => ({ labels: { site: i < 100 ? 'large' : `small-${i}` } }))
    const counted = Array.from({ length: 20 }, (_, i) => {
      const canary = drawn(`r-${i}`, candidates, percents(10, 100)).filter(({ stage }) => stage === 0)
      return canary.filter(({ stratum }) => stratum !== 'pc/large').length
    })
    expect(counted).toEqual(Array.from({ length: 20 }, () => 10))
  })

  test('a larger percentage has all devices that a smaller one has', () => {
    fc.assert(
      fc.property(
        fleet,
        fc.integer({ min: 5, max: 60 }),
        fc.integer({ min: 5, max: 39 }),
        (candidates, percent, more) => {
          const first = (share: number) => {
            const result = drawStages('r-1', candidates, percents(share, 100))
            return 'refused' in result ? [] : devicesUpTo(result, 0)
          }
          const larger = new Set(first(percent + more))
          expect(first(percent).filter((device) => !larger.has(device))).toEqual([])
        },
      ),
      { seed },
    )
  })

  test('does not depend on the order in which devices are listed, and can be recomputed from what is stored', () => {
    fc.assert(
      fc.property(fleet, (candidates) => {
        const stages = percents(25, 100)
        const result = drawn('r-1', candidates, stages)
        expect(drawn('r-1', candidates.toReversed(), stages)).toEqual(result)
        // what a rollout keeps of a device says where it stood
        const again = standInLine('r-1', result)
        expect(again.map(({ device, place, rank }) => ({ device, place, rank }))).toEqual(
          result.map(({ device, place, rank }) => ({ device, place, rank })),
        )
        for (const { device, rank } of result) expect(rank).toBe(unitHash('r-1', device))
      }),
      { seed },
    )
  })

  test('a canary takes devices that are there as long as there are enough, and never one that is put aside', () => {
    fc.assert(
      fc.property(fleet, (candidates) => {
        const result = drawStages('r-1', candidates, percents(10, 100))
        const standingOf = new Map(candidates.map(({ device, standing }) => [device, standing]))
        const count = (standing: string) => candidates.filter((candidate) => candidate.standing === standing).length
        if ('refused' in result) {
          expect(count('present') + count('away')).toBe(0)
          return
        }
        const canary = devicesUpTo(result, 0).map((device) => standingOf.get(device))
        expect(canary).not.toContain('aside')
        const wanted = Math.ceil(candidates.length * 0.1 - 1e-9)
        expect(canary.length).toBe(Math.min(wanted, count('present') + count('away')))
        expect(canary.filter((standing) => standing === 'present').length).toBe(
          Math.min(canary.length, count('present')),
        )
        expect(devicesUpTo(result, 1).length).toBe(candidates.length)
      }),
      { seed },
    )
  })

  test('another rollout draws anew', () => {
    const canary = (id: string) => devicesUpTo(drawn(id, many(200), percents(10, 100)), 0)
    expect(canary('r-1')).not.toEqual(canary('r-2'))
    expect(unitHash('r-1', 'd-1')).not.toBe(unitHash('r-2', 'd-1'))
  })

  test('in shadow are devices that run something else; the same ones may be canaries, treated from then on', () => {
    fc.assert(
      fc.property(fleet, fc.boolean(), (candidates, extended) => {
        const shadows = candidates.filter(({ replaces, standing }) => replaces && standing !== 'aside').length
        const stages = stagesOf(
          { devices: 3, mode: 'shadow' },
          ...(extended ? [{ percent: 25, mode: 'shadow' as const }] : []),
          { percent: 10 },
          { percent: 100 },
        )
        const result = drawStages('r-1', candidates, stages)
        if ('refused' in result) return
        const last = stages.length - 1
        const inShadow = result.filter(({ stage, servesFrom }) => stage < servesFrom)
        const wanted = extended ? Math.ceil(candidates.length * 0.25 - 1e-9) : 3
        expect(inShadow.length).toBe(Math.min(wanted, shadows))
        for (const { stage, device } of inShadow) {
          expect(stage).toBeLessThan(extended ? 2 : 1)
          expect(candidates.find((candidate) => candidate.device === device)?.replaces).toBe(true)
        }
        expect(devicesUpTo(result, last - 1).length).toBeGreaterThan(0)
        expect(devicesUpTo(result, last).length).toBe(candidates.length)
      }),
      { seed },
    )
  })

  test('who is first in line is in shadow first, and a canary next', () => {
    const result = drawn('r-1', many(40), stagesOf({ devices: 4, mode: 'shadow' }, { percent: 20 }, { percent: 100 }))
    expect(result.slice(0, 4).map(({ stage, servesFrom }) => [stage, servesFrom])).toEqual(Array(4).fill([0, 1]))
    expect(result.slice(4, 8).map(({ stage, servesFrom }) => [stage, servesFrom])).toEqual(Array(4).fill([1, 1]))
  })

  test('a stage by query takes those that fit and are in none before it, and counts for the next', () => {
    const candidates = many(20, (i) => ({ labels: { site: i < 5 ? 'lab' : 'field' } }))
    const result = drawn('r-1', candidates, stagesOf({ where: 'site = lab' }, { percent: 50 }, { percent: 100 }))
    expect(devicesUpTo(result, 0).sort()).toEqual(candidates.slice(0, 5).map(({ device }) => device))
    expect(devicesUpTo(result, 1).length).toBe(10)
  })

  test.each<[string, Candidate[], PlannedStage[], string, RegExp]>([
    [
      'percentages that are too close',
      many(6),
      percents(10, 15, 100),
      'empty-stage',
      /s1 \(15 %\).*before have 1.*reaches 1/,
    ],
    ['nobody at all', [], percents(100), 'empty-stage', /s0/],
    [
      'more devices than there are',
      many(6),
      stagesOf({ devices: 7 }, { percent: 100 }),
      'too-many-devices',
      /wants 7 devices, and there are only 6/,
    ],
    [
      'a query that fits nobody',
      many(6),
      stagesOf({ where: 'site = moon' }, { percent: 100 }),
      'empty-stage',
      /fits the query/,
    ],
    [
      'a shadow beside nothing',
      many(6, () => ({ replaces: false })),
      stagesOf({ devices: 2, mode: 'shadow' }, { percent: 100 }),
      'empty-stage',
      /could run beside/,
    ],
    ['a canary after all', many(6), stagesOf({ where: 'all' }, { percent: 100 }), 'empty-stage', /leave it out/],
    [
      'a last stage by number that is too small',
      many(6),
      stagesOf({ devices: 2 }, { devices: 5 }),
      'stages-left-over',
      /1 of 6 devices/,
    ],
    [
      'a last stage by query that is too small',
      many(6),
      stagesOf({ devices: 2 }, { where: 'id = d-005 or id = d-004' }),
      'stages-left-over',
      /of 6 devices/,
    ],
    ['a canary of devices put aside', many(6, () => ({ standing: 'aside' })), percents(10, 100), 'empty-stage', /s0/],
  ])('%s: refused, saying why', (_, candidates, stages, refused, detail) => {
    expect(drawStages('r-1', candidates, stages)).toMatchObject({ refused, detail: expect.stringMatching(detail) })
  })

  test('who comes later joins the last stage, behind all others', () => {
    const late = drawLate('r-1', many(3), percents(10, 50, 100), 20)
    expect(late.map(({ stage, servesFrom, place }) => [stage, servesFrom, place])).toEqual([
      [2, 2, 21],
      [2, 2, 22],
      [2, 2, 23],
    ])
  })

  test('a hundred thousand devices at as many sites are drawn', () => {
    const candidates = many(100_000, (i) => ({ device: `d-${i}`, labels: { site: `${i}` } }))
    expect(devicesUpTo(drawn('r-1', candidates, percents(1, 100)), 0).length).toBe(1000)
  })
})
