// Which test answers for the evidence there is, and what it found.

import { seededRandom } from '../../seeded-random.ts'
import { counted } from '../../wording.ts'
import { type ComparingGate, scaleOf } from '../metrics/list.ts'
import { atLeast, atMost } from './binomial.ts'
import { blockLevels } from './blocks.ts'
import { compare, smallestP } from './compare.ts'
import type { Blocks, Excluded, GateEvidence, Pair, Unit } from './evidence.ts'
import { flip } from './flips.ts'
import { againstOwnPast, pairedOf } from './paired.ts'
import type { Scale } from './scale.ts'
import { type Level, scoresOf } from './scores.ts'
import { type Levels, levelsAt } from './spending.ts'
import type { Tested } from './tested.ts'
import type { Look, StageContext } from './verdict.ts'

/** What a test found, on the gate's scale. */
export type Finding = {
  method: 'redraw' | 'paired' | 'blocks' | 'own_past'
  scale: Scale
  margin: number
  levels: Levels
  tested: Tested
  canary: number
  control: number
  devices: { canary: number; control: number }
  excluded: Excluded[]
  /** May say that something is worse, or only that it is not. */
  mayPass: boolean
  mayFail: boolean
  /** Whether "the version changed nothing" could be true of such differences, so that failing must also exclude that. */
  couldBeUnchanged: boolean
  /** As in the verdict. */
  moved: number | null
  notes: string[]
}

/** A sentence where there is nothing to find yet.
 *  @param isTold the draws and what follows from them are read by somebody; else no more are made than the outcome takes */
export function findingOf(
  gate: ComparingGate,
  evidence: Extract<GateEvidence, { kind: 'comparison' }>,
  look: Look,
  stage: StageContext,
  seed: string,
  isTold = true,
): Finding | string {
  const scale = scaleOf(gate)
  const levels = levelsAt(look, stage)
  const { kept, impossible } = possibleUnits(evidence.units, scale)
  // what passed once, and the last stage, can only fail
  const onlyFailing = !isTold && (look.before?.outcome === 'pass' || stage.isLast)
  const base = { scale, levels, excluded: [...evidence.excluded, ...impossible], seed, onlyFailing }
  const pairs = evidence.pairs.filter(
    ({ candidate, primary }) => Number.isFinite(candidate) && Number.isFinite(primary),
  )
  if (gate.metric === 'agreement' || (stage.mode === 'shadow' && pairs.length > 0))
    return pairedFinding(gate, pairs, base)
  const redrawn = redrawFinding(kept, base)
  if (typeof redrawn !== 'string' && redrawn.mayFail) return redrawn
  if (stage.isLast) return ownPastFinding(gate, kept, look.moved, base)
  const other = pairs.length > 0 ? pairedFinding(gate, pairs, base) : blocksFinding(evidence.blocks, base)
  if (typeof other !== 'string' && other.mayFail) return other
  return typeof redrawn === 'string' ? other : redrawn
}

type Base = { scale: Scale; levels: Levels; excluded: Excluded[]; seed: string; onlyFailing: boolean }

function possibleUnits(units: readonly Unit[], scale: Scale): { kept: Level[]; impossible: Excluded[] } {
  const kept: Level[] = []
  const impossible: Excluded[] = []
  for (const unit of units) {
    const value = scale.toScale(unit.value)
    const before = unit.before === null ? null : scale.toScale(unit.before)
    if (Number.isFinite(value) && unit.weight > 0 && Number.isFinite(unit.weight)) {
      kept.push({ ...unit, value, before: before !== null && Number.isFinite(before) ? before : null })
    } else impossible.push({ device: unit.device, why: `its ${scale.label} of ${unit.value} cannot be` })
  }
  return { kept, impossible }
}

function redrawFinding(
  units: readonly Level[],
  { scale, levels, excluded, seed, onlyFailing }: Base,
): Finding | string {
  const scores = scoresOf(units)
  if (scores === undefined) {
    return units.some(({ treated }) => treated)
      ? 'no device that still runs the old version is like those that run the new one'
      : 'no device has reported on the new version yet'
  }
  const margin = scale.margin(scores.control)
  const tested = compare(scores, margin, levels, seededRandom(seed), onlyFailing)
  const { leftOut, canary, canaryTries } = scores
  const clipped = scores.clipped
    .filter(({ value, countedAs }) => Math.abs(value - countedAs) > margin / 2)
    .map(({ device, value, countedAs }) => ({
      device,
      why: `${scale.levelInWords(value)} is counted as ${scale.levelInWords(countedAs)}: no other is so far out`,
    }))
  return {
    method: 'redraw',
    moved: movedFromPast(units),
    scale,
    margin,
    levels,
    tested: withCounting(tested, scale, canary, canaryTries),
    canary,
    control: scores.control,
    devices: { canary: scores.treatedCount, control: scores.controlCount },
    excluded: [...excluded, ...clipped],
    mayPass: true,
    mayFail: smallestP(scores.strata) <= Math.min(levels.fail, levels.unchanged),
    couldBeUnchanged: true,
    notes:
      leftOut.devices > 0
        ? [
            `${counted(leftOut.devices, 'device has none beside it', 'devices have none beside them')} to compare with (${counted(leftOut.strata, 'stratum', 'strata')})`,
          ]
        : [],
  }
}

