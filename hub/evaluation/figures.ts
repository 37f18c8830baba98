// All figures of one model's answers, in one place: what is computed for which task, and under which name.
// `prepare` does once what every resample of the bootstrap would do again.

import { assignBins, expectedCalibrationError, reliabilityBins } from './metrics/calibration.ts'
import { accuracy, averageScores, type Confusion, classScores, confusionOf } from './metrics/confusion.ts'
import { demographicParityDifference, equalisedOddsDifference, groupRates } from './metrics/fairness.ts'
import { ascendingOrder, weightedQuantiles } from './metrics/latency.ts'
import { brierTerms, logLosses } from './metrics/probability.ts'
import { prepareOneVsRest, prepareRocAuc } from './metrics/ranking.ts'
import { meanAbsoluteError, r2Score, rootMeanSquaredError } from './metrics/regression.ts'
import { type Weights, weightedMean } from './metrics/sum.ts'

/** What a model answered, row by row, beside the truth. Classes are numbers; of two, the second is the positive one.
 *  `probabilities`: one array a class. `scores`: of the positive class, for ranking. */
export type ClassAnswers = {
  kind: 'classification'
  classes: readonly string[]
  labels: Int32Array
  predicted: Int32Array
  probabilities: readonly Float64Array[] | undefined
  scores: Float64Array | undefined
}
export type NumberAnswers = { kind: 'regression'; targets: Float64Array; predicted: Float64Array }
export type Answers = (ClassAnswers | NumberAnswers) & {
  /** Milliseconds an inference took; undefined where it is not known. */
  latencies: Float64Array | undefined
}

/** Rows in groups: `of` numbers below `names.length`. */
export type Grouping = { column: string; names: readonly string[]; of: Int32Array }

/** Undefined: the figure has no value on these rows. */
export type Values = Record<string, number | undefined>
export type FiguresOn = (weights?: Weights) => Values

/** @param fairness columns between whose groups a binary classifier is compared */
export function prepare(answers: Answers, fairness: readonly Grouping[] = []): FiguresOn {
  const parts = [
    answers.kind === 'classification' ? classFigures(answers) : numberFigures(answers),
    ...(answers.latencies === undefined ? [] : [latencyFigures(answers.latencies)]),
    ...(answers.kind === 'classification' && fairness.length > 0 ? [fairnessFigures(answers, fairness)] : []),
  ]
  return (weights) => Object.assign({}, ...parts.map((part) => part(weights)))
}

/** Why a figure may have no value. */
export function whyUndefined(name: string): string {
  if (name === 'roc_auc') return 'a class does not occur among the labels (or hardly: in less than half the resamples)'
  if (name === 'r2') return 'it needs two rows'
  return 'there are no rows for it'
}

function classFigures(answers: ClassAnswers): FiguresOn {
  const { labels, predicted, classes } = answers
  const byProbability = probabilityFigures(answers)
  const ranked = rankingFigures(answers)
  return (weights) => ({
    ...confusionFigures(confusionOf(labels, predicted, classes.length, weights)),
    ...ranked(weights),
    ...byProbability(weights),
  })
}

/** `precision`, `recall` and `f1` are those of the positive class of two, and macro averages of more. */
function confusionFigures(confusion: Confusion): Values {
  const averages = averageScores(confusion)
  const plain = confusion.classes === 2 ? averages && classScores(confusion, 1) : averages?.macro
  return {
    accuracy: accuracy(confusion),
    precision: plain?.precision,
    recall: plain?.recall,
    f1: plain?.f1,
    precision_macro: averages?.macro.precision,
    recall_macro: averages?.macro.recall,
    f1_macro: averages?.macro.f1,
    precision_weighted: averages?.weighted.precision,
    recall_weighted: averages?.weighted.recall,
    f1_weighted: averages?.weighted.f1,
  }
}

function rankingFigures({ labels, classes, scores, probabilities }: ClassAnswers): FiguresOn {
  if (classes.length === 2) {
    if (scores === undefined) return () => ({})
    const area = prepareRocAuc(scores, (row) => labels[row] === 1)
    return (weights) => ({ roc_auc: area(weights) })
  }
  if (probabilities === undefined) return () => ({})
  const area = prepareOneVsRest(probabilities, labels)
  return (weights) => ({ roc_auc: area(weights) })
}

function probabilityFigures(answers: ClassAnswers): FiguresOn {
  const { labels, probabilities } = answers
  if (probabilities === undefined) return () => ({})
  const losses = logLosses(probabilities, labels)
  const briers = brierTerms(probabilities, labels)
  const { probability, happened } = calibratedEvent(answers, probabilities)
  const bins = assignBins(probability)
  return (weights) => ({
    log_loss: weightedMean(losses, weights),
    brier: weightedMean(briers, weights),
    expected_calibration_error: expectedCalibrationError(reliabilityBins(probability, happened, weights, bins)),
  })
}

/** What calibration is measured on: of two classes the positive one; of more, that the most probable is the true one
 *  (confidence calibration, Guo et al. 2017). */
export function calibratedEvent(
  { labels, classes }: ClassAnswers,
  probabilities: readonly Float64Array[],
): { probability: Float64Array; happened: (row: number) => boolean } {
  const [, positive] = probabilities
  if (classes.length === 2 && positive !== undefined) {
    return { probability: positive, happened: (row) => labels[row] === 1 }
  }
  const top = Int32Array.from(labels, (_, row) => mostProbable(probabilities, row))
  return {
    probability: Float64Array.from(top, (k, row) => probabilities[k]?.[row] ?? 0),
    happened: (row) => labels[row] === top[row],
  }
}

/** The class of the largest probability, the first of equals (numpy.argmax). */
export function mostProbable(probabilities: readonly Float64Array[], row: number): number {
  let best = 0
  for (let k = 1; k < probabilities.length; k++) {
    if ((probabilities[k]?.[row] ?? 0) > (probabilities[best]?.[row] ?? 0)) best = k
  }
  return best
}

function numberFigures({ targets, predicted }: NumberAnswers): FiguresOn {
  return (weights) => ({
    mae: meanAbsoluteError(targets, predicted, weights),
    rmse: rootMeanSquaredError(targets, predicted, weights),
    r2: r2Score(targets, predicted, weights),
  })
}

function latencyFigures(latencies: Float64Array): FiguresOn {
  const order = ascendingOrder(latencies)
  return (weights) => {
    const [median, worst] = weightedQuantiles(latencies, order, [0.5, 0.99], weights)
    return { latency_p50_ms: median, latency_p99_ms: worst }
  }
}

/** The two differences of each column (`…[column]`), and the worst of all columns under the plain name. */
function fairnessFigures({ labels, predicted }: ClassAnswers, fairness: readonly Grouping[]): FiguresOn {
  return (weights) => {
    const values: Values = {}
    const worst = { demographic_parity_difference: [0], equalised_odds_difference: [0] }
    for (const { column, names, of } of fairness) {
      const rates = groupRates(labels, predicted, of, names.length, weights)
      const parity = demographicParityDifference(rates)
      const odds = equalisedOddsDifference(rates)
      values[`demographic_parity_difference[${column}]`] = parity
      values[`equalised_odds_difference[${column}]`] = odds
      worst.demographic_parity_difference.push(parity ?? 0)
      worst.equalised_odds_difference.push(odds ?? 0)
    }
    for (const [name, all] of Object.entries(worst)) values[name] = Math.max(...all)
    return values
  }
}
