// The outputs of a model read as answers: classes with probabilities, or numbers. What cannot be read stops the
// evaluation and names the row; a number that is not finite is kept as it is, for the caller to judge.

import type { TensorValue } from '@roost/shared/bundle/tensor.ts'
import { EvaluationError } from './evaluation-error.ts'
import { type Answers, mostProbable } from './figures.ts'
import { classesMax, type ReadTask } from './task.ts'
import type { Truth } from './truth.ts'

/** Probabilities of float32 models miss 0, 1 and their sum by rounding; by more than this they are something else. */
const probabilitySlack = 1e-3

/** The part of an output that the task reads. Element `k` of what comes back is class k, or the one number.
 *  @throws EvaluationError output-misfit */
export function readElements(task: ReadTask, tensor: TensorValue | undefined, row: number): number[] {
  const data = tensor?.data ?? []
  if (task.kind === 'multiclass-classification') {
    if (task.reads === 'label') return [classOf(task, data, row)]
    if (data.length < 2 || data.length > classesMax) {
      throw misfit(task, row, `has ${data.length} elements; classes are 2 to ${classesMax}`)
    }
    return data.map(Number)
  }
  const element = task.element ?? (task.kind === 'regression' ? onlyElement(task, data, row) : data.length - 1)
  const value = data[element]
  if (value === undefined) throw misfit(task, row, `has ${data.length} elements; element ${element} was asked for`)
  return [Number(value)]
}

function onlyElement(task: ReadTask, data: TensorValue['data'], row: number): number {
  if (data.length <= 1) return 0
  throw misfit(task, row, `has ${data.length} elements; say in \`task.element\` which to read`)
}

function classOf(
  task: ReadTask & { kind: 'multiclass-classification' },
  data: TensorValue['data'],
  row: number,
): number {
  const [value] = data
  if (value === undefined || data.length !== 1) throw misfit(task, row, `has ${data.length} elements; a label is one`)
  const k = (task.classes ?? []).findIndex((label) => String(label) === String(value))
  if (k >= 0 || task.classes === undefined) return k
  throw misfit(task, row, `is ${JSON.stringify(value)}, which is none of the classes`)
}

/** Numbers of the answers, `elements` each, one row after the other; `of`: the dataset's row of each, counted from 0. */
export type AnswerRows = { elements: number; values: Float64Array; of: Int32Array }

/** What the rows say, beside the truth; all must be finite.
 *  @throws EvaluationError not-probabilities */
export function toAnswers(
  task: ReadTask,
  rows: AnswerRows,
  truth: Truth,
  latencies: Float64Array | undefined,
): Answers {
  const { values, elements, of } = rows
  if (task.kind === 'regression') return { kind: 'regression', targets: truth.values, predicted: values, latencies }
  const common = {
    kind: 'classification' as const,
    classes: truth.classes,
    labels: Int32Array.from(truth.values),
    latencies,
  }
  if (task.kind === 'binary-classification') {
    const threshold = task.threshold ?? (task.reads === 'logit' ? 0 : 0.5)
    return {
      ...common,
      predicted: Int32Array.from(values, (value) => (value >= threshold ? 1 : 0)),
      probabilities: binaryProbabilities(task, values, of),
      scores: values,
    }
  }
  if (task.reads === 'label') {
    return { ...common, predicted: Int32Array.from(values), probabilities: undefined, scores: undefined }
  }
  if (elements !== truth.classes.length) {
    throw new EvaluationError(
      'classes-misfit',
      `output ${task.output} has ${elements} elements, and there are ${truth.classes.length} classes`,
    )
  }
  const probabilities = classProbabilities(task, rows)
  const predicted = Int32Array.from(truth.values, (_, row) => mostProbable(probabilities, row))
  return { ...common, predicted, probabilities, scores: undefined }
}

function binaryProbabilities(
  task: ReadTask & { kind: 'binary-classification' },
  values: Float64Array,
  of: Int32Array,
): Float64Array[] | undefined {
  if (task.reads === 'score') return undefined
  const positive =
    task.reads === 'logit' ? values.map(logistic) : values.map((value, row) => bounded(task, value, of[row] ?? row))
  return [positive.map((p) => 1 - p), positive]
}

export function classProbabilities(task: ReadTask, { elements, values, of }: AnswerRows) {
  const rows = values.length / elements
  const probabilities = Array.from({ length: elements }, () => new Float64Array(rows))
  for (let row = 0; row < rows; row++) {
    const given = values.subarray(row * elements, (row + 1) * elements)
    const read =
      'reads' in task && task.reads === 'logits' ? softmax(given) : given.map((p) => bounded(task, p, of[row] ?? row))
    const sum = read.reduce((total, p) => total + p, 0)
    if (Math.abs(sum - 1) > elements * probabilitySlack) throw noProbability(task, of[row] ?? row, `add up to ${sum}`)
    for (const [k, of] of probabilities.entries()) of[row] = read[k] ?? 0
  }
  return probabilities
}

function bounded(task: ReadTask, p: number, row: number): number {
  if (p < -probabilitySlack || p > 1 + probabilitySlack) throw noProbability(task, row, `is ${p}`)
  return Math.min(1, Math.max(0, p))
}

/** exp never overflows: its argument is not positive. */
export function logistic(logit: number): number {
  const e = Math.exp(-Math.abs(logit))
  return logit >= 0 ? 1 / (1 + e) : e / (1 + e)
}

function softmax(logits: Float64Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const powers = logits.map((logit) => Math.exp(logit - largest))
  const sum = powers.reduce((total, power) => total + power, 0)
  return powers.map((power) => power / sum)
}

const misfit = (task: ReadTask, row: number, what: string): EvaluationError =>
  new EvaluationError('output-misfit', `row ${row}, counted from 0: output ${task.output} ${what}`)

const noProbability = (task: ReadTask, row: number, what: string): EvaluationError =>
  new EvaluationError(
    'not-probabilities',
    `row ${row}, counted from 0: output ${task.output} ${what}, as no probability does: say in \`task.reads\` what it is`,
  )
