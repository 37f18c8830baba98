// The verdict of one gate: pass, fail, or not enough to say. Pure: the same evidence and seed give the same verdict to the
// last bit, so that a stored decision can be judged again years later. What the tests are: docs/gates.md.

import type { Gate } from '../plan/gate.ts'
import { blockLevels } from './blocks.ts'
import { compare, smallestP } from './compare.ts'
import { judgeCounts } from './counts.ts'
import type { Blocks, Excluded, GateEvidence, Pair, Unit } from './evidence.ts'
import { flip } from './flips.ts'
import { againstOwnPast, pairedOf } from './paired.ts'
import { seededRandom } from './random.ts'
import { type ComparingGate, type Scale, scaleOf } from './scale.ts'
import { type Level, scoresOf } from './scores.ts'
import { comparisonSentence } from './sentence.ts'
import { type Levels, levelsAt } from './spending.ts'
import { histogramOf, intervalOf, pValue, type Tested } from './tested.ts'
import { excludedMax, type GateVerdict, type Look, type Outcome, type StageContext } from './verdict.ts'

/** @param seed of the redraws: the same for every judgement of one gate at one look, such as rollout, stage, gate, look */
export function judgeGate(
  gate: Gate,
  evidence: GateEvidence,
  look: Look,
  stage: StageContext,
  seed: string,
): GateVerdict {
  const before = look.before?.outcome
  if (gate.metric === 'installation') {
    if (evidence.kind === 'counts') return installation(gate.failuresMax, evidence)
    return nothing(gate, 'undecided', evidence.kind === 'none' ? evidence.why : 'no installations were counted', look)
  }
  if (evidence.kind === 'incomparable') return nothing(gate, 'pass', evidence.why, look)
  if (evidence.kind !== 'comparison') {
    const why = evidence.kind === 'none' ? evidence.why : 'nothing was counted that could be compared'
    return nothing(gate, before === 'pass' ? 'pass' : 'undecided', why, look)
  }
  const finding = findingOf(gate, evidence, look, stage, seed)
  const verdict = typeof finding === 'string' ? noFinding(gate, finding, look, stage) : judged(gate, finding, stage)
  // What passed once stays passed unless it is found to fail: later looks have less budget, not less evidence.
  return before === 'pass' && verdict.outcome === 'undecided' ? { ...verdict, outcome: 'pass' } : verdict
}

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
  notes: string[]
}

function findingOf(
  gate: ComparingGate,
  evidence: Extract<GateEvidence, { kind: 'comparison' }>,
  look: Look,
  stage: StageContext,
  seed: string,
): Finding | string {
  const scale = scaleOf(gate)
  const levels = levelsAt(look, stage)
  const { kept, impossible } = possibleUnits(evidence.units, scale)
  const base = { scale, levels, excluded: [...evidence.excluded, ...impossible], seed }
  const pairs = evidence.pairs.filter(
    ({ candidate, primary }) => Number.isFinite(candidate) && Number.isFinite(primary),
  )
  if (gate.metric === 'agreement' || (stage.mode === 'shadow' && pairs.length > 0))
    return pairedFinding(gate, pairs, base)
  if (stage.isLast && !kept.some(({ treated }) => !treated)) return ownPastFinding(gate, kept, base)
  const redrawn = redrawFinding(kept, base)
  if (typeof redrawn !== 'string' && redrawn.mayFail) return redrawn
  const other = pairs.length > 0 ? pairedFinding(gate, pairs, base) : blocksFinding(evidence.blocks, base)
  if (typeof other !== 'string' && other.mayFail) return other
  return typeof redrawn === 'string' ? other : redrawn
}

type Base = { scale: Scale; levels: Levels; excluded: Excluded[]; seed: string }

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

function redrawFinding(units: readonly Level[], { scale, levels, excluded, seed }: Base): Finding | string {
  const scores = scoresOf(units)
  if (scores === undefined) {
    return units.some(({ treated }) => treated)
      ? 'no device that still runs the old version is like those that run the new one'
      : 'no device has reported on the new version yet'
  }
  const margin = scale.margin(scores.control)
  const tested = compare(scores, margin, levels, seededRandom(seed))
  const { leftOut } = scores
  const clipped = scores.clipped
    .filter(({ value, countedAs }) => Math.abs(value - countedAs) > margin / 2)
    .map(({ device, value, countedAs }) => ({
      device,
      why: `${scale.levelInWords(value)} is counted as ${scale.levelInWords(countedAs)}: no other is so far out`,
    }))
  return {
    method: 'redraw',
    scale,
    margin,
    levels,
    tested,
    canary: scores.canary,
    control: scores.control,
    devices: { canary: scores.treatedCount, control: scores.controlCount },
    excluded: [...excluded, ...clipped],
    mayPass: true,
    mayFail: smallestP(scores.strata) <= Math.min(levels.fail, levels.unchanged),
    couldBeUnchanged: true,
    notes:
      leftOut.devices > 0
        ? [`${leftOut.devices} devices have none beside them to compare with (${leftOut.strata} strata)`]
        : [],
  }
}

