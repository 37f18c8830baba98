// Judges rules over what is known of a version: pass, fail, or undecided where nothing can honestly be said, each
// with the numbers it was based on and a sentence.
//
// Confidence is one-sided: `accuracy >= 0.9 with 95 % confidence` asks to be 95 % sure that accuracy is not below 0.9.
// Evaluations hold two-sided 95 % bootstrap intervals, so that either end is a one-sided limit of 97.5 %: a rule that
// asks for as much or less is judged by that end (stricter than asked, never laxer), one that asks for more is
// undecided.

import { z } from 'zod'
import { inAllBytes } from '../wording.ts'
import {
  amountOf,
  type Comparator,
  type Metric,
  printMetric,
  printRule,
  type Rule,
  type VersionMeasure,
} from './rule.ts'

export const answers = ['pass', 'fail', 'undecided'] as const
export type Answer = (typeof answers)[number]

/** A figure and its two-sided 95 % interval. */
export type Interval = { value: number; low: number; high: number }

/** Percent one may be sure of either end of a two-sided 95 % interval. */
export const oneSidedPercent = 97.5

type Own = { measures: Record<VersionMeasure, number>; metrics: Readonly<Record<string, number>> }
type Figures = Readonly<Record<string, Interval>>
export type EvidenceSlice = {
  column: string
  value: string
  figures: Figures
  champion: Figures | null
  difference: Figures
}

/** What is known of a version when its gates are judged. */
export type Evidence = Own & {
  version: number
  /** By name of a device profile; null: nobody has looked. */
  profiles: Readonly<Record<string, { runs: boolean | null; reason: string }>>
  /** Where the alias champion points now. */
  champion: (Own & { version: number }) | null
  /** Each with the latest evaluation that is finished. */
  variants: readonly { variant: string; evaluation: Evaluation | null }[]
}
export type Evaluation = {
  id: string
  figures: Figures
  /** The champion it compared with, on the same rows. */
  champion: { version: number; figures: Figures } | null
  /** Candidate minus champion, paired. */
  difference: Figures
  slices: readonly EvidenceSlice[]
}

const Number_ = z.number().nullable()
export const RuleVerdict = z.object({
  rule: z.string(),
  answer: z.enum(answers),
  /** Which the figures are of, where the version has several: the first that fails, else that is undecided, else the first. */
  variant: z.string().nullable(),
  /** The version's own figure, and its interval where it has one. */
  value: Number_,
  low: Number_,
  high: Number_,
  /** What it was compared with: the number of the rule, or the champion's figure with what the rule adds. */
  bound: Number_,
  champion: z.object({ version: z.number(), value: z.number() }).nullable(),
  /** Version minus champion, paired on the same rows. */
  difference: z.object({ value: z.number(), low: z.number(), high: z.number() }).nullable(),
  sentence: z.string(),
})
export type RuleVerdict = z.infer<typeof RuleVerdict>

export type GateVerdict = { answer: Answer; rules: RuleVerdict[] }

/** All must pass; one that fails fails all. No rules: nothing is asked, pass. */
export function judgeGates(rules: readonly Rule[], evidence: Evidence, withoutChampion: Answer): GateVerdict {
  const judged = rules.map((rule) => judgeRule(rule, evidence, withoutChampion))
  const has = (answer: Answer) => judged.some((verdict) => verdict.answer === answer)
  return { answer: has('fail') ? 'fail' : has('undecided') ? 'undecided' : 'pass', rules: judged }
}

/** A figure of an evaluation must be as wanted in every variant: each of them reaches devices.
 *  @param withoutChampion what a comparison with the champion is where there is none */
export function judgeRule(rule: Rule, evidence: Evidence, withoutChampion: Answer = 'undecided'): RuleVerdict {
  if (rule.kind === 'runs-on') return judgeProfile(rule, evidence)
  const { variants } = evidence
  if (rule.metric.source !== 'evaluation' || variants.length <= 1) {
    return judgeComparison(rule, { ...evidence, evaluation: variants[0]?.evaluation ?? null }, withoutChampion)
  }
  const judged = variants.map(({ variant, evaluation }) => {
    const verdict = judgeComparison(rule, { ...evidence, evaluation }, withoutChampion)
    return { ...verdict, variant, sentence: `${variant}: ${verdict.sentence}` }
  })
  const worst = (['fail', 'undecided', 'pass'] as const)
    .map((answer) => judged.find((verdict) => verdict.answer === answer))
    .find((verdict) => verdict !== undefined)
  if (worst === undefined) throw new Error('a version with several variants has one')
  return { ...worst, sentence: judged.map(({ sentence }) => sentence).join('; ') }
}

