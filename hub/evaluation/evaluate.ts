// One evaluation from the snapshot to its figures: read the columns, run both models, keep the rows that both answered,
// measure.

import assert from 'node:assert'
import type { Column, Columns } from '../datasets/columns.ts'
import type { Hub } from '../hub.ts'
import type { Score } from '../registry/scoring.ts'
import { toAnswers } from './answers.ts'
import { EvaluationError } from './evaluation-error.ts'
import type { Answers } from './figures.ts'
import { clustersBy, fairnessBy, slicesBy } from './groupings.ts'
import { measureImportance } from './importance.ts'
import { fillTable, type InputTable, inputColumns, rowAt } from './input-table.ts'
import type { Measurement } from './measure.ts'
import { measureApart } from './measure-apart.ts'
import type { EvaluatedModel } from './model.ts'
import type { NewEvaluation } from './request.ts'
import type { EvaluationResult } from './result.ts'
import { type Run, runModel } from './run-model.ts'
import { readSnapshot } from './snapshot-columns.ts'
import { type ReadTask, resolveTask } from './task.ts'
import { readTruth, type Truth } from './truth.ts'

export type Contest = {
  candidate: EvaluatedModel
  champion: EvaluatedModel | undefined
  /** Why there is no champion. */
  noChampion: string | null
}

/** @throws EvaluationError; the reason of `signal` */
export async function evaluate(
  hub: Pick<Hub, 'database' | 'blobs'>,
  score: Score,
  { candidate, champion, noChampion }: Contest,
  dataset: string,
  request: NewEvaluation,
  signal: AbortSignal,
): Promise<EvaluationResult> {
  const task = resolveTask(request.task, candidate.manifest)
  assertFairnessFits(task, request)
  const { rows, columns } = await readWanted(hub, dataset, candidate, champion, request)
  const columnOf = (name: string): Column => {
    const column = columns.get(name)
    assert(column !== undefined, `${name} was asked for`)
    return column
  }
  const truth = readTruth(task, columnOf(request.label), statedElements(candidate, task))
  const own = await answerAll(score, candidate, task, { rows, columns }, truth, request, signal)
  const theirs =
    champion && (await answersOfChampion(score, champion, task.kind, { rows, columns }, truth, request, signal))
  const shared = sharedRows(own, theirs?.answered)
  if (shared.rows.length === 0) throw new EvaluationError('no-rows', whyNoRows(own, shared.unanswered))
  const answers = answersOn(task, own, truth, shared.rows)
  const theirAnswers = theirs?.answered && tryAnswers(() => answersOn(theirs.task, theirs.answered, truth, shared.rows))
  const measurement: Measurement = {
    candidate: answers,
    champion: theirAnswers?.answers,
    slices: request.slices.map((name) => slicesBy(name, columnOf(name), shared.rows)),
    fairness: request.fairness.map((name) => fairnessBy(name, columnOf(name), shared.rows)),
    clusters: request.cluster === undefined ? undefined : clustersBy(columnOf(request.cluster), shared.rows),
    seed: request.seed,
  }
  const { champion: championFigures, ...measured } = await measureApart(measurement, signal)
  const tableRows = Int32Array.from(shared.rows, (row) => own.tableRow[row] ?? 0)
  const importance = request.importance
    ? await measureImportance(score, candidate, task, own.table, tableRows, truth, request.seed, signal)
    : null
  return {
    ...measured,
    rowsLeftOut: { unlabelled: own.unlabelled, unplaced: own.unplaced, unanswered: shared.unanswered },
    task,
    champion:
      champion === undefined || championFigures === null
        ? null
        : { version: champion.version, figures: championFigures },
    noChampion: championFigures === null ? (noChampion ?? theirs?.reason ?? theirAnswers?.reason ?? null) : null,
    importance,
    latency: {
      at: 'hub',
      p50Ms: measured.figures.latency_p50_ms ?? null,
      p99Ms: measured.figures.latency_p99_ms ?? null,
    },
  }
}

