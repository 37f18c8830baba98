// What an evaluation measures once the models have answered: figures with intervals, the difference to the champion on
// the same resampled rows, slices, calibration, confusion, fairness. Pure and slow: it runs in a worker thread.

import { type Uniform, uniformFrom } from '../seeded-random.ts'
import { type Answers, calibratedEvent, type Grouping, prepare, type Values, whyUndefined } from './figures.ts'
import { drawWeights, type Figure, figureOf, resamples } from './metrics/bootstrap.ts'
import { type ReliabilityBin, reliabilityBins } from './metrics/calibration.ts'
import { confusionOf } from './metrics/confusion.ts'
import { type GroupRates, groupRates } from './metrics/fairness.ts'

/** A slice of fewer rows is not measured: an interval over a handful of rows is not one. */
export const sliceRowsMin = 30

export type Clusters = { of: Int32Array; count: number }
/** All on the same rows. */
export type Measurement = {
  candidate: Answers
  champion: Answers | undefined
  slices: readonly (Grouping & { others: number })[]
  fairness: readonly Grouping[]
  clusters: Clusters | undefined
  seed: number
}

export type Figures = Record<string, Figure>
export type Compared = {
  figures: Figures
  champion: Figures | null
  /** Candidate less champion; empty where there is none. */
  difference: Figures
  /** Figures that could not be measured, and why. */
  unmeasured: Record<string, string>
}
/** `tooSmall`: why it was not measured. */
export type Slice = Compared & { column: string; value: string; rows: number; tooSmall: string | null }
export type Measured = Compared & {
  rows: number
  slices: Slice[]
  /** Slice columns with more values than are measured: how many of their rows are in no slice. */
  slicesLeftOut: Record<string, { rows: number }>
  confusion: { classes: string[]; counts: number[][] } | null
  calibration: ReliabilityBin[] | null
  fairness: { column: string; groups: ({ value: string } & GroupRates)[] }[]
  interval: { method: 'percentile bootstrap'; level: 0.95; resamples: number; by: 'row' | 'cluster' }
}

export function measure(measurement: Measurement): Measured {
  const { candidate, champion, slices, fairness, clusters, seed } = measurement
  return {
    rows: rowsOf(candidate),
    ...compare(candidate, champion, fairness, clusters, uniformFrom(seed, 1)),
    slices: slices.flatMap((grouping, i) => sliceFigures(measurement, grouping, uniformFrom(seed, 2 + i))),
    slicesLeftOut: Object.fromEntries(
      slices.flatMap(({ column, others }) => (others === 0 ? [] : [[column, { rows: others }]])),
    ),
    confusion: confusionTable(candidate),
    calibration: calibrationOf(candidate),
    fairness: candidate.kind === 'classification' ? fairness.map((grouping) => ratesOf(candidate, grouping)) : [],
    interval: {
      method: 'percentile bootstrap',
      level: 0.95,
      resamples,
      by: clusters === undefined ? 'row' : 'cluster',
    },
  }
}

/** Figures of both on the same resamples. */
export function compare(
  candidate: Answers,
  champion: Answers | undefined,
  fairness: readonly Grouping[],
  clusters: Clusters | undefined,
  uniform: Uniform,
): Compared {
  const candidateOn = prepare(candidate, fairness)
  const championOn = champion && prepare(champion, fairness)
  const onAll = candidateOn()
  const championOnAll = championOn?.()
  const gathered = { figures: gather(), champion: gather(), difference: gather() }
  for (let i = 0; i < resamples; i++) {
    const weights = drawWeights(uniform, rowsOf(candidate), clusters)
    const values = candidateOn(weights)
    gathered.figures.add(values)
    if (championOn === undefined) continue
    const championValues = championOn(weights)
    gathered.champion.add(championValues)
    gathered.difference.add(lessOf(values, championValues))
  }
  const figures = gathered.figures.figures(onAll)
  const unmeasured = Object.keys(onAll).filter((name) => figures[name] === undefined)
  return {
    figures,
    champion: championOnAll === undefined ? null : gathered.champion.figures(championOnAll),
    difference: championOnAll === undefined ? {} : gathered.difference.figures(lessOf(onAll, championOnAll)),
    unmeasured: Object.fromEntries(unmeasured.map((name) => [name, whyUndefined(name)])),
  }
}

