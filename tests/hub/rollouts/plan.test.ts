import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultPlanFor } from '../../../hub/rollouts/plan/default-plan.ts'
import { type Candidate, drawStages } from '../../../hub/rollouts/plan/draw.ts'
import { RolloutPlan } from '../../../hub/rollouts/plan/plan.ts'
import { parseDuration, spellDuration } from '../../../hub/rollouts/plan/spelled-duration.ts'
import { busyFor, stageTimings } from '../../../hub/rollouts/plan/timing.ts'
import { Window } from '../../../hub/rollouts/plan/window.ts'

const seed = 1604
console.log(`plan: seed ${seed}`)

const all = { name: 'all', percent: 100, bake: '1h' }
const faultsOf = (written: unknown) => {
  const { error } = RolloutPlan.safeParse(written)
  return error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []
}

describe('plan', () => {
  test('a plan from before stages had modes is what it was', () => {
    const plan = RolloutPlan.parse({
      stages: [
        { name: 'canary', percent: 10, bakeMs: 3_600_000 },
        { name: 'all', percent: 100, bakeMs: 600_000 },
      ],
      gates: [{ metric: 'installation', failuresMax: 0 }],
      samplesMin: 100,
      quorum: 0.8,
      concurrency: 50,
      installTimeoutMs: 3_600_000,
      stageTimeLimitMs: 86_400_000,
      onFail: 'rollback',
    })
    expect(plan).toMatchObject({ version: 1, onUndecided: 'pause', dynamic: false })
    expect(plan.stages.map(({ mode, hold, approvals }) => [mode, hold, approvals])).toEqual([
      ['canary', false, 0],
      ['full', false, 0],
    ])
  })

  test('what is stored is read again as it is', () => {
    const stage = fc.record(
      {
        percent: fc.integer({ min: 1, max: 99 }),
        bake: fc.integer({ min: 0, max: 900 }).map((n) => `${n}m`),
        timeLimit: fc.constant('2d'),
        hold: fc.boolean(),
        approvals: fc.nat(3),
        shadowSample: fc.constantFrom(0.5, 1),
        mode: fc.constantFrom('canary', 'shadow'),
        gates: fc.constant([{ metric: 'silence', silent: '2h' }]),
      },
      { requiredKeys: ['percent', 'bake'] },
    )
    const written = fc.record(
      {
        stages: fc
          .uniqueArray(stage, { maxLength: 6, selector: ({ percent }) => percent })
          .map((some) => [
            ...some.sort((a, b) => a.percent - b.percent).map((one, i) => ({ ...one, name: `s${i}` })),
            all,
          ]),
        pace: fc.constant({ devicesPerMinute: 5 }),
        window: fc.constant({ days: ['sun'], from: '22:00', to: '04:00', timezone: 'Europe/Berlin' }),
        stageTimeLimit: fc.constant('12h'),
        failuresMaxPercent: fc.constant(2.5),
      },
      { requiredKeys: ['stages'] },
    )
    fc.assert(
      fc.property(written, (one) => {
        const plan = RolloutPlan.parse(one)
        expect(RolloutPlan.parse(JSON.parse(JSON.stringify(plan)))).toEqual(plan)
      }),
      { seed },
    )
  })

  test.each<[string, unknown, RegExp]>([
    ['nothing', {}, /^stages: /],
    ['no stage', { stages: [] }, /^stages: /],
    [
      'falling percentages',
      { stages: [{ ...all, name: 'a', percent: 20 }, { ...all, name: 'b', percent: 10 }, all] },
      /^stages\.1\.percent: .*cumulative/,
    ],
    ['an end before all', { stages: [{ ...all, percent: 50 }] }, /^stages\.0\.percent: .*100 percent/],
    ['two ways to say who', { stages: [{ ...all, devices: 3 }] }, /^stages\.0: .*one of devices, percent and where/],
    ['no way to say who', { stages: [{ name: 'a', bake: '1h' }] }, /^stages\.0: .*one of devices, percent and where/],
    [
      'a query that is none',
      { stages: [{ name: 'a', where: 'site is north', bake: '1h' }, all] },
      /^stages\.0\.where: .*character 6/,
    ],
    ['twice the same name', { stages: [{ ...all, percent: 10 }, all] }, /^stages\.1\.name: .*name of its own/],
    [
      'full in the middle',
      { stages: [{ ...all, name: 'a', percent: 10, mode: 'full' }, all] },
      /^stages\.0\.mode: only the last/,
    ],
    ['a shadow at the end', { stages: [{ ...all, mode: 'shadow' }] }, /^stages\.0\.mode: the last stage is full/],
    ['no bake time', { stages: [{ name: 'all', percent: 100 }] }, /^stages\.0\.bakeMs: say how long/],
    ['a duration without a unit', { stages: [{ ...all, bake: '24' }] }, /^stages\.0\.bake: .*90s, 30m, 24h or 3d/],
    ['a duration as a number', { stages: [{ ...all, bake: 24 }] }, /^stages\.0\.bake: /],
    ['a duration twice', { stages: [{ ...all, bakeMs: 1 }] }, /^stages\.0\.bake: give bake or bakeMs, not both/],
    ['a word it does not know', { stages: [all], gate: [] }, /gate/],
    [
      'an unknown time zone',
      { stages: [all], window: { from: '02:00', to: '04:00', timezone: 'Mars/Olympus' } },
      /^window\.timezone: .*Europe\/Berlin/,
    ],
    [
      'a window that never opens',
      { stages: [all], window: { days: [], from: '02:00', to: '04:00' } },
      /^window\.days: .*never opens/,
    ],
    ['two budgets', { stages: [all], failuresMax: 1, failuresMaxPercent: 1 }, /^failuresMaxPercent: .*not both/],
    ['going on undecided', { stages: [all], onUndecided: 'advance' }, /^onUndecided: /],
    ['an unknown metric', { stages: [all], gates: [{ metric: 'luck' }] }, /^gates\.0/],
    [
      'a metric of its own without a name',
      { stages: [all], gates: [{ metric: 'custom', better: 'lower', margin: 1 }] },
      /^gates\.0\.name: /,
    ],
    [
      'seventeen stages',
      { stages: Array.from({ length: 17 }, (_, i) => ({ ...all, name: `s${i}`, percent: i + 84 })) },
      /^stages: /,
    ],
  ])('%s is refused, saying where and what to do', (_, written, fault) => {
    expect(faultsOf(written)).toContainEqual(expect.stringMatching(fault))
  })

  test('durations are written as they are read', () => {
    expect(['90s', '1.5h', '3d', '250ms', '0m', '2 h'].map(parseDuration)).toEqual([
      90_000, 5_400_000, 259_200_000, 250, 0, 7_200_000,
    ])
    expect(['', 'h', '-1h', '1w', '1h30m', 'NaNs'].map(parseDuration)).toEqual(Array(6).fill(undefined))
    fc.assert(
      fc.property(fc.nat(10 ** 10), (ms) => {
        expect(parseDuration(spellDuration(ms))).toBe(ms)
      }),
      { seed },
    )
  })

  test('without a plan any number of devices has one that it can meet, in at most a day and a half', () => {
    for (const devices of [1, 2, 3, 5, 9, 10, 11, 39, 40, 41, 50, 79, 80, 99, 200, 1_200]) {
      for (const replacing of new Set([0, 1, Math.ceil(devices / 2), devices])) {
        const candidates = Array.from(
          { length: devices },
          (_, i): Candidate => ({
            device: `d-${i}`,
            profile: 'pc',
            labels: {},
            standing: 'present',
            replaces: i < replacing,
          }),
        )
        const plan = defaultPlanFor(devices, replacing)
        const drawn = drawStages('r-1', candidates, plan.stages)
        if ('refused' in drawn) throw new Error(`${devices} devices, ${replacing} replacing: ${drawn.detail}`)
        expect(plan.stages.some(({ mode }) => mode === 'shadow')).toBe(replacing > 0)
        expect(plan.stages.every(({ bakeMs }) => bakeMs < plan.stageTimeLimitMs)).toBe(true)
        const [canary] = plan.stages.flatMap(({ mode }, i) => (mode === 'canary' ? [i] : []))
        const canaries = drawn.filter(({ servesFrom }) => servesFrom === canary).length
        if (devices > 1) expect(canaries).toBeLessThanOrEqual(Math.max(10, Math.ceil(devices / 2)))
        if (devices >= 40) expect(canaries).toBe(Math.max(10, Math.ceil(devices / 100)))
        const hours =
          (stageTimings({ ...plan, concurrency: 100_000 }, drawn, new Map(), 0).at(-1)?.passesMs ?? 0) / 3_600_000
        expect(hours).toBeLessThanOrEqual(36)
      }
    }
  })
})

