import type { ColumnScale } from '@roost/shared/sketch/column.ts'
import { createLatencyRecorder } from '@roost/shared/sketch/latency.ts'
import { createColumnRecorder } from '@roost/shared/sketch/recorder.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addCounts, noCounts } from '../../../../hub/rollouts/evidence/add-up.ts'
import type { Counts, DeviceCounts } from '../../../../hub/rollouts/evidence/counts.ts'
import { type EvidenceContext, evidenceFor } from '../../../../hub/rollouts/evidence/gate-evidence.ts'
import { inputsOf, judgeStage, StageInputs } from '../../../../hub/rollouts/evidence/judge.ts'
import { rescale } from '../../../../hub/rollouts/evidence/rescale.ts'
import { type ComparingGate, Gate, toldBy } from '../../../../hub/rollouts/metrics/list.ts'
import type { aVerdict } from '../../../builders/verdicts.ts'

const seed = 1512
console.log(`gate evidence: seed ${seed}`)

const context: EvidenceContext = {
  mode: 'canary',
  samplesMin: 100,
  comparable: true,
  installations: { assigned: 2, accepted: 2, failed: 0, tookBack: 0, died: 0, refused: 0, acknowledged: 0 },
}

function someCounts(ok: number, error: number, over: Partial<Counts> = {}): Counts {
  const latency = createLatencyRecorder()
  for (let i = 0; i < Math.min(ok, 100); i++) latency.record(100 + i)
  return { ...noCounts, windows: 1, ok, error, latency: latency.snapshot(), ...over }
}

const aDevice = (device: string, treated: boolean, over: Partial<DeviceCounts> = {}): DeviceCounts => ({
  device,
  stratum: 'x/north/present',
  stage: treated ? 0 : 1,
  treated,
  assigned: treated,
  since: someCounts(990, 10),
  before: someCounts(995, 5),
  silentForMs: 0,
  ...over,
})

const aFleet = (...canaries: DeviceCounts[]) => [
  ...canaries,
  ...Array.from({ length: 6 }, (_, i) => aDevice(`old-${i}`, false)),
]
const errorRate = Gate.parse({ metric: 'error_rate' })

function figureOf(gate: ComparingGate, counts: Counts, past: Counts | null) {
  const told = toldBy(gate)
  if (told.by !== 'windows') throw new Error(`${gate.metric} is not told by windows`)
  return told.figure(gate, counts, past)
}

