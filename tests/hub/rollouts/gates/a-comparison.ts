// Evidence to judge: fleets whose devices differ, and the words that judgeGate asks for.

import type { GateEvidence, Unit } from '../../../../hub/rollouts/gates/evidence.ts'
import { judgeGate, type Telling } from '../../../../hub/rollouts/gates/judge.ts'
import type { GateVerdict, Look, StageContext } from '../../../../hub/rollouts/gates/verdict.ts'
import type { Gate } from '../../../../hub/rollouts/metrics/list.ts'
import { type Random, seededRandom } from '../../../../hub/seeded-random.ts'

export const uniform = (random: Random): number => (random.bits() + 0.5) / 2 ** 32
export const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(uniform(random))) * Math.cos(2 * Math.PI * uniform(random))

export const errorRate = (margin = 0.01): Gate => ({ metric: 'error_rate', margin })

/** Devices with an error rate of some 2 %, lognormal between them, that their past foretells. */
export function aFleet({
  devices = 200,
  canary = 10,
  effect = 0,
  seed = 'fleet',
  strata = 2,
}: {
  devices?: number
  canary?: number
  effect?: number
  seed?: string
  strata?: number
} = {}): Unit[] {
  const random = seededRandom(seed)
  return Array.from({ length: devices }, (_, i) => {
    const usual = 0.02 * Math.exp(0.6 * normal(random) - 0.18)
    const treated = i < canary
    return {
      device: `d-${i}`,
      stratum: `s-${i % strata}`,
      treated,
      value: Math.max(0, usual + 0.002 * normal(random) + (treated ? effect : 0)),
      before: usual + 0.002 * normal(random),
      weight: 2_000 + Math.floor(3_000 * uniform(random)),
    }
  })
}

export const comparison = (units: readonly Unit[], more: Partial<GateEvidence> = {}): GateEvidence =>
  ({ kind: 'comparison', units, pairs: [], blocks: [], excluded: [], ...more }) as GateEvidence

export const aLook = (look: Partial<Look> = {}): Look => ({
  number: 1,
  fraction: 1 / 16,
  before: undefined,
  moved: null,
  ...look,
})
export const aStage = (stage: Partial<StageContext> = {}): StageContext => ({
  gates: 3,
  stages: 3,
  index: 0,
  isLast: false,
  mode: 'canary',
  ...stage,
})

export const judgedAs = (
  gate: Gate,
  evidence: GateEvidence,
  {
    look = {},
    stage = {},
    seed = 'seed',
    telling,
  }: { look?: Partial<Look>; stage?: Partial<StageContext>; seed?: string; telling?: Telling } = {},
): GateVerdict => judgeGate(gate, evidence, aLook(look), aStage(stage), seed, telling)
