// Why a version answers one row as it does: what each input adds to the answer, by sampled Shapley values.

import { z } from '@hono/zod-openapi'
import { Digest, ModelName } from '@roost/shared/protocol/names.ts'
import type { Hub } from '../hub.ts'
import type { Score } from '../registry/scoring.ts'
import { uniformFrom } from '../seeded-random.ts'
import { classProbabilities, logistic } from './answers.ts'
import { assertColumns, needSnapshot, openVersion } from './contest.ts'
import { EvaluationError } from './evaluation-error.ts'
import { mostProbable } from './figures.ts'
import { assertFits, fillTable, inputColumns, rowAt } from './input-table.ts'
import { drawWalks, readWalks, walkRows } from './metrics/shapley.ts'
import type { NewExplanation } from './request.ts'
import { type Run, runModel } from './run-model.ts'
import { readSnapshot } from './snapshot-columns.ts'
import { type ReadTask, resolveTask } from './task.ts'

const runMsMax = 120_000

const Estimate = z.object({ value: z.number(), standardError: z.number() })
export const Explanation = z
  .object({
    model: ModelName,
    version: z.number(),
    manifest: Digest,
    dataset: Digest,
    /** Counted from 0. */
    row: z.number(),
    method: z.literal('sampled Shapley values'),
    /** Walks from a random row of the dataset to this one. */
    samples: z.number(),
    seed: z.number(),
    /** What is explained: the probability of a class, log odds, a score, a number. */
    of: z.string(),
    prediction: z.number(),
    /** The mean prediction of the rows that the walks began with. */
    background: Estimate,
    /** The largest first; with the background they add up to the prediction. The error is that of the sampling. */
    inputs: z.array(Estimate.extend({ input: z.string(), given: z.array(z.number().nullable()) })),
  })
  .openapi('Explanation')
export type Explanation = z.infer<typeof Explanation>

/** @throws Problem not-found; EvaluationError */
export async function explain(
  hub: Hub,
  score: Score,
  name: string,
  version: number,
  request: NewExplanation,
): Promise<Explanation> {
  const model = await openVersion(hub, name, version, request.variant)
  const snapshot = await needSnapshot(hub, request.dataset)
  const task = resolveTask(request.task, model.manifest)
  const wanted = inputColumns(model, request.columns)
  assertColumns(snapshot, wanted)
  assertFits(snapshot.rows, wanted.length)
  const columns = await readSnapshot(hub, snapshot.digest, wanted)
  const table = await fillTable(model, columns, request.columns)
  const at = table.of.indexOf(request.row)
  if (at < 0) throw new EvaluationError('no-such-row', whyNoRow(request.row, columns.rows))
  const { groups } = table
  const own = rowAt(table, at)
  const walks = drawWalks(uniformFrom(request.seed, 2000), request.samples, groups.length, table.of.length)
  const each = groups.length + 1
  const rows = walkRows(
    own,
    (row) => rowAt(table, row),
    groups.map((group) => group.columns),
    walks,
  )
  const signal = AbortSignal.any([hub.stopping, AbortSignal.timeout(runMsMax)])
  const vectors = {
    count: 1 + walks.length * each,
    // asked for in order, once each
    at: (i: number) => (i === 0 ? own : (rows.next().value ?? own)),
    name: (i: number) => (i === 0 ? request.row : (table.of[walks[Math.floor((i - 1) / each)]?.background ?? 0] ?? 0)),
  }
  const run = await runModel(score, model, task, table.inputs, vectors, signal)
  const { values, of } = explained(task, run, request.class, vectors.name)
  const found = readWalks(values.subarray(1), walks, groups.length)
  return {
    model: name,
    version,
    manifest: model.digest,
    dataset: snapshot.digest,
    row: request.row,
    method: 'sampled Shapley values',
    samples: walks.length,
    seed: request.seed,
    of,
    prediction: values[0] ?? Number.NaN,
    background: found.background,
    inputs: found.inputs
      .map((attribution, i) => ({
        input: groups[i]?.name ?? '',
        given: (groups[i]?.columns ?? []).map((column) => finiteOr(own[column])),
        ...attribution,
      }))
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value)),
  }
}

const finiteOr = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null

const whyNoRow = (row: number, rows: number): string =>
  row < rows
    ? `row ${row}, counted from 0, has no readable key or time`
    : `there is no row ${row}, counted from 0: the snapshot has ${rows} rows`

/** One number of each answer.
 *  @throws EvaluationError not-finite, class-needed */
function explained(
  task: ReadTask,
  { elements, values }: Run,
  wanted: NewExplanation['class'],
  rowName: (row: number) => number,
): { values: Float64Array; of: string } {
  const odd = values.findIndex((value) => !Number.isFinite(value))
  if (odd >= 0) {
    const row = rowName(Math.floor(odd / elements))
    throw new EvaluationError(
      'not-finite',
      `output ${task.output} is not finite on row ${row}, counted from 0, or a mixture with it`,
    )
  }
  if (task.kind === 'regression') return { values, of: task.output }
  if (task.kind === 'binary-classification') {
    const name = task.positive === undefined ? 'the positive class' : String(task.positive)
    if (task.reads === 'score') return { values, of: `score of ${name}` }
    return { values: task.reads === 'logit' ? values.map(logistic) : values, of: `probability of ${name}` }
  }
  if (task.reads === 'label') {
    throw new EvaluationError(
      'class-needed',
      'a predicted label alone cannot be divided up; read probabilities or logits',
    )
  }
  const of = Int32Array.from({ length: values.length / elements }, (_, row) => rowName(row))
  const probabilities = classProbabilities(task, { elements, values, of })
  const classes = task.classes ?? [...Array(elements).keys()]
  const k =
    wanted === undefined
      ? mostProbable(probabilities, 0)
      : classes.findIndex((label) => String(label) === String(wanted))
  const chosen = probabilities[k]
  if (chosen === undefined) throw new EvaluationError('unknown-class', `there is no class ${String(wanted)}`)
  return { values: chosen, of: `probability of ${String(classes[k])}` }
}