function assertFairnessFits(task: ReadTask, { fairness }: NewEvaluation): void {
  if (fairness.length === 0 || task.kind === 'binary-classification') return
  throw new EvaluationError('fairness-misfit', `fairness is between two classes; the task is ${task.kind}`)
}

/** The columns both models and the request need, each once.
 *  @throws EvaluationError */
async function readWanted(
  hub: Pick<Hub, 'database' | 'blobs'>,
  dataset: string,
  candidate: EvaluatedModel,
  champion: EvaluatedModel | undefined,
  request: NewEvaluation,
): Promise<Columns> {
  const wanted = wantedColumns(candidate, request)
  const known = await readSnapshot(hub, dataset, [...wanted])
  // what only the champion lacks is no reason to measure nothing
  const theirs = champion === undefined ? [] : tryColumns(champion, request).filter((name) => !wanted.has(name))
  if (theirs.length === 0) return known
  try {
    const more = await readSnapshot(hub, dataset, theirs)
    return { rows: known.rows, columns: new Map([...known.columns, ...more.columns]) }
  } catch (error) {
    if (error instanceof EvaluationError && error.code === 'unknown-column') return known
    throw error
  }
}

/** All columns that the candidate and the request need.
 *  @throws EvaluationError unsupported-input, unknown-mapping */
export function wantedColumns(candidate: EvaluatedModel, request: NewEvaluation): Set<string> {
  const { label, slices, fairness, cluster, columns } = request
  return new Set([
    ...inputColumns(candidate, columns),
    label,
    ...slices,
    ...fairness,
    ...(cluster === undefined ? [] : [cluster]),
  ])
}

function tryColumns(champion: EvaluatedModel, { columns }: NewEvaluation): string[] {
  try {
    return inputColumns(champion, mappingFor(champion, columns))
  } catch (error) {
    if (error instanceof EvaluationError) return []
    throw error
  }
}

/** The mapping is made for the candidate: what the champion does not take is none of its business. */
function mappingFor(champion: EvaluatedModel, mapping: NewEvaluation['columns']): NewEvaluation['columns'] {
  const own = new Set(inputColumns(champion, {}))
  return Object.fromEntries(Object.entries(mapping).filter(([name]) => own.has(name)))
}

/** Elements of one answer as the file states them; 0 where it leaves them open. */
function statedElements({ outputs }: EvaluatedModel, task: ReadTask): number {
  const shape = outputs.find(({ name }) => name === task.output)?.shape ?? []
  const sizes = shape.map((size, axis) => (axis === 0 && size === -1 ? 1 : size))
  return sizes.includes(-1) ? 0 : sizes.reduce((product, size) => product * size, 1)
}

type Answered = {
  table: InputTable
  run: Run
  /** Of each row of the dataset, its row in the table; -1 where it is in none. */
  tableRow: Int32Array
  /** Rows of the dataset with a label that were run, in order. */
  asked: Int32Array
  /** For each of `asked`: whether its answer is finite. */
  finite: (row: number) => boolean
  unlabelled: number
  unplaced: number
}

/** Runs the model on every row that has a label.
 *  @throws EvaluationError not-finite where a row whose inputs are all there has no finite answer */
async function answerAll(
  score: Score,
  model: EvaluatedModel,
  task: ReadTask,
  columns: Columns,
  truth: Truth,
  { columns: mapping }: Pick<NewEvaluation, 'columns'>,
  signal: AbortSignal,
): Promise<Answered> {
  const table = await fillTable(model, columns, mapping)
  const labelled = Int32Array.from(table.of.keys()).filter(
    (row) => !Number.isNaN(truth.values[table.of[row] ?? -1] ?? Number.NaN),
  )
  if (labelled.length === 0) throw new EvaluationError('no-rows', 'no row has a label and a readable key and time')
  const name = (i: number) => table.of[labelled[i] ?? 0] ?? 0
  const rows = { count: labelled.length, at: (i: number) => rowAt(table, labelled[i] ?? 0), name }
  const run = await runModel(score, model, task, table.inputs, rows, signal)
  const tableRow = new Int32Array(columns.rows).fill(-1)
  for (const [i, row] of table.of.entries()) tableRow[row] = i
  const place = new Map<number, number>()
  for (let i = 0; i < labelled.length; i++) place.set(name(i), i)
  const answerOf = (i: number) => run.values.subarray(i * run.elements, (i + 1) * run.elements)
  assertFinite(model, task, rows, answerOf)
  return {
    table,
    run,
    tableRow,
    asked: Int32Array.from(labelled, (row) => table.of[row] ?? 0),
    finite: (row) => {
      const i = place.get(row)
      return i !== undefined && answerOf(i).every(Number.isFinite)
    },
    unlabelled: table.of.length - labelled.length,
    unplaced: columns.rows - table.of.length,
  }
}