/** What is known of one variant. */
type VariantEvidence = Evidence & { evaluation: Evaluation | null }

function judgeComparison(rule: Comparison, evidence: VariantEvidence, withoutChampion: Answer): RuleVerdict {
  const known = lookUp(rule, evidence)
  const base: RuleVerdict = { ...nothing, rule: printRule(rule) }
  if ('missing' in known) return { ...base, sentence: known.missing }
  const own = { ...base, value: known.own.value, low: known.low, high: known.high }
  if (rule.bound.kind === 'number') {
    const bound = amountOf(rule.bound.quantity)
    return settle(rule, { ...own, bound }, known.own, bound, name(rule))
  }
  const { champion } = known
  if (champion === null) {
    return { ...own, answer: withoutChampion, sentence: noChampion(evidence, withoutChampion) }
  }
  if ('missing' in champion) return { ...own, sentence: champion.missing }
  const { version, value, difference } = champion
  const compared = { ...own, champion: { version, value }, difference: difference ?? null }
  if (rule.bound.kind === 'share-of-champion') {
    const bound = value * rule.bound.factor
    return settle(rule, { ...compared, bound }, known.own, bound, name(rule))
  }
  const offset = amountOf(rule.bound.offset)
  const withBound = { ...compared, bound: value + offset }
  // the paired difference: sampling noise that both share cancels
  if (difference !== undefined) {
    return settle(rule, withBound, difference, offset, `${name(rule)} minus that of version ${version}`)
  }
  if (rule.confidence !== undefined) {
    return { ...withBound, sentence: `the evaluation holds no difference of ${name(rule)} to version ${version}` }
  }
  return settle(rule, withBound, known.own, value + offset, name(rule))
}

type Comparison = Extract<Rule, { kind: 'compare' }>
type Missing = { missing: string }
type Known = {
  own: Interval
  low: number | null
  high: number | null
  champion: { version: number; value: number; difference: Interval | undefined } | Missing | null
}

const nothing = {
  answer: 'undecided',
  variant: null,
  value: null,
  low: null,
  high: null,
  bound: null,
  champion: null,
  difference: null,
  sentence: '',
} as const

const name = ({ metric }: Comparison): string => printMetric(metric)

function noChampion({ version }: Evidence, answer: Answer): string {
  const sentence = `there is no champion to compare version ${version} with`
  return answer === 'undecided' ? sentence : `${sentence}; by the policy that is a ${answer}`
}

function lookUp(rule: Comparison, evidence: VariantEvidence): Known | Missing {
  const { metric } = rule
  if (metric.source === 'evaluation') return lookUpFigure(rule, evidence)
  const read = (of: Own) => (metric.source === 'version' ? of.measures[metric.name] : owned(of.metrics, metric.name))
  const value = read(evidence)
  if (value === undefined || !Number.isFinite(value)) {
    return { missing: `the registration of version ${evidence.version} brought no ${name(rule)}` }
  }
  const { champion } = evidence
  const theirs = champion === null ? undefined : read(champion)
  return {
    own: exactly(value),
    low: null,
    high: null,
    champion:
      champion === null
        ? null
        : theirs === undefined || !Number.isFinite(theirs)
          ? { missing: `the champion, version ${champion.version}, has no ${name(rule)}` }
          : { version: champion.version, value: theirs, difference: undefined },
  }
}

function lookUpFigure(rule: Comparison, evidence: VariantEvidence): Known | Missing {
  const { evaluation, champion, version } = evidence
  const { metric } = rule
  if (metric.source !== 'evaluation') throw new Error('only evaluations have figures')
  if (evaluation === null) return { missing: `version ${version} has not been evaluated` }
  const { slice } = metric
  const ofRows = slice?.value !== undefined
  const of = slice?.value === undefined ? whole(evaluation) : sliceOf(evaluation, slice.column, slice.value)
  if (of === undefined) return { missing: `the evaluation has no slice for ${name(rule)}` }
  const figureName = slice === undefined || ofRows ? metric.name : `${metric.name}[${slice.column}]`
  const own = figure(of.figures, figureName)
  if (own === undefined) return { missing: `the evaluation has no ${name(rule)}` }
  return { own, low: own.low, high: own.high, champion: championFigure(rule, of, figureName, champion, evidence) }
}

const whole = ({ figures, champion, difference }: Evaluation) => ({
  figures,
  champion: champion?.figures ?? null,
  difference,
})
const sliceOf = ({ slices }: Evaluation, column: string, value: string) =>
  slices.find((slice) => slice.column === column && slice.value === value)

