// From what devices counted to what a gate is judged by: one figure a device, its own past beside it. Pure.

import type { Agreement } from '@roost/shared/protocol/records.ts'
import { counted } from '../../wording.ts'
import type { Blocks, Excluded, GateEvidence, Installations, Pair, Unit } from '../gates/evidence.ts'
import type { Gate } from '../plan/gate.ts'
import type { StageMode } from '../plan/plan.ts'
import type { Counts, DeviceCounts } from './counts.ts'
import { type CountedGate, type Figure, figureOf } from './figures.ts'

export type EvidenceContext = {
  mode: StageMode
  /** Inferences each side must have before a comparison says anything. */
  samplesMin: number
  /** Some device of the rollout ran another version before. */
  comparable: boolean
  /** Devices of the stages so far, counted as the gate on installations does. */
  installations: Installations
}

/** Of so many suspects among the treated nothing is left out any more: a version may be what makes them report so. */
const suspectShareMax = 0.2

/** What the gate is judged by. Devices whose reports cannot be true are excluded, with the reason. */
export function evidenceFor(gate: Gate, devices: readonly DeviceCounts[], context: EvidenceContext): GateEvidence {
  if (gate.metric === 'installation') return { kind: 'counts', ...context.installations }
  const excluded = devices.flatMap(({ device, suspect }): Excluded[] =>
    suspect === undefined ? [] : [{ device, why: suspect }],
  )
  const sound = devices.filter(({ suspect }) => suspect === undefined)
  const tooMany = tooManySuspects(devices)
  if (tooMany !== undefined) return { kind: 'none', why: tooMany }
  switch (gate.metric) {
    case 'silence':
      return comparison(silenceUnits(sound, gate.silentMs), [], [], excluded)
    case 'agreement':
      return comparison(
        [],
        sound.flatMap((device) => pairsOf(device, agreed)),
        [],
        excluded,
      )
    default:
      return countedEvidence(gate, sound, context, excluded)
  }
}

const comparison = (
  units: readonly Unit[],
  pairs: readonly Pair[],
  blocks: readonly Blocks[],
  excluded: readonly Excluded[],
): GateEvidence => ({ kind: 'comparison', units, pairs, blocks, excluded })

function tooManySuspects(devices: readonly DeviceCounts[]): string | undefined {
  const treated = devices.filter((device) => device.treated)
  const suspects = treated.filter(({ suspect }) => suspect !== undefined)
  const some = suspects[0]
  const all = suspects.length === treated.length
  if (some === undefined || (!all && (suspects.length < 2 || suspects.length <= suspectShareMax * treated.length))) {
    return undefined
  }
  return `${suspects.length} of ${counted(treated.length, 'device')} on the new version cannot be believed (${some.device}: ${some.suspect}): too many to leave out`
}

/** Those that have been heard since the stage began; the others were away before and say nothing of the version. */
const silenceUnits = (devices: readonly DeviceCounts[], silentMs: number): Unit[] =>
  devices.flatMap(({ device, stratum, assigned, silentForMs }) =>
    silentForMs === null
      ? []
      : [{ device, stratum, treated: assigned, value: silentForMs >= silentMs ? 1 : 0, before: null, weight: 1 }],
  )

function countedEvidence(
  gate: CountedGate,
  devices: readonly DeviceCounts[],
  { mode, samplesMin, comparable }: EvidenceContext,
  excluded: readonly Excluded[],
): GateEvidence {
  if (!comparable) {
    return { kind: 'incomparable', why: 'no device ran another version before, so there is nothing to compare with' }
  }
  const unseen = mode === 'shadow' ? notInShadow[gate.metric] : undefined
  if (unseen !== undefined) return { kind: 'incomparable', why: unseen }
  const answered = (treated: boolean) =>
    devices.reduce((sum, device) => sum + (device.treated === treated ? inferencesOf(device.since) : 0), 0)
  const canary = answered(true)
  if (canary < samplesMin) {
    return { kind: 'none', why: `the new version has answered ${counted(canary, 'time')}, ${samplesMin} needed` }
  }
  const control = answered(false)
  if (control < samplesMin && devices.some(willAnswer)) {
    return { kind: 'none', why: `the old version has answered ${counted(control, 'time')}, ${samplesMin} needed` }
  }
  const units = devices.flatMap((device) => unitOf(gate, device))
  const pairs = mode === 'shadow' ? devices.flatMap((device) => pairsOf(device, pairedFigure[gate.metric])) : []
  if (!units.some(({ treated }) => treated) && pairs.length === 0) return { kind: 'none', why: nothingOf(gate) }
  return comparison(
    units,
    pairs,
    devices.flatMap((device) => blocksOf(gate, device)),
    excluded,
  )
}