function pairedFinding(gate: ComparingGate, pairs: readonly Pair[], base: Base): Finding | string {
  const { scale, levels, excluded, seed } = base
  const paired = pairedOf(
    pairs.map((pair) => ({
      ...pair,
      candidate: scale.toScale(pair.candidate),
      primary: scale.toScale(pair.primary),
    })),
  )
  if (paired === undefined) return 'no device has compared both versions on the same inputs yet'
  const margin = scale.margin(paired.primary)
  const tested = flip(paired.differences, seededRandom(seed))
  return {
    method: 'paired',
    scale,
    margin,
    levels,
    tested,
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

function blocksFinding(blocks: readonly Blocks[], { scale, levels, excluded, seed }: Base): Finding | string {
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
    scale,
    margin,
    levels,
    tested: compare(scores, margin, levels, seededRandom(seed)),
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

/** Where nobody is left to compare with, the hour of the day and drift count in full: twice the margin is allowed. */
const ownPastMargins = 2

function ownPastFinding(gate: ComparingGate, units: readonly Level[], base: Base): Finding | string {
  const { scale, levels, excluded, seed } = base
  const paired = gate.metric === 'silence' ? undefined : againstOwnPast(units)
  if (paired === undefined) return 'nobody is left to compare with, and no device has a past of its own'
  const margin = ownPastMargins * scale.margin(paired.primary)
  const tested = flip(paired.differences, seededRandom(seed))
  return {
    method: 'own_past',
    scale,
    margin,
    levels,
    tested,
    canary: paired.candidate,
    control: paired.primary,
    devices: { canary: paired.devices, control: 0 },
    excluded,
    mayPass: false,
    mayFail: margin > 0 && paired.withoutWorst !== undefined && paired.withoutWorst > margin,
    couldBeUnchanged: true,
    notes: [],
  }
}

function judged(gate: ComparingGate, finding: Finding, stage: StageContext): GateVerdict {
  const { scale, margin, levels, tested, devices } = finding
  const { draws } = tested
  const { asBad, asGood } = tested.beside(margin)
  const asBadUnchanged = margin > 0 ? tested.beside(0).asBad : asBad
  const isWorse =
    pValue(asBad, draws) <= levels.fail &&
    (!finding.couldBeUnchanged || pValue(asBadUnchanged, draws) <= levels.unchanged)
  const isNoWorse = pValue(asGood, draws) <= levels.pass
  const outcome: Outcome =
    finding.mayFail && isWorse
      ? 'fail'
      : (finding.mayPass && isNoWorse) || (stage.isLast && finding.method === 'own_past')
        ? 'pass'
        : 'undecided'
  const { low, high } = intervalOf(tested, margin, levels)
  const histogram = histogramOf(tested, margin, scale.shown)
  return {
    metric: gate.metric,
    label: scale.label,
    outcome,
    canary: scale.fromScale(finding.canary),
    control: scale.fromScale(finding.control),
    margin: scale.shown(margin),
    difference: scale.shown(tested.difference),
    low: low === null ? null : scale.shown(low),
    high: high === null ? null : scale.shown(high),
    method: finding.method,
    draws,
    asBad,
    asGood,
    asBadUnchanged,
    alpha: { fail: levels.fail, unchanged: levels.unchanged, pass: levels.pass },
    spent: levels.spent,
    ...(histogram === undefined ? {} : { histogram }),
    devices,
    excluded: finding.excluded.slice(0, excludedMax),
    sentence: comparisonSentence(outcome, finding, { asBad, asGood, low, high }),
  }
}

/** Agreement can be seen in shadow only, and the last stage has nobody to compare with: there, saying so passes. */
function noFinding(gate: ComparingGate, why: string, look: Look, stage: StageContext): GateVerdict {
  const cannotBe = stage.isLast || (gate.metric === 'agreement' && stage.mode !== 'shadow')
  const outcome = cannotBe || look.before?.outcome === 'pass' ? 'pass' : 'undecided'
  const sentence =
    gate.metric === 'agreement' && stage.mode !== 'shadow' ? 'both versions answer the same inputs in shadow only' : why
  return nothing(gate, outcome, sentence, look)
}

const nothing = (gate: Gate, outcome: Outcome, sentence: string, look: Look): GateVerdict => ({
  metric: gate.metric,
  label: gate.metric === 'installation' ? 'installation' : scaleOf(gate).label,
  outcome,
  canary: null,
  control: null,
  margin: null,
  difference: null,
  low: null,
  high: null,
  method: 'none',
  draws: 0,
  asBad: 0,
  asGood: 0,
  asBadUnchanged: 0,
  alpha: { fail: 0, unchanged: 0, pass: 0 },
  spent: look.before?.spent ?? 0,
  devices: { canary: 0, control: 0 },
  excluded: [],
  sentence,
})

function installation(failuresMax: number, counts: Extract<GateEvidence, { kind: 'counts' }>): GateVerdict {
  const { outcome, failed, low, high, sentence } = judgeCounts(failuresMax, counts)
  return {
    metric: 'installation',
    label: 'installation',
    outcome,
    canary: failed,
    control: null,
    margin: failuresMax,
    difference: failed - failuresMax,
    low,
    high,
    method: 'counts',
    draws: 0,
    asBad: 0,
    asGood: 0,
    asBadUnchanged: 0,
    alpha: { fail: 0, unchanged: 0, pass: 0 },
    spent: 0,
    devices: { canary: counts.accepted, control: 0 },
    excluded: [],
    sentence,
  }
}
