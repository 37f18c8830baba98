// Bench gates: verdicts of the redraw test in a second of processor time, for 10,000 devices. Limit: the sums that the statistic needs, over the
// same numbers in the order in which they lie in memory, once for each draw that the verdict made.

import type { GateEvidence, Unit } from '../../hub/rollouts/gates/evidence.ts'
import { judgeGate } from '../../hub/rollouts/gates/judge.ts'
import type { GateVerdict } from '../../hub/rollouts/gates/verdict.ts'
import { type Random, seededRandom } from '../../hub/seeded-random.ts'
import { type BenchResult, benchResult } from './result.ts'
import { median } from './statistics.ts'

const devices = 10_000
const strata = 16
const margin = 0.01
const rounds = 9
/** The limit alone is too short to be measured. */
const limitRepeats = 20

export function gates(): Promise<BenchResult[]> {
  const cases = [
    { name: '500 canaries, no effect', canary: 500, effect: 0 },
    { name: '500 canaries, at the margin', canary: 500, effect: margin },
    { name: '500 canaries, twice the margin', canary: 500, effect: 2 * margin },
    { name: '5,000 canaries, no effect', canary: 5_000, effect: 0 },
  ]
  return Promise.resolve(cases.map(measure))
}

function measure({ name, canary, effect }: { name: string; canary: number; effect: number }): BenchResult {
  const units = aFleet(canary, effect)
  const evidence: GateEvidence = { kind: 'comparison', units, pairs: [], blocks: [], excluded: [] }
  const values = Float64Array.from(units, ({ value }) => value)
  const judge = (round: number) => judged(evidence, `round ${round}`)
  for (let warm = 0; warm < 3; warm++) sums(values, canary, judge(warm).draws)
  const seconds: number[] = []
  const limits: number[] = []
  for (let round = 0; round < rounds; round++) {
    let draws = 0
    seconds.push(
      timed(() => {
        draws = judge(round).draws
      }),
    )
    limits.push(timed(() => sums(values, canary, draws * limitRepeats)) / limitRepeats)
  }
  return benchResult({
    bench: 'gates',
    metric: `${devices.toLocaleString('en')} devices, ${name}`,
    value: 1 / median(seconds),
    unit: 'verdicts/s of processor',
    limit: 1 / median(limits),
  })
}

const judged = (evidence: GateEvidence, seed: string): GateVerdict =>
  judgeGate(
    { metric: 'error_rate', margin },
    evidence,
    { number: 1, fraction: 1 / 16, before: undefined, moved: null },
    { gates: 3, stages: 3, index: 0, isLast: false, mode: 'canary' },
    seed,
  )

let sink = 0

/** Sum and sum of squares over as many numbers as are drawn, for each draw. */
function sums(values: Float64Array, drawn: number, draws: number): void {
  for (let j = 0; j < draws; j++) {
    const from = j % Math.max(1, values.length - drawn)
    let sum = 0
    let squares = 0
    for (let i = from; i < from + drawn; i++) {
      const value = values[i] as number // within the array: from + drawn is at most its length
      sum += value
      squares += value * value
    }
    sink += sum + squares
  }
}

/** Seconds of processor time: a verdict takes longer than a busy machine leaves a process alone. */
function timed(work: () => void): number {
  const start = process.cpuUsage()
  work()
  if (Number.isNaN(sink)) throw new Error('the limit summed what is no number')
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1e6
}

function aFleet(canary: number, effect: number): Unit[] {
  const random = seededRandom('bench gates')
  return Array.from({ length: devices }, (_, i) => {
    const usual = 0.02 * Math.exp(0.6 * normal(random) - 0.18)
    const treated = i < canary
    return {
      device: `d-${i}`,
      stratum: `s-${i % strata}`,
      treated,
      value: Math.max(0, usual + 0.003 * normal(random) + (treated ? effect : 0)),
      before: usual + 0.002 * normal(random),
      weight: 5_000,
    }
  })
}

const uniform = (random: Random) => (random.bits() + 0.5) / 2 ** 32
const normal = (random: Random) => Math.sqrt(-2 * Math.log(uniform(random))) * Math.cos(2 * Math.PI * uniform(random))
