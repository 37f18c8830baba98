// Plans of every kind that the schema takes, as it gives them out.

import fc from 'fast-check'
import { RolloutPlan } from '../../hub/rollouts/plan/plan.ts'

const durationMs = fc.oneof(
  fc.integer({ min: 1, max: 10_000 }),
  fc.integer({ min: 1, max: 500 }).map((n) => n * 60_000),
  fc.integer({ min: 1, max: 200 }).map((n) => n * 3_600_000),
)
const share = fc.integer({ min: 0, max: 1_000 }).map((n) => n / 1_000)
const text = fc.oneof(
  fc.constantFrom('1e3', 'true', 'null', '0x1f', '12', '-', 'a: b', 'a # b', '01:00', 'torque'),
  fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }),
)
const answers = {
  onFail: fc.constantFrom('rollback', 'rollback_stage', 'pause'),
  onUndecided: fc.constantFrom('pause', 'rollback'),
}
const optional = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { requiredKeys: [] })
const some = <T, U>(required: fc.Arbitrary<T>, rest: fc.Arbitrary<U>) =>
  fc.tuple(required, rest).map(([a, b]) => ({ ...a, ...b }))

export const aGate = () =>
  fc.oneof(
    some(fc.constant({ metric: 'installation' }), optional({ failuresMax: fc.nat(9), ...answers })),
    some(fc.constant({ metric: 'silence' }), optional({ silentMs: durationMs, margin: share, ...answers })),
    some(fc.constant({ metric: 'error_rate' }), optional({ margin: share, ...answers })),
    some(
      fc.constant({ metric: 'latency' }),
      optional({
        quantile: fc.constantFrom(0.5, 0.95),
        ratioMax: fc.constantFrom(1, 1.5, 3),
        slackUs: fc.nat(9_000),
        ...answers,
      }),
    ),
    some(fc.constant({ metric: 'agreement' }), optional({ min: share, ...answers })),
    some(fc.constant({ metric: 'prediction_drift' }), optional({ margin: share, output: text, ...answers })),
    some(fc.constant({ metric: 'accuracy' }), optional({ margin: share, ...answers })),
    some(
      fc.record({
        metric: fc.constant('custom'),
        name: fc.constant('scrap_rate'),
        better: fc.constantFrom('lower', 'higher'),
        margin: share,
      }),
      optional({ relative: fc.boolean(), ...answers }),
    ),
  )

const stage = fc
  .tuple(
    fc.oneof(
      fc.record({ devices: fc.integer({ min: 1, max: 500 }) }),
      fc.record({ where: fc.constantFrom('site = lab', 'profile = "a b" and line in (x, y)', 'all') }),
    ),
    fc.record({ bakeMs: durationMs }),
    optional({
      mode: fc.constantFrom('shadow', 'canary'),
      shadowSample: fc.constantFrom(0.1, 0.5, 1),
      timeLimitMs: durationMs,
      hold: fc.boolean(),
      approvals: fc.nat(10),
      gates: fc.array(aGate(), { maxLength: 3 }),
      ...answers,
    }),
  )
  .map(([who, bake, rest]) => ({ ...who, ...bake, ...rest }))
const last = fc
  .tuple(
    fc.record({ bakeMs: durationMs }),
    optional({ hold: fc.boolean(), gates: fc.array(aGate(), { maxLength: 2 }) }),
  )
  .map(([bake, rest]) => ({ name: 'all', percent: 100, ...bake, ...rest }))

export const aPlan = (): fc.Arbitrary<RolloutPlan> =>
  fc
    .tuple(
      fc.array(stage, { maxLength: 4 }),
      last,
      optional({
        gates: fc.array(aGate(), { maxLength: 4 }),
        samplesMin: fc.integer({ min: 1, max: 1_000 }),
        quorum: fc.constantFrom(0.5, 0.8, 1),
        concurrency: fc.constantFrom(1, 50),
        pace: fc.record({ devicesPerMinute: fc.constantFrom(0.5, 2, 100) }),
        failuresMax: fc.nat(20),
        installTimeoutMs: durationMs,
        progressTimeoutMs: durationMs,
        stageTimeLimitMs: durationMs,
        window: some(
          fc.record({ from: fc.constantFrom('00:00', '22:30'), to: fc.constantFrom('05:00', '12:01') }),
          optional({
            days: fc.uniqueArray(fc.constantFrom('mon', 'fri', 'sun'), { minLength: 1 }),
            timezone: fc.constantFrom('UTC', 'Europe/Berlin'),
          }),
        ),
        dynamic: fc.boolean(),
        ...answers,
      }),
    )
    .map(([stages, end, rest]) =>
      RolloutPlan.parse({ stages: [...stages.map((one, i) => ({ name: `s${i}`, ...one })), end], ...rest }),
    )