describe('evidence for a gate', () => {
  test('is one figure a device, with its own past beside it', () => {
    const evidence = evidenceFor(errorRate, aFleet(aDevice('new-0', true, { since: someCounts(150, 50) })), context)
    if (evidence.kind !== 'comparison') throw new Error(evidence.kind)
    expect(evidence.units).toHaveLength(7)
    expect(evidence.units[0]).toEqual({
      device: 'new-0',
      stratum: 'x/north/present',
      treated: true,
      value: 0.25,
      before: 0.005,
      weight: 200,
    })
  })

  test('leaves out whoever cannot be believed, with the reason', () => {
    const devices = aFleet(
      aDevice('new-0', true),
      aDevice('new-1', true),
      aDevice('liar', false, { suspect: 'it lies' }),
    )
    const evidence = evidenceFor(errorRate, devices, context)
    if (evidence.kind !== 'comparison') throw new Error(evidence.kind)
    expect(evidence.excluded).toEqual([{ device: 'liar', why: 'it lies' }])
    expect(evidence.units.map(({ device }) => device)).not.toContain('liar')
  })

  test.each<[string, DeviceCounts[], RegExp]>([
    [
      'few answers of the new version',
      aFleet(aDevice('new-0', true, { since: someCounts(50, 0) })),
      /answered 50 times, 100/,
    ],
    [
      'few answers of the old one by devices that are there',
      [aDevice('new-0', true), aDevice('old-0', false, { since: someCounts(7, 0) })],
      /old version has answered 7 times/,
    ],
    ['only suspects on the new version', aFleet(aDevice('new-0', true, { suspect: 'it lies' })), /1 of 1 .* too many/],
    [
      'many suspects on the new version',
      aFleet(...[0, 1, 2, 3, 4, 5].map((i) => aDevice(`new-${i}`, true, i < 2 ? { suspect: 'it lies' } : {}))),
      /2 of 6 .* too many/,
    ],
  ])('%s say nothing yet', (_, devices, why) => {
    expect(evidenceFor(errorRate, devices, context)).toMatchObject({ kind: 'none', why: expect.stringMatching(why) })
  })

  test('nobody ran another version before: there is nothing to compare with', () => {
    expect(evidenceFor(errorRate, aFleet(), { ...context, comparable: false }).kind).toBe('incomparable')
  })

  test('silence counts those that were offered it, and no device that was away before', () => {
    const gate = Gate.parse({ metric: 'silence', silentMs: 1000 })
    const devices = [
      aDevice('gone', true, { silentForMs: 1000 }),
      aDevice('there', true),
      aDevice('away', false, { silentForMs: null }),
    ]
    const evidence = evidenceFor(gate, devices, context)
    if (evidence.kind !== 'comparison') throw new Error(evidence.kind)
    expect(evidence.units.map(({ device, value }) => [device, value])).toEqual([
      ['gone', 1],
      ['there', 0],
    ])
  })

  test('a shadow is judged pair by pair: its errors, its labels, its agreement', () => {
    const agreement = {
      pairs: 80,
      agreed: 76,
      outputs: {},
      errors: { both: 5, onlyPrimary: 5, onlyCandidate: 10 },
      labels: { bothRight: 30, onlyPrimaryRight: 10, onlyCandidateRight: 5, bothWrong: 5 },
    }
    const devices = aFleet(aDevice('new-0', true, { shadow: [{ from: 7, agreement }] }))
    const pair = (metric: string) => {
      const evidence = evidenceFor(Gate.parse({ metric }), devices, { ...context, mode: 'shadow' })
      return evidence.kind === 'comparison' ? evidence.pairs[0] : undefined
    }
    expect(pair('agreement')).toEqual({ device: 'new-0', block: 7, candidate: 0.95, primary: 1, weight: 80 })
    expect(pair('error_rate')).toMatchObject({ candidate: 0.15, primary: 0.1, weight: 100 })
    expect(pair('accuracy')).toMatchObject({ candidate: 0.7, primary: 0.8, weight: 50 })
  })

  test.each(['latency', 'custom'])(
    '%s is not judged in shadow: nobody waits for a shadow, no application sees it',
    (metric) => {
      const gate = Gate.parse({ metric, ...(metric === 'custom' ? { name: 'x', better: 'lower', margin: 1 } : {}) })
      const devices = aFleet(aDevice('new-0', true))
      expect(evidenceFor(gate, devices, { ...context, mode: 'shadow' }).kind).toBe('incomparable')
    },
  )

  test('labels and business metrics are figures too', () => {
    const metrics = { torque: { count: 4, sum: 10, sumSquares: 30, min: 1, max: 4 } }
    const labels = { truePositive: 6, trueNegative: 2, falsePositive: 1, falseNegative: 1 }
    const counts = someCounts(100, 0, { metrics, labels })
    const gate = Gate.parse({ metric: 'custom', name: 'torque', better: 'lower', margin: 1 })
    if (gate.metric !== 'custom') throw new Error(gate.metric)
    expect(figureOf(gate, counts, null)).toEqual({ value: 2.5, weight: 4 })
    expect(figureOf({ metric: 'accuracy', margin: 0 }, counts, null)).toEqual({ value: 0.8, weight: 10 })
    expect(figureOf(gate, addCounts(counts, counts), null)).toEqual({ value: 2.5, weight: 8 })
  })
})

const scale = (edges: number[]): ColumnScale => ({ type: 'numeric', edges })
function column(of: ColumnScale, count: number, value: (i: number) => number) {
  const recorder = createColumnRecorder(of)
  for (let i = 0; i < count; i++) recorder.record(value(i))
  return recorder.snapshot()
}
const even = Array.from({ length: 31 }, (_, i) => (i + 1) / 32)
const drift = { metric: 'prediction_drift', margin: 0.1 } as const
const outputs = (now: ReturnType<typeof column>) => someCounts(100, 0, { outputs: { y: now } })

describe('prediction drift', () => {
  const uniform = (i: number) => (i * 0.618034) % 1
  const past = outputs(column(scale(even), 2_000, uniform))

  test('of the same distribution is none, however few the values', () => {
    for (const count of [50, 200, 5_000]) {
      const now = outputs(column(scale(even), count, (i) => uniform(i + 7)))
      expect(figureOf(drift, now, past)?.value).toBeLessThan(0.03)
    }
  })

  test('is greater the further the outputs move', () => {
    const moved = [0.1, 0.2, 0.4].map(
      (by) => figureOf(drift, outputs(column(scale(even), 500, (i) => uniform(i) * (1 - by) + by)), past)?.value ?? 0,
    )
    expect(moved[0]).toBeGreaterThan(0.05)
    expect(moved).toEqual(moved.toSorted((a, b) => a - b))
  })

  test('on edges of its own is the same as on those of the old version, as far as bins can tell', () => {
    const others = scale(Array.from({ length: 20 }, (_, i) => ((i + 1) / 21) ** 1.3))
    for (const by of [0, 0.3]) {
      const value = (i: number) => uniform(i) * (1 - by) + by
      const own = rescale(column(others, 2_000, value), others, scale(even))
      if (own === undefined) throw new Error('not on the scale')
      const onOld = figureOf(drift, outputs(column(scale(even), 2_000, value)), past)?.value ?? 0
      expect(Math.abs((figureOf(drift, outputs(own), past)?.value ?? 0) - onOld)).toBeLessThan(0.05)
    }
  })

  test('counts are kept when they are brought onto other edges', () => {
    const edges = fc.uniqueArray(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(
        edges,
        edges,
        fc.array(fc.double({ min: -9, max: 9, noNaN: true }), { maxLength: 50 }),
        (a, b, values) => {
          const from = scale(a.toSorted((x, y) => x - y))
          const to = scale(b.toSorted((x, y) => x - y))
          const moved = rescale(
            column(from, values.length, (i) => values[i] ?? 0),
            from,
            to,
          )
          expect(moved?.bins).toHaveLength(b.length + 1)
          expect(moved?.bins.reduce((sum, count) => sum + count, 0)).toBeCloseTo(values.length, 6)
          expect(Math.min(...(moved?.bins ?? []))).toBeGreaterThanOrEqual(0)
        },
      ),
      { seed, numRuns: 300 },
    )
  })
})

