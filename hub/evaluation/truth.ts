// The label column: what was true of each row, as the numbers that figures are computed from.

import type { Column } from '../datasets/columns.ts'
import { EvaluationError } from './evaluation-error.ts'
import type { ReadTask } from './task.ts'

/** `values`: the class of each row, or its number; NaN where the label is missing. */
export type Truth = { classes: readonly string[]; values: Float64Array }

/** @param elements of one answer of the model, for the number of classes
 *  @throws EvaluationError label-unreadable, positive-needed, positive-unknown, classes-needed, unknown-class */
export function readTruth(task: ReadTask, column: Column, elements: number): Truth {
  if (task.kind === 'regression') {
    if (column.kind === 'number') return { classes: [], values: column.values }
    throw new EvaluationError('label-unreadable', 'the label column holds text; regression needs numbers')
  }
  return task.kind === 'binary-classification' ? readBinary(task, column) : readClasses(task, column, elements)
}

function readBinary(task: ReadTask & { kind: 'binary-classification' }, column: Column): Truth {
  const found = valuesOf(column)
  const plain = [...found].every((value) => plainNegatives.has(value) || plainPositives.has(value))
  const { positive } = task
  if (positive === undefined && !plain) {
    throw new EvaluationError(
      'positive-needed',
      `say in \`task.positive\` which label is the positive class; the column has ${listed(found)}`,
    )
  }
  const isPositive = (value: string) =>
    positive === undefined ? plainPositives.has(value) : sameLabel(value, positive)
  if (!plain && ![...found].some(isPositive)) {
    throw new EvaluationError(
      'positive-unknown',
      `the label ${JSON.stringify(positive)} does not occur; the column has ${listed(found)}`,
    )
  }
  const name = positive === undefined ? '1' : String(positive)
  const others = [...found].filter((value) => !isPositive(value))
  const values = numbersBy(column, (value) => (isPositive(value) ? 1 : 0))
  return { classes: [others.length === 1 ? (others[0] ?? '') : `not ${name}`, name], values }
}

const plainPositives: ReadonlySet<string> = new Set(['1', 'true'])
const plainNegatives: ReadonlySet<string> = new Set(['0', 'false'])

/** Truth values of a dataset are 0 and 1. */
function sameLabel(value: string, label: string | number | boolean): boolean {
  return value === String(label) || (typeof label === 'boolean' && value === String(Number(label)))
}

function readClasses(task: ReadTask & { kind: 'multiclass-classification' }, column: Column, elements: number): Truth {
  const classes = task.classes ?? numberedClasses(task, column, elements)
  const values = numbersBy(column, (value) => {
    const k = classes.findIndex((label) => sameLabel(value, label))
    if (k >= 0) return k
    const known = classes.length <= 20 ? classes.join(', ') : `${classes.length} others`
    throw new EvaluationError('unknown-class', `the label ${JSON.stringify(value)} is none of the classes ${known}`)
  })
  return { classes: classes.map(String), values }
}

function numberedClasses(task: { reads: string }, column: Column, elements: number): number[] {
  if (column.kind === 'number' && task.reads !== 'label' && elements >= 2) return [...Array(elements).keys()]
  throw new EvaluationError(
    'classes-needed',
    'say in `task.classes` which labels there are, in the order of the output’s elements',
  )
}

/** Each distinct value is read once. */
function numbersBy(column: Column, read: (value: string) => number): Float64Array {
  const known = new Map<string | number, number>()
  return Float64Array.from({ length: column.values.length }, (_, row) => {
    const value = column.values[row] ?? null
    if (value === null || Number.isNaN(value)) return Number.NaN
    let number = known.get(value)
    if (number === undefined) {
      number = read(String(value))
      known.set(value, number)
    }
    return number
  })
}

/** Distinct labels; more than this are no classes, and only counted. */
const listedMax = 20
function valuesOf(column: Column): Set<string> {
  const found = new Set<string>()
  for (const value of column.values) if (value !== null && !Number.isNaN(value)) found.add(String(value))
  return found
}

function listed(values: ReadonlySet<string>): string {
  const some = [...values].slice(0, listedMax).map((value) => (value.length > 50 ? `${value.slice(0, 50)}…` : value))
  if (some.length === 0) return 'no value'
  return values.size > some.length ? `${some.join(', ')} and ${values.size - some.length} more` : some.join(', ')
}