/** A shadow that would be failed or waited for on account of these says nothing of the version. */
const notInShadow: Partial<Record<CountedGate['metric'], string>> = {
  latency: 'a shadow runs when nobody waits for it, so its latency is not that of a version that answers',
  custom: 'an application measures what answers it, which no shadow does',
}

const inferencesOf = (counts: Counts | null) => (counts === null ? 0 : counts.ok + counts.error)

/** Runs what ran before, is there, and has said so or did before: its reports will come. */
const willAnswer = ({ treated, silentForMs, since, before }: DeviceCounts) =>
  !treated && silentForMs === 0 && (since !== null || before !== null)

function nothingOf(gate: CountedGate): string {
  switch (gate.metric) {
    case 'accuracy':
      return 'no labels have been reported for the new version'
    case 'custom':
      return `no device reports ${gate.name} for the new version`
    case 'prediction_drift':
      return 'no distribution of outputs can be compared with one of before: too few, or no baseline'
    default:
      return 'the new version has reported nothing that can be compared'
  }
}

function unitOf(gate: CountedGate, { device, stratum, treated, since, before }: DeviceCounts): Unit[] {
  const now = figureOf(gate, since, before)
  if (now === null) return []
  // the distance of the past from itself is nothing that devices could differ in
  const past = gate.metric === 'prediction_drift' ? null : figureOf(gate, before, null)
  return [{ device, stratum, treated, value: now.value, before: past?.value ?? null, weight: now.weight }]
}

function blocksOf(gate: CountedGate, { device, treated, before, blocks }: DeviceCounts): Blocks[] {
  if (blocks === undefined) return []
  const values = (slots: readonly (Counts | null)[]) => slots.map((slot) => figureOf(gate, slot, before)?.value ?? null)
  return [{ device, treated, before: values(blocks.before), since: values(blocks.since) }]
}

type Paired = { candidate: number; primary: number; weight: number } | null
type PairedFigure = (agreement: Agreement) => Paired

const pairsOf = ({ device, treated, shadow = [] }: DeviceCounts, figure: PairedFigure): Pair[] =>
  treated
    ? shadow.flatMap(({ from, agreement }) => {
        const paired = figure(agreement)
        return paired === null ? [] : [{ device, block: from, ...paired }]
      })
    : []

const pairOf = (candidate: Figure | null, primary: Figure | null): Paired =>
  candidate === null || primary === null
    ? null
    : { candidate: candidate.value, primary: primary.value, weight: candidate.weight }

const share = (part: number, whole: number): Figure | null =>
  whole === 0 ? null : { value: part / whole, weight: whole }

const agreed: PairedFigure = ({ pairs, agreed }) => pairOf(share(agreed, pairs), share(pairs, pairs))

/** What a shadow tells pairwise. */
const pairedFigure: Record<CountedGate['metric'], PairedFigure> = {
  error_rate: ({ pairs, errors: { both, onlyPrimary, onlyCandidate } }) => {
    const inputs = pairs + both + onlyPrimary + onlyCandidate
    return pairOf(share(both + onlyCandidate, inputs), share(both + onlyPrimary, inputs))
  },
  accuracy: ({ labels }) => {
    if (labels === undefined) return null
    const { bothRight, onlyPrimaryRight, onlyCandidateRight, bothWrong } = labels
    const known = bothRight + onlyPrimaryRight + onlyCandidateRight + bothWrong
    return pairOf(share(bothRight + onlyCandidateRight, known), share(bothRight + onlyPrimaryRight, known))
  },
  latency: () => null,
  custom: () => null,
  prediction_drift: () => null,
}
