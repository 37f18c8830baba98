// From what devices counted to what a gate is judged by: one figure a device, its own past beside it. Pure.

import type { Agreement } from '@roost/shared/protocol/records.ts'
import { counted } from '../../wording.ts'
import type { Blocks, Excluded, GateEvidence, Installations, Pair, Unit } from '../gates/evidence.ts'
import { type ComparingGate, type Gate, toldBy } from '../metrics/list.ts'
import type { CountedBy, Paired } from '../metrics/metric.ts'
import type { StageMode } from '../plan/plan.ts'
import type { Counts, DeviceCounts } from './counts.ts'

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
  const told = toldBy(gate)
  switch (told.by) {
    case 'devices':
      return comparison(told.units(gate, sound), [], [], excluded)
    case 'pairs':
      return comparison(
        [],
        sound.flatMap((device) => pairsOf(device, told.paired)),
        [],
        excluded,
      )
    case 'windows':
      return countedEvidence(gate, told, sound, context, excluded)
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

type Counted = CountedBy<ComparingGate>

function countedEvidence(
  gate: ComparingGate,
  told: Counted,
  devices: readonly DeviceCounts[],
  { mode, samplesMin, comparable }: EvidenceContext,
  excluded: readonly Excluded[],
): GateEvidence {
  if (!comparable) {
    return { kind: 'incomparable', why: 'no device ran another version before, so there is nothing to compare with' }
  }
  const unseen = mode === 'shadow' ? told.notInShadow : undefined
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
  const units = devices.flatMap((device) => unitOf(gate, told, device))
  const pairs = mode === 'shadow' ? devices.flatMap((device) => pairsOf(device, told.paired)) : []
  if (!units.some(({ treated }) => treated) && pairs.length === 0)
    return { kind: 'none', why: told.nothing?.(gate) ?? nothing }
  return comparison(
    units,
    pairs,
    devices.flatMap((device) => blocksOf(gate, told, device)),
    excluded,
  )
}

const inferencesOf = (counts: Counts | null) => (counts === null ? 0 : counts.ok + counts.error)

/** Runs what ran before, is there, and has said so or did before: its reports will come. */
const willAnswer = ({ treated, silentForMs, since, before }: DeviceCounts) =>
  !treated && silentForMs === 0 && (since !== null || before !== null)

const nothing = 'the new version has reported nothing that can be compared'

function unitOf(gate: ComparingGate, told: Counted, { device, stratum, treated, since, before }: DeviceCounts): Unit[] {
  const now = figureOf(gate, told, since, before)
  if (now === null) return []
  const past = told.isFromPast === true ? null : figureOf(gate, told, before, null)
  return [{ device, stratum, treated, value: now.value, before: past?.value ?? null, weight: now.weight }]
}

function blocksOf(gate: ComparingGate, told: Counted, { device, treated, before, blocks }: DeviceCounts): Blocks[] {
  if (blocks === undefined) return []
  const values = (slots: readonly (Counts | null)[]) =>
    slots.map((slot) => figureOf(gate, told, slot, before)?.value ?? null)
  return [{ device, treated, before: values(blocks.before), since: values(blocks.since) }]
}

type PairedFigure = (agreement: Agreement) => Paired

const pairsOf = ({ device, treated, shadow = [] }: DeviceCounts, figure: PairedFigure): Pair[] =>
  treated
    ? shadow.flatMap(({ from, agreement }) => {
        const paired = figure(agreement)
        return paired === null ? [] : [{ device, block: from, ...paired }]
      })
    : []

const figureOf = (gate: ComparingGate, { figure }: Counted, counts: Counts | null, past: Counts | null) =>
  counts === null ? null : figure(gate, counts, past)