describe('the verdict over a stage', () => {
  const gates = [Gate.parse({ metric: 'installation' }), errorRate, Gate.parse({ metric: 'silence', silentMs: 1000 })]
  const looking = (isDue: boolean, before = undefined as ReturnType<typeof aVerdict> | undefined) => ({
    gates,
    seed: 'r-1',
    context: { gates: 2, stages: 2, index: 0, isLast: false, mode: 'canary' as const },
    look: { number: 3, fraction: isDue ? 0.25 : 0.3, at: 1, record: 5 },
    before,
    stageBefore: undefined,
    isDue,
    evidence: context,
  })
  const canaries = Array.from({ length: 20 }, (_, i) =>
    aDevice(`new-${i}`, true, { since: someCounts(980 - i, 20 + i) }),
  )
  const fleet = [
    ...canaries,
    ...Array.from({ length: 60 }, (_, i) =>
      aDevice(`old-${i}`, false, { since: someCounts(990 - (i % 7), 10 + (i % 7)) }),
    ),
  ]

  test('is the same to the last bit from inputs that have been stored', () => {
    const inputs = inputsOf(looking(true), fleet)
    const again = StageInputs.parse(JSON.parse(JSON.stringify(inputs)))
    expect(JSON.stringify(judgeStage(again))).toBe(JSON.stringify(judgeStage(inputs)))
  })

  test('without figures is the same, save for interval, picture and sentence', () => {
    for (const error of [5, 10, 40, 400]) {
      const worse = fleet.map((one) => (one.treated ? { ...one, since: someCounts(1_000 - error, error) } : one))
      const inputs = inputsOf(looking(true), worse)
      const { gates, ...whole } = judgeStage(inputs)
      const told = { low: null, high: null, histogram: undefined, sentence: '' }
      const short = judgeStage(inputs, { withFigures: false })
      expect({ ...short, gates: short.gates.map((gate) => ({ ...gate, ...told })) }).toEqual({
        ...whole,
        gates: gates.map((gate) => ({ ...gate, ...told })),
      })
    }
  })

  test('between looks is that of the last look, save for installations', () => {
    const first = judgeStage(inputsOf(looking(true), fleet))
    const worse = fleet.map((device) => ({ ...device, since: someCounts(0, 1000) }))
    const between = judgeStage(inputsOf({ ...looking(false), before: first }, worse))
    expect(between.gates[1]).toEqual(first.gates[1])
    const failed = {
      ...looking(false),
      before: first,
      evidence: { ...context, installations: { ...context.installations, failed: 1 } },
    }
    expect(judgeStage(inputsOf(failed, worse)).outcome).toBe('fail')
  })

  test('between looks sees many devices fall silent at once, and not one', () => {
    const first = judgeStage(inputsOf(looking(true), fleet))
    const silent = (count: number) => fleet.map((device, i) => (i < count ? { ...device, silentForMs: 5000 } : device))
    const say = (count: number) => judgeStage(inputsOf({ ...looking(false), before: first }, silent(count))).gates[2]
    expect(say(1)).toEqual(first.gates[2])
    expect(say(15)?.outcome).toBe('fail')
  })

  test('one device that lies in the extreme stops nothing', () => {
    const lying = fleet.map((device, i) =>
      i === 0
        ? { ...device, since: someCounts(0, 1_000_000) }
        : { ...device, since: device.treated ? someCounts(990, 10) : device.since },
    )
    expect(judgeStage(inputsOf(looking(true), lying)).outcome).not.toBe('fail')
  })

  test('before the first look nothing has been seen', () => {
    const verdict = judgeStage(inputsOf(looking(false), fleet))
    expect(verdict.outcome).toBe('undecided')
    expect(verdict.gates[1]?.sentence).toMatch(/not looked at yet/)
  })
})