/** Values of every figure over the resamples. */
function gather(): { add(values: Values): void; figures(onAll: Values): Figures } {
  const seen = new Map<string, (number | undefined)[]>()
  return {
    add: (values) => {
      for (const [name, value] of Object.entries(values)) {
        const others = seen.get(name)
        if (others === undefined) seen.set(name, [value])
        else others.push(value)
      }
    },
    figures: (onAll) => {
      const found: Figures = {}
      for (const [name, value] of Object.entries(onAll)) {
        const figure = value === undefined ? undefined : figureOf(value, seen.get(name) ?? [])
        if (figure !== undefined) found[name] = figure
      }
      return found
    },
  }
}

/** What both have a value of. */
function lessOf(values: Values, others: Values): Values {
  const differences: Values = {}
  for (const [name, value] of Object.entries(values)) {
    if (!(name in others)) continue
    const other = others[name]
    differences[name] = value === undefined || other === undefined ? undefined : value - other
  }
  return differences
}

function sliceFigures({ candidate, champion, clusters }: Measurement, grouping: Grouping, uniform: Uniform): Slice[] {
  const rowsByGroup = grouping.names.map((): number[] => [])
  for (const [row, group] of grouping.of.entries()) rowsByGroup[group]?.push(row)
  return grouping.names.map((value, group): Slice => {
    const rows = rowsByGroup[group] ?? []
    const named = { column: grouping.column, value, rows: rows.length }
    if (rows.length < sliceRowsMin) {
      return { ...named, ...nothing, tooSmall: `${rows.length} rows; ${sliceRowsMin} are needed` }
    }
    const within = clusters && recluster(clusters, rows)
    const compared = compare(takeRows(candidate, rows), champion && takeRows(champion, rows), [], within, uniform)
    return { ...named, ...compared, tooSmall: null }
  })
}

const nothing: Compared = { figures: {}, champion: null, difference: {}, unmeasured: {} }

/** The clusters of these rows, numbered anew without gaps. */
function recluster(clusters: Clusters, rows: readonly number[]): Clusters {
  const numbers = new Map<number, number>()
  const of = Int32Array.from(rows, (row) => {
    const cluster = clusters.of[row] ?? 0
    const number = numbers.get(cluster) ?? numbers.size
    numbers.set(cluster, number)
    return number
  })
  return { of, count: numbers.size }
}

/** The answers on some of the rows. */
export function takeRows(answers: Answers, rows: readonly number[]): Answers {
  const floats = (values: Float64Array) => Float64Array.from(rows, (row) => values[row] ?? Number.NaN)
  const whole = (values: Int32Array) => Int32Array.from(rows, (row) => values[row] ?? 0)
  const latencies = answers.latencies && floats(answers.latencies)
  if (answers.kind === 'regression') {
    return { kind: 'regression', targets: floats(answers.targets), predicted: floats(answers.predicted), latencies }
  }
  return {
    kind: 'classification',
    classes: answers.classes,
    labels: whole(answers.labels),
    predicted: whole(answers.predicted),
    probabilities: answers.probabilities?.map(floats),
    scores: answers.scores && floats(answers.scores),
    latencies,
  }
}

const rowsOf = (answers: Answers): number => answers.predicted.length

function confusionTable(answers: Answers): Measured['confusion'] {
  if (answers.kind !== 'classification') return null
  const { counts, classes } = confusionOf(answers.labels, answers.predicted, answers.classes.length)
  return {
    classes: [...answers.classes],
    counts: Array.from({ length: classes }, (_, label) => [...counts.subarray(label * classes, (label + 1) * classes)]),
  }
}

function calibrationOf(answers: Answers): ReliabilityBin[] | null {
  if (answers.kind !== 'classification' || answers.probabilities === undefined) return null
  const { probability, happened } = calibratedEvent(answers, answers.probabilities)
  return reliabilityBins(probability, happened)
}

function ratesOf(
  { labels, predicted }: { labels: Int32Array; predicted: Int32Array },
  { column, names, of }: Grouping,
): Measured['fairness'][number] {
  const rates = groupRates(labels, predicted, of, names.length)
  return { column, groups: rates.map((rate, group) => ({ value: names[group] ?? '', ...rate })) }
}