describe('how long it takes', () => {
  const planOf = (over: object) =>
    RolloutPlan.parse({
      stages: [
        { name: 'canary', percent: 10, bake: '1h' },
        { name: 'all', percent: 100, bake: '10m' },
      ],
      ...over,
    })
  const drawnOf = (devices: number) => {
    const candidates = Array.from(
      { length: devices },
      (_, i): Candidate => ({
        device: `d-${i}`,
        profile: 'pc',
        labels: {},
        standing: 'present',
        replaces: true,
      }),
    )
    const drawn = drawStages('r-1', candidates, planOf({}).stages)
    if ('refused' in drawn) throw new Error(drawn.detail)
    return drawn
  }
  const hoursOf = (over: object, devices: number, zone?: string, now = '2026-06-01T00:00Z') => {
    const drawn = drawnOf(devices)
    const zones = new Map(zone === undefined ? [] : drawn.map(({ device }) => [device, zone]))
    return (stageTimings(planOf(over), drawn, zones, Date.parse(now)).at(-1)?.passesMs ?? 0) / 3_600_000
  }

  test('bake times add up, and installations in turns', () => {
    // 10 and 90 devices, 10 at a time: one turn and nine of a minute each, and 70 minutes of watching
    expect(hoursOf({ concurrency: 10 }, 100)).toBeCloseTo(80 / 60)
  })

  test('a pace holds it back', () => {
    // 90 devices at one a minute: the last begins after 89 minutes
    expect(hoursOf({ pace: { devicesPerMinute: 1 } }, 100)).toBeCloseTo((10 + 60 + 90 + 10) / 60)
    expect(busyFor({ concurrency: 50, pace: { devicesPerMinute: 0.5 } }, 3)).toBe(5 * 60_000)
  })

  test('a window does, in the zone of the devices', () => {
    const window = Window.parse({ from: '02:00', to: '05:00' })
    // canaries at 02:00 UTC, the others when it has been watched for an hour, both within one night
    expect(hoursOf({ window }, 20)).toBeCloseTo(2 + (1 + 60 + 1 + 10) / 60)
    // 02:00 in New York is 06:00 UTC
    expect(hoursOf({ window }, 20, 'America/New_York')).toBeCloseTo(6 + (1 + 60 + 1 + 10) / 60)
    // four hours are watched: the others wait for the next night
    const stages = [
      { name: 'canary', percent: 10, bake: '4h' },
      { name: 'all', percent: 100, bake: '10m' },
    ]
    expect(hoursOf({ window, stages }, 20)).toBeCloseTo(26 + 11 / 60)
  })

  test('what does not fit into one night goes on in the next', () => {
    const window = Window.parse({ from: '02:00', to: '03:00' })
    // 18 devices one after another, a minute each, at a pace that needs 102 minutes: 60 tonight, the rest tomorrow
    const hours = hoursOf(
      {
        window,
        concurrency: 1,
        stages: [
          { name: 'canary', percent: 10, bake: '0m' },
          { name: 'all', percent: 100, bake: '0m' },
        ],
        pace: { devicesPerMinute: 1 / 6 },
      },
      20,
    )
    expect(hours).toBeGreaterThan(26)
    expect(hours).toBeLessThan(27.1)
  })
})
