// The verdict of one gate: pass, fail, or not enough to say. Pure: the same evidence and seed give the same verdict to the
// last bit, so that a stored decision can be judged again years later. What the tests are: docs/gates.md.

import { counted } from '../../wording.ts'
import { type ComparingGate, type Gate, labelOf } from '../metrics/list.ts'
import { judgeCounts } from './counts.ts'
import type { GateEvidence } from './evidence.ts'
import { type Finding, findingOf } from './findings.ts'
import { comparisonSentence } from './sentence.ts'
import { histogramOf, intervalOf, pValue, pValues } from './tested.ts'
import { excludedMax, type GateVerdict, type Look, noFigures, type Outcome, type StageContext } from './verdict.ts'

/** `withFigures`: interval, picture and sentence, for whoever reads the verdict, and all the draws that these take; a third
 *  of the work. Outcome, level and share of the budget are the same without. */
export type Telling = { withFigures: boolean }

/** @param seed of the redraws: the same for every judgement of one gate at one look, such as rollout, stage, gate, look */
export function judgeGate(
  gate: Gate,
  evidence: GateEvidence,
  look: Look,
  stage: StageContext,
  seed: string,
  telling: Telling = { withFigures: true },
): GateVerdict {
  const before = look.before?.outcome
  if (gate.metric === 'installation') {
    if (evidence.kind === 'counts') return installation(gate.failuresMax, evidence)
    return nothing(gate, 'undecided', evidence.kind === 'none' ? evidence.why : 'no installations were counted', look)
  }
  // whatever a shadow that is about to serve still tells of the stage before
  if (gate.metric === 'agreement' && stage.mode !== 'shadow') {
    return nothing(gate, 'pass', 'both versions answer the same inputs in shadow only', look)
  }
  if (evidence.kind === 'incomparable') return nothing(gate, 'pass', evidence.why, look)
  if (evidence.kind !== 'comparison') {
    const why = evidence.kind === 'none' ? evidence.why : 'nothing was counted that could be compared'
    return nothing(gate, before === 'pass' ? 'pass' : 'undecided', why, look)
  }
  if (gate.metric === 'silence') {
    const treated = evidence.units.filter((unit) => unit.treated)
    // Silence is seen, not estimated: where there is none, no number of devices would show more.
    if (treated.length > 0 && treated.every(({ value }) => value === 0)) {
      return nothing(gate, 'pass', `none of ${counted(treated.length, 'device')} with the new version is silent`, look)
    }
  }
  const finding = findingOf(gate, evidence, look, stage, seed, telling.withFigures)
  const verdict =
    typeof finding === 'string' ? noFinding(gate, finding, look, stage) : judged(gate, finding, stage, telling)
  // What passed once stays passed unless it is found to fail: later looks have less budget, not less evidence.
  return before === 'pass' && verdict.outcome === 'undecided' ? { ...verdict, outcome: 'pass' } : verdict
}

function judged(gate: ComparingGate, finding: Finding, stage: StageContext, { withFigures }: Telling): GateVerdict {
  const { scale, margin, levels, tested, devices } = finding
  const { draws } = tested
  const { asBad, asGood } = tested.beside(margin)
  const asBadUnchanged = margin > 0 ? tested.beside(0).asBad : asBad
  const p = pValues(tested, margin)
  const isWorse =
    p.bad <= levels.fail && (!finding.couldBeUnchanged || pValue(asBadUnchanged, draws) <= levels.unchanged)
  const isNoWorse = p.good <= levels.pass
  const outcome: Outcome =
    finding.mayFail && isWorse
      ? 'fail'
      : // In the last stage nobody is left to learn more from: it can only fail.
        (finding.mayPass && isNoWorse) || stage.isLast
        ? 'pass'
        : 'undecided'
  const { low, high } = withFigures ? intervalOf(tested, margin, levels) : { low: null, high: null }
  const histogram = withFigures ? histogramOf(tested, margin, scale.shown) : undefined
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
    moved: finding.moved,
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
    sentence: withFigures ? comparisonSentence(outcome, finding, { asBad, asGood, low, high }) : outcome,
  }
}

/** The last stage has nobody to compare with: there, saying so passes. */
function noFinding(gate: ComparingGate, why: string, look: Look, stage: StageContext): GateVerdict {
  return nothing(gate, stage.isLast || look.before?.outcome === 'pass' ? 'pass' : 'undecided', why, look)
}

const nothing = (gate: Gate, outcome: Outcome, sentence: string, look: Look): GateVerdict => ({
  metric: gate.metric,
  label: labelOf(gate),
  outcome,
  ...noFigures,
  spent: look.before?.spent ?? 0,
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
    moved: null,
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