/** @param canary its level on the scale, of `tries` inferences */
function withCounting(tested: Tested, scale: Scale, canary: number, tries: number): Tested {
  const { badShare } = scale
  if (badShare === undefined) return tested
  const hits = tries * badShare(canary)
  return {
    ...tested,
    counting: (margin) => {
      const share = badShare(canary - tested.difference + margin)
      return { bad: atLeast(hits, tries, share), good: atMost(hits, tries, share) }
    },
  }
}

function pairedFinding(gate: ComparingGate, pairs: readonly Pair[], base: Base): Finding | string {
  const { scale, levels, excluded, seed, onlyFailing } = base
  const paired = pairedOf(
    pairs.map((pair) => ({
      ...pair,
      candidate: scale.toScale(pair.candidate),
      primary: scale.toScale(pair.primary),
    })),
  )
  if (paired === undefined) return 'no device has compared both versions on the same inputs yet'
  const margin = scale.margin(paired.primary)
  const tested = flip(paired.differences, margin, levels, seededRandom(seed), onlyFailing)
  const tries = pairs.reduce((sum, { weight }) => sum + weight, 0)
  return {
    method: 'paired',
    moved: null,
    scale,
    margin,
    levels,
    tested: gate.metric === 'agreement' ? withCounting(tested, scale, paired.candidate, tries) : tested,
    canary: paired.candidate,
    control: paired.primary,
    devices: { canary: paired.devices, control: 0 },
    excluded,
    mayPass: true,
    mayFail: paired.withoutWorst === undefined || paired.withoutWorst > margin,
    couldBeUnchanged: gate.metric !== 'agreement',
    notes: paired.devices < 3 ? ['on so few devices one that lies is not noticed'] : [],
  }
}

function blocksFinding(
  blocks: readonly Blocks[],
  { scale, levels, excluded, seed, onlyFailing }: Base,
): Finding | string {
  const onScale = (values: Blocks['before']) =>
    values.map((value) => (value === null || !Number.isFinite(scale.toScale(value)) ? null : scale.toScale(value)))
  const prepared = blockLevels(
    blocks.map((device) => ({ ...device, before: onScale(device.before), since: onScale(device.since) })),
  )
  const scores = prepared === undefined ? undefined : scoresOf(prepared.levels)
  if (prepared === undefined || scores === undefined)
    return 'too few devices to compare, and none has windows of before'
  const margin = scale.margin(prepared.control)
  const count = (treated: boolean) => blocks.filter((device) => device.treated === treated).length
  return {
    method: 'blocks',
    moved: null,
    scale,
    margin,
    levels,
    tested: compare(scores, margin, levels, seededRandom(seed), onlyFailing),
    canary: prepared.canary,
    control: prepared.control,
    devices: { canary: count(true), control: count(false) },
    excluded,
    mayPass: true,
    mayFail: smallestP(scores.strata) <= Math.min(levels.fail, levels.unchanged),
    couldBeUnchanged: true,
    notes: [
      prepared.hasControl
        ? 'too few devices to draw again: stretches of time are compared, as if the devices had kept in step'
        : 'no other device to compare with: stretches of time are compared, as if nothing else had changed',
    ],
  }
}

/** Where nobody is left to compare with, the hour of the day and drift since the stage before count in full: twice the
 *  margin is allowed. */
const ownPastMargins = 2

/** By how much the devices on the old version have moved from their own past; null where none has one. */
function movedFromPast(units: readonly Level[]): number | null {
  const controls = units.filter(({ treated }) => !treated).map((unit) => ({ ...unit, treated: true }))
  const paired = againstOwnPast(controls)
  if (paired === undefined) return null
  // sums of floats depend on their order, and a verdict must not depend on that of the devices
  const inOrder = paired.differences.toSorted((a, b) => a.difference - b.difference || a.weight - b.weight)
  const weight = inOrder.reduce((sum, one) => sum + one.weight, 0)
  return inOrder.reduce((sum, one) => sum + one.weight * one.difference, 0) / weight
}

/** @param moved by how much the old version had moved in the stage before: what has hit all devices since their past was
 *  recorded is not held against the new version */
function ownPastFinding(
  gate: ComparingGate,
  units: readonly Level[],
  moved: number | null,
  base: Base,
): Finding | string {
  const { scale, levels, excluded, seed, onlyFailing } = base
  const paired = gate.metric === 'silence' ? undefined : againstOwnPast(units)
  if (paired === undefined) return 'nobody is left to compare with, and no device has a past of its own'
  const common = moved ?? 0
  const control = paired.primary + common
  const margin = ownPastMargins * scale.margin(control)
  const differences = paired.differences.map((one) => ({ ...one, difference: one.difference - common }))
  return {
    method: 'own_past',
    moved,
    scale,
    margin,
    levels,
    tested: flip(differences, margin, levels, seededRandom(seed), onlyFailing),
    canary: paired.candidate,
    control,
    devices: { canary: paired.devices, control: 0 },
    excluded,
    mayPass: false,
    mayFail: margin > 0 && paired.withoutWorst !== undefined && paired.withoutWorst - common > margin,
    couldBeUnchanged: true,
    notes:
      moved === null
        ? []
        : [`the old version had moved by ${scale.inWords(moved)} in the stage before, which is taken off`],
  }
}