function assertFinite(
  { version }: EvaluatedModel,
  task: ReadTask,
  rows: { count: number; at(i: number): Float64Array; name(i: number): number },
  answerOf: (i: number) => Float64Array,
): void {
  let wrong = 0
  let first = -1
  for (let i = 0; i < rows.count; i++) {
    if (answerOf(i).every(Number.isFinite) || !rows.at(i).every(Number.isFinite)) continue
    wrong += 1
    if (first < 0) first = i
  }
  if (wrong === 0) return
  throw new EvaluationError(
    'not-finite',
    `version ${version}: output ${task.output} is not finite on ${wrong} of ${rows.count} rows whose inputs are all there, first on row ${rows.name(first)}, counted from 0`,
  )
}

type ChampionAnswers =
  | { task: ReadTask; answered: Answered; reason?: undefined }
  | { answered?: undefined; reason: string }

/** Its output is read by its own task, where none is asked for: by the threshold with which it serves. A champion that
 *  cannot be compared is no reason to measure nothing: its reason is kept. */
async function answersOfChampion(
  score: Score,
  champion: EvaluatedModel,
  kind: ReadTask['kind'],
  columns: Columns,
  truth: Truth,
  request: NewEvaluation,
  signal: AbortSignal,
): Promise<ChampionAnswers> {
  try {
    const task = resolveTask(request.task, champion.manifest)
    if (task.kind !== kind) throw new EvaluationError('other-task', `its task is ${task.kind}, not ${kind}`)
    const mapping = { columns: mappingFor(champion, request.columns) }
    return { task, answered: await answerAll(score, champion, task, columns, truth, mapping, signal) }
  } catch (error) {
    // busy is the hub, and says nothing of the champion
    if (error instanceof EvaluationError && error.code !== 'busy')
      return { reason: `the champion cannot be compared: ${error.message}` }
    throw error
  }
}

/** Rows of the dataset that both answered. */
function sharedRows(own: Answered, theirs: Answered | undefined): { rows: Int32Array; unanswered: number } {
  const rows = own.asked.filter((row) => own.finite(row) && (theirs === undefined || theirs.finite(row)))
  return { rows, unanswered: own.asked.length - rows.length }
}

const whyNoRows = ({ unlabelled, unplaced }: Answered, unanswered: number): string =>
  `no row is left: ${unlabelled} without a label, ${unplaced} without a readable key or time, ${unanswered} without an answer of both models`

/** What the model answered on these rows of the dataset. */
function answersOn(task: ReadTask, { run, asked }: Answered, truth: Truth, rows: Int32Array): Answers {
  const { elements } = run
  const values = new Float64Array(rows.length * elements)
  const latencies = new Float64Array(rows.length)
  let at = 0
  for (const [i, row] of rows.entries()) {
    while (asked[at] !== row) at += 1
    values.set(run.values.subarray(at * elements, (at + 1) * elements), i * elements)
    latencies[i] = run.latencies[at] ?? Number.NaN
  }
  const timed = latencies.every(Number.isFinite)
  const labels = { ...truth, values: Float64Array.from(rows, (row) => truth.values[row] ?? Number.NaN) }
  return toAnswers(task, { elements, values, of: rows }, labels, timed ? latencies : undefined)
}

function tryAnswers(read: () => Answers): { answers?: Answers; reason?: string } {
  try {
    return { answers: read() }
  } catch (error) {
    if (error instanceof EvaluationError) return { reason: `the champion cannot be compared: ${error.message}` }
    throw error
  }
}
