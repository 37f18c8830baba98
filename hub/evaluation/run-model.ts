// Runs a model on rows of a table, in the hub's scorer process, and keeps the numbers that the task reads.

import type { Score } from '../registry/scoring.ts'
import { ScoreError } from '../registry/scoring.ts'
import { readElements } from './answers.ts'
import { EvaluationError } from './evaluation-error.ts'
import { type TableInput, tensorsOf } from './input-table.ts'
import type { EvaluatedModel } from './model.ts'
import type { ReadTask } from './task.ts'

/** Rows of one scorer process, which has five minutes: a model of 20 ms a row is within them. Between two of them others
 *  have their turn. */
const rowsPerProcess = 10_000

export type Run = { elements: number; values: Float64Array; latencies: Float64Array }

/** @param rows how many there are
 *  @param rowName how a row is called where something is wrong with it
 *  @throws EvaluationError with the code of the ScoreError, or output-misfit; the reason of `signal` */
export async function runModel(
  score: Score,
  model: EvaluatedModel,
  task: ReadTask,
  inputs: readonly TableInput[],
  rows: { count: number; at(row: number): Float64Array; name(row: number): number },
  signal: AbortSignal,
): Promise<Run> {
  const answered: { elements: number; values: Float64Array } = { elements: 0, values: new Float64Array() }
  const latencies = new Float64Array(rows.count).fill(Number.NaN)
  let taken = 0
  let timed = 0
  const onTimes = (tookMs: readonly number[]) => {
    for (const ms of tookMs) if (timed < latencies.length) latencies[timed++] = ms
  }
  await using file = await model.openFile()
  const { path } = file
  while (taken < rows.count) {
    const end = Math.min(rows.count, taken + rowsPerProcess)
    const { outputs, limits } = model
    const vectors = vectorsOf(inputs, rows, taken, end)
    try {
      for await (const tensors of score({ path, inputs: model.inputs, outputs, limits, vectors, onTimes })) {
        signal.throwIfAborted()
        const numbers = readElements(task, tensors[task.output], rows.name(taken))
        if (answered.elements === 0) {
          answered.elements = numbers.length
          answered.values = new Float64Array(rows.count * numbers.length)
        }
        if (numbers.length !== answered.elements) {
          throw new EvaluationError(
            'output-misfit',
            `row ${rows.name(taken)}, counted from 0: output ${task.output} has ${numbers.length} elements, ${answered.elements} before`,
          )
        }
        answered.values.set(numbers, taken * answered.elements)
        taken += 1
      }
    } catch (error) {
      throw error instanceof ScoreError ? asEvaluationError(error, model, rows, taken) : error
    }
  }
  return { ...answered, latencies }
}

function* vectorsOf(
  inputs: readonly TableInput[],
  rows: { at(row: number): Float64Array },
  from: number,
  to: number,
): Generator<ReturnType<typeof tensorsOf>, void, undefined> {
  for (let row = from; row < to; row++) yield tensorsOf(inputs, rows.at(row))
}

/** The process answers several rows at once: which of them it was that it died of, only its order tells. */
function asEvaluationError(
  error: ScoreError,
  { version }: EvaluatedModel,
  rows: { name(row: number): number },
  taken: number,
): EvaluationError {
  const where = taken === 0 ? 'before any row was answered' : `after row ${rows.name(taken - 1)}, counted from 0`
  return new EvaluationError(error.code, `version ${version}: ${error.message} (${where})`, { cause: error })
}
