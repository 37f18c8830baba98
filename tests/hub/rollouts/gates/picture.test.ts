// The picture of the draws shows what the verdict counted: bar by bar, on either side of the real one.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { drawsOf } from '../../../../hub/rollouts/evidence/draws.ts'
import { gateVerdict, type StageInputs } from '../../../../hub/rollouts/evidence/judge.ts'
import type { Pair, Unit } from '../../../../hub/rollouts/gates/evidence.ts'
import { DrawPicture, drawPicture } from '../../../../hub/rollouts/gates/picture.ts'
import type { Gate } from '../../../../hub/rollouts/metrics/list.ts'
import { aStage } from './a-comparison.ts'

const seed = 4721
console.log(`picture: seed ${seed}`)

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)

/** What is counted on the bad side of the real draw, and on the good one. */
const counted = ({ counts, asBadFrom, equal }: DrawPicture) => ({
  asBad: sum(counts.slice(asBadFrom)),
  asGood: sum(counts.slice(0, asBadFrom)) + equal,
})

const unit = fc.record({
  value: fc.oneof(fc.constantFrom(0, 0, 0.02, 1), fc.double({ min: 0, max: 1, noNaN: true })),
  before: fc.option(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true }))),
  weight: fc.constantFrom(1, 100, 50_000),
  treated: fc.boolean(),
  stratum: fc.constantFrom('a', 'b'),
})
const pair = fc.record({
  device: fc.constantFrom('d-1', 'd-2', 'd-3', 'd-4', 'd-5', 'd-6', 'd-7', 'd-8', 'd-9'),
  block: fc.integer({ min: 0, max: 20 }),
  candidate: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })),
  primary: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })),
  weight: fc.constantFrom(1, 100),
})

const inputsOf = (gate: Gate, units: Unit[], pairs: Pair[], over: Partial<StageInputs['context']>): StageInputs => ({
  format: 1,
  seed: 'rollout',
  context: aStage(over),
  look: { number: 3, fraction: 0.25, at: 1, record: 7 },
  gates: [
    { gate, evidence: { kind: 'comparison', units, pairs, blocks: [], excluded: [] }, before: null, moved: null },
  ],
})

test('the bars beside the real draw are what the verdict of the same inputs has counted, by any test', () => {
  const methods = new Set<string>()
  fc.assert(
    fc.property(
      fc.array(unit, { minLength: 4, maxLength: 40 }),
      fc.array(pair, { minLength: 0, maxLength: 30 }),
      fc.constantFrom<Gate>(
        { metric: 'error_rate', margin: 0.01 },
        { metric: 'accuracy', margin: 0 },
        { metric: 'latency', quantile: 0.95, ratioMax: 1.25, slackUs: 0 },
      ),
      fc.constantFrom<Partial<StageInputs['context']>>({}, { isLast: true }, { mode: 'shadow' }),
      (values, pairs, gate, context) => {
        const inputs = inputsOf(
          gate,
          values.map((value, i) => ({ ...value, device: `d-${i}` })),
          pairs,
          context,
        )
        const { method, draws, asBad, asGood } = gateVerdict(inputs, 0)
        const found = drawsOf(inputs, 0)
        if (method === 'none') {
          expect(found).toBeTypeOf('string')
          return
        }
        methods.add(method)
        if (typeof found !== 'object') throw new Error(`${method} without draws: ${found}`)
        expect(found).toMatchObject({ look: 7, method, draws, asBad, asGood })
        DrawPicture.parse(found.picture)
        expect(counted(found.picture)).toEqual({ asBad, asGood })
        expect(sum(found.picture.counts)).toBe(draws)
        // the same again, to the last bit
        expect(drawsOf(inputs, 0)).toEqual(found)
      },
    ),
    { seed, numRuns: 120 },
  )
  expect([...methods].sort()).toEqual(['own_past', 'paired', 'redraw'])
})

test('whatever the draws are, each is in the bin it belongs to, and the bins stay few', () => {
  fc.assert(
    fc.property(
      fc.double({ min: -50, max: 50, noNaN: true }),
      fc.array(fc.oneof(fc.constant(0), fc.constant(1e-300), fc.double({ min: -1e3, max: 1e3, noNaN: true }))),
      (real, worseBy) => {
        const picture = drawPicture({ real, worseBy: Float64Array.from(worseBy) })
        const { counts, width, asBadFrom, equal } = picture
        expect(sum(counts)).toBe(worseBy.length)
        expect(counts.length).toBeLessThanOrEqual(42)
        expect(width).toBeGreaterThan(0)
        expect(equal).toBe(worseBy.filter((by) => by === 0).length)
        expect(sum(counts.slice(asBadFrom))).toBe(worseBy.filter((by) => by >= 0).length)
        // no empty bins at the ends, but for those towards the real draw
        if (asBadFrom > 0) expect(counts[0]).toBeGreaterThan(0)
        if (asBadFrom < counts.length) expect(counts.at(-1)).toBeGreaterThan(0)
      },
    ),
    { seed, numRuns: 300 },
  )
})