function championFigure(
  rule: Comparison,
  of: Pick<EvidenceSlice, 'figures' | 'champion' | 'difference'>,
  figureName: string,
  champion: Evidence['champion'],
  { evaluation, version }: VariantEvidence,
): Known['champion'] {
  if (champion === null) return null
  const own = figure(of.figures, figureName)
  if (champion.version === version && own !== undefined) return { version, value: own.value, difference: exactly(0) }
  const compared = evaluation?.champion?.version
  if (compared !== champion.version) {
    const with_ = compared === undefined ? 'no champion' : `version ${compared}`
    return {
      missing: `the evaluation compared with ${with_}, but the champion is version ${champion.version}: evaluate again`,
    }
  }
  const theirs = of.champion === null ? undefined : figure(of.champion, figureName)
  if (theirs === undefined) return { missing: `the evaluation has no ${name(rule)} of the champion` }
  return { version: champion.version, value: theirs.value, difference: figure(of.difference, figureName) }
}

/** Where the figure, or with a confidence its interval, lies to the bound. */
function settle(rule: Comparison, base: RuleVerdict, of: Interval, bound: number, what: string): RuleVerdict {
  const { comparator, confidence } = rule
  const inWords = wordsFor(rule.metric)
  if (confidence === undefined) {
    const answer: Answer = holds(of.value, comparator, bound) ? 'pass' : 'fail'
    const sentence = `${what} is ${inWords(of.value)}, ${answer === 'pass' ? 'as wanted' : 'not'} ${comparator} ${inWords(bound)}`
    return { ...base, answer, sentence }
  }
  const interval = `${what} is ${inWords(of.value)}, its interval ${inWords(of.low)} to ${inWords(of.high)}`
  if (confidence > oneSidedPercent) {
    const detail = `each end is sure to ${oneSidedPercent} %, which does not tell for ${confidence} %`
    return { ...base, answer: 'undecided', sentence: `${interval}; ${detail}` }
  }
  const [worst, best] = isFloor(comparator) ? [of.low, of.high] : [of.high, of.low]
  const answer: Answer = holds(worst, comparator, bound)
    ? 'pass'
    : holds(best, comparator, bound)
      ? 'undecided'
      : 'fail'
  const where = { pass: 'lies wholly on the wanted side of', fail: 'lies wholly beyond', undecided: 'covers' }[answer]
  return {
    ...base,
    answer,
    sentence: `${interval}, which ${where} ${inWords(bound)} (each end sure to ${oneSidedPercent} %, ${confidence} % asked)`,
  }
}

/** A value of the metric, with its unit where the hub knows it: what a registration brought is in the unit of who made it. */
function wordsFor(metric: Metric): (value: number) => string {
  if (metric.source === 'version' && metric.name === 'size') return inAllBytes
  if (metric.source === 'evaluation' && metric.name.endsWith('_ms')) return (value) => `${round(value)} ms`
  return round
}

const isFloor = (comparator: Comparator): boolean => comparator === '>=' || comparator === '>'

/** Numbers that differ by less than rounding does are equal: 0.91 is 0.92 - 0.01. */
function holds(value: number, comparator: Comparator, bound: number): boolean {
  const equal = Math.abs(value - bound) <= 1e-12 * Math.max(1, Math.abs(value), Math.abs(bound))
  switch (comparator) {
    case '>=':
      return equal || value > bound
    case '<=':
      return equal || value < bound
    case '>':
      return !equal && value > bound
    case '<':
      return !equal && value < bound
  }
}

function judgeProfile({ profile }: Extract<Rule, { kind: 'runs-on' }>, { profiles, version }: Evidence): RuleVerdict {
  const base: RuleVerdict = { ...nothing, rule: `runs on ${profile}` }
  const known = owned(profiles, profile)
  if (known === undefined || known.runs === null) {
    const reason = known === undefined ? 'no profile of this name has been looked at' : known.reason
    return { ...base, sentence: `it is not known whether version ${version} runs on ${profile}: ${reason}` }
  }
  return known.runs
    ? { ...base, answer: 'pass', sentence: `version ${version} runs on ${profile}` }
    : { ...base, answer: 'fail', sentence: `version ${version} does not run on ${profile}: ${known.reason}` }
}

const exactly = (value: number): Interval => ({ value, low: value, high: value })

function figure(figures: Figures, wanted: string): Interval | undefined {
  const found = owned(figures, wanted)
  return found !== undefined && [found.value, found.low, found.high].every(Number.isFinite) ? found : undefined
}

const owned = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** Six digits that count: enough to see why, few enough to read. */
const round = (value: number): string => String(Number(value.toPrecision(6)))
