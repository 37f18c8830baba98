// Which inputs a version uses: its model is run again with each of them shuffled.

import type { Score } from '../registry/scoring.ts'
import { permutation, uniformFrom } from '../seeded-random.ts'
import { toAnswers } from './answers.ts'
import { EvaluationError } from './evaluation-error.ts'
import { type Answers, prepare } from './figures.ts'
import { type InputTable, rowAt } from './input-table.ts'
import { drawPermutations, type Importance, importanceOf, importanceRepeats } from './metrics/importance.ts'
import type { EvaluatedModel } from './model.ts'
import { runModel } from './run-model.ts'
import type { ReadTask } from './task.ts'
import type { Truth } from './truth.ts'

/** Rows that are run again at most for each input and repeat, and inferences in all. */
const rowsMax = 1_000
const inferencesMax = 100_000

export type Importances = { by: string; rows: number; repeats: number; inputs: Importance[] } | { reason: string }

/** @param rows of the table, those that figures were computed on; some are drawn where they are too many */
export async function measureImportance(
  score: Score,
  model: EvaluatedModel,
  task: ReadTask,
  table: InputTable,
  rows: Int32Array,
  truth: Truth,
  seed: number,
  signal: AbortSignal,
): Promise<Importances> {
  const { groups } = table
  const uniform = uniformFrom(seed, 1000)
  const count = Math.min(rows.length, rowsMax, Math.floor(inferencesMax / (groups.length * importanceRepeats)))
  const drawn = permutation(uniform, rows.length)
    .subarray(0, count)
    .map((i) => rows[i] ?? 0)
  const permutations = drawPermutations(uniform, groups.length, count)
  const mixed = new Float64Array(table.width)
  const labels = { ...truth, values: Float64Array.from(drawn, (row) => truth.values[table.of[row] ?? 0] ?? Number.NaN) }
  /** First the rows as they are, then every input shuffled, repeat by repeat. */
  const at = (vector: number): Float64Array => {
    const i = vector % count
    const own = rowAt(table, drawn[i] ?? 0)
    const run = Math.floor(vector / count) - 1
    if (run < 0) return own
    mixed.set(own)
    const group = Math.floor(run / importanceRepeats)
    const source = rowAt(table, drawn[permutations[group]?.[run % importanceRepeats]?.[i] ?? 0] ?? 0)
    for (const column of groups[group]?.columns ?? []) mixed[column] = source[column] ?? Number.NaN
    return mixed
  }
  const name = (vector: number) => table.of[drawn[vector % count] ?? 0] ?? 0
  const vectors = { count: count * (1 + groups.length * importanceRepeats), at, name }
  try {
    const run = await runModel(score, model, task, table.inputs, vectors, signal)
    const of = Int32Array.from({ length: count }, (_, i) => name(i))
    const answersOf = (index: number): Answers => {
      const values = run.values.subarray(index * count * run.elements, (index + 1) * count * run.elements)
      if (!values.every(Number.isFinite)) throw new EvaluationError('not-finite', 'a shuffled row has no finite answer')
      return toAnswers(task, { elements: run.elements, values, of }, labels, undefined)
    }
    const figure = figureFor(answersOf(0))
    const inputs = groups.map(({ name }, group) => {
      const shuffled = permutations[group]?.map((_, repeat) =>
        figure.of(answersOf(1 + group * importanceRepeats + repeat)),
      )
      return importanceOf(name, figure.whole, shuffled ?? [])
    })
    return { by: figure.name, rows: count, repeats: importanceRepeats, inputs: inputs.sort((a, b) => b.mean - a.mean) }
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error
    return { reason: error.message }
  }
}

/** What is lost: ROC AUC where it is there, else accuracy; R² of numbers. Higher is better for each. */
function figureFor(answers: Answers): { name: string; whole: number; of(shuffled: Answers): number } {
  const values = prepare(answers)()
  for (const name of ['roc_auc', 'accuracy', 'r2']) {
    const whole = values[name]
    if (whole !== undefined) return { name, whole, of: (shuffled) => prepare(shuffled)()[name] ?? whole }
  }
  throw new EvaluationError('no-figure', 'there are too few rows')
}
