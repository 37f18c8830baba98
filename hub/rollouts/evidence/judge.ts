// The verdict over a stage: each gate by its evidence at this look, or what it said at the last one. A pure function of the
// inputs, and these are stored with it, so that any decision can be judged again from them and must come out the same.

import { z } from 'zod'
import type { GateEvidence } from '../gates/evidence.ts'
import { judgeGate, type Telling } from '../gates/judge.ts'
import { GateVerdict, Outcome, type StageContext } from '../gates/verdict.ts'
import { Gate, scaleOf } from '../metrics/list.ts'
import type { DeviceCounts } from './counts.ts'
import { type EvidenceContext, evidenceFor } from './gate-evidence.ts'
import { StoredEvidence } from './stored-evidence.ts'

export const LookAt = z.object({
  /** 1, 2, … in this stage; 0 before the first. Between looks it is that of the last one. */
  number: z.number().int(),
  /** Share of the stage's time limit that is gone. */
  fraction: z.number(),
  /** Hub clock, ms. */
  at: z.number(),
  /** Under which number of the rollout the inputs are stored. */
  record: z.number().int(),
})
export type LookAt = z.infer<typeof LookAt>

/** `gates`: in the order of the stage's gates. */
export const StageVerdict = z.object({ outcome: Outcome, gates: z.array(GateVerdict), look: LookAt.optional() })
export type StageVerdict = z.infer<typeof StageVerdict>

/** All that a verdict follows from. */
export const StageInputs = z.object({
  format: z.literal(1),
  /** Of the redraws, together with gate and look. */
  seed: z.string(),
  context: z.object({
    gates: z.number().int(),
    stages: z.number().int(),
    index: z.number().int(),
    isLast: z.boolean(),
    mode: z.enum(['shadow', 'canary', 'full']),
  }),
  look: LookAt,
  gates: z.array(
    z.object({
      gate: Gate,
      /** Null where the gate is not looked at now: what it said before stands. */
      evidence: StoredEvidence.nullable(),
      before: GateVerdict.nullable(),
      /** By how much the old version had moved from its past at the last look of the stage before. */
      moved: z.number().nullable(),
    }),
  ),
})
export type StageInputs = z.infer<typeof StageInputs>

/** Fails if any gate fails, passes if all pass. */
export const judgeStage = (inputs: StageInputs, telling?: Telling): StageVerdict =>
  stageVerdict(
    inputs,
    inputs.gates.map((_, i) => gateVerdict(inputs, i, telling)),
  )

/** Of one gate by its place: what takes long, where there are many devices. */
export function gateVerdict(inputs: StageInputs, place: number, telling?: Telling): GateVerdict {
  const { context, look, gates } = inputs
  const asked = gates[place]
  if (asked === undefined) throw new RangeError(`the stage has ${gates.length} gates, none at ${place}`)
  const { gate, evidence, before, moved } = asked
  if (evidence === null) return before ?? notYet(gate, context)
  return judgeGate(
    gate,
    evidence,
    { number: look.number, fraction: look.fraction, before: before ?? undefined, moved },
    context,
    gateSeed(inputs, place),
    telling,
  )
}

/** Of the draws of one gate at one look. */
export const gateSeed = ({ seed, context, look }: StageInputs, place: number): string =>
  `${seed}/${context.index}/${place}/${look.number}`

/** @param verdicts of all its gates, in their order */
export function stageVerdict({ look }: Pick<StageInputs, 'look'>, verdicts: GateVerdict[]): StageVerdict {
  const outcome = verdicts.some((verdict) => verdict.outcome === 'fail')
    ? 'fail'
    : verdicts.every((verdict) => verdict.outcome === 'pass')
      ? 'pass'
      : 'undecided'
  return { outcome, gates: verdicts, look }
}

const notYet = (gate: Gate, context: StageContext): GateVerdict =>
  judgeGate(
    gate,
    { kind: 'none', why: 'not looked at yet' },
    { number: 0, fraction: 0, before: undefined, moved: null },
    context,
    '',
  )

export type Looking = {
  gates: readonly Gate[]
  seed: string
  context: StageContext
  look: LookAt
  /** The verdict of the last look; undefined before the first. */
  before: StageVerdict | undefined
  /** The verdict that the stage before passed with; undefined in the first. */
  stageBefore: StageVerdict | undefined
  /** A look of the stage is due: every gate is looked at. Between looks only what needs no share of the error budget, and
   *  silence where it grows. */
  isDue: boolean
  evidence: EvidenceContext
}

/** What the stage is judged by, of what its devices counted. */
export function inputsOf(
  { gates, seed, context, look, before, stageBefore, isDue, evidence }: Looking,
  devices: readonly DeviceCounts[],
): StageInputs {
  return {
    format: 1,
    seed,
    context,
    look,
    gates: gates.map((gate, i) => {
      const found =
        isDue || gate.metric === 'installation' || gate.metric === 'silence'
          ? evidenceFor(gate, devices, evidence)
          : null
      const stands = !isDue && gate.metric === 'silence' && (found === null || !isAlarming(gate.margin, found))
      return {
        gate,
        evidence: stands || found === null ? null : stored(found),
        before: before?.gates[i] ?? null,
        moved: movedBefore(gate, stageBefore),
      }
    }),
  }
}

function movedBefore(gate: Gate, stageBefore: StageVerdict | undefined): number | null {
  if (gate.metric === 'installation') return null
  const { label } = scaleOf(gate)
  return stageBefore?.gates.find((verdict) => verdict.metric === gate.metric && verdict.label === label)?.moved ?? null
}

/** More is missing than the margin bears, and no single device makes it so. */
function isAlarming(margin: number, evidence: GateEvidence): boolean {
  if (evidence.kind !== 'comparison') return false
  const silent = (treated: boolean) => {
    const units = evidence.units.filter((unit) => unit.treated === treated)
    const count = units.filter(({ value }) => value > 0).length
    return { count, share: units.length === 0 ? 0 : count / units.length }
  }
  return silent(true).count >= 2 && silent(true).share - silent(false).share > margin
}

/** Arrays of their own, as they are stored. */
function stored(evidence: GateEvidence): StoredEvidence {
  if (evidence.kind !== 'comparison') return evidence
  const { units, pairs, blocks, excluded } = evidence
  return {
    kind: 'comparison',
    units: [...units],
    pairs: [...pairs],
    blocks: blocks.map((device) => ({ ...device, before: [...device.before], since: [...device.since] })),
    excluded: [...excluded],
  }
}
