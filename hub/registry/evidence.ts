// Everything the hub knows of how a model behaves on its training data: golden vectors with their outputs, and the
// baseline devices compare themselves with. One run of the model in a process of its own gives both.

import type { Golden } from '@roost/shared/bundle/golden.ts'
import type { Limits } from '@roost/shared/bundle/manifest.ts'
import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { type Baseline, buildBaseline, type WindowSpec } from '@roost/shared/drift/baseline.ts'
import { baselineWindowsMin } from '@roost/shared/drift/charts.ts'
import type { CompiledFeatures } from '@roost/shared/features/compile.ts'
import { createTensorWatcher } from '@roost/shared/sketch/tensor-columns.ts'
import { type Growing, growing } from '../datasets/growing.ts'
import { Problem } from '../problem.ts'
import { completeGolden, drawGolden, type GoldenUpload, rowTensors, type Tensors } from './golden.ts'
import { type Score, ScoreError } from './scoring.ts'
import type { BaselineSummary } from './store.ts'
import { assertFits, type Column, type TrainingRows } from './training-rows.ts'

export type Evidence = {
  golden: Golden | undefined
  baseline: Baseline | undefined
  summary: BaselineSummary
  /** Of the first inferences, in their order. */
  tookMs: number[]
}
/** Enough for a median. */
const timesMax = 1_000

export type Model = {
  path: string
  inputs: readonly TensorSpec[]
  outputs: readonly TensorSpec[]
  limits: Limits
  window: WindowSpec
  features: CompiledFeatures | undefined
}

/** Runs the model on the golden inputs (those given, else some of the rows) and on all rows.
 *  @throws Problem golden-outputs-differ, sample-too-large, or the code of the ScoreError */
export async function gatherEvidence(
  model: Model,
  rows: TrainingRows | undefined,
  given: GoldenUpload | undefined,
  score: Score,
): Promise<Evidence> {
  const upload = given ?? (rows?.inputs && drawGolden(rows.inputs, rows.rows))
  const vectors = upload?.vectors.map(({ inputs }) => inputs) ?? []
  const goldenOutputs: Tensors[] = []
  const tookMs: number[] = []
  const outputs = watch(model.outputs, 'output')
  assertFits((rows?.rows ?? 0) * outputs.columns.length)
  for await (const scored of scoreAll(model, [...vectors], rows, score, tookMs)) {
    if (goldenOutputs.length < vectors.length) goldenOutputs.push(scored)
    else outputs.look(scored)
  }
  const golden = upload && completeGolden(upload, goldenOutputs)
  const columns = rows === undefined ? goldenColumns(model, golden) : rowColumns(rows, outputs.columns)
  const baseline = columns.length === 0 ? undefined : buildBaseline({ ...timing(rows), columns, window: model.window })
  return { golden, baseline, summary: summarise(baseline, rows), tookMs }
}

async function* scoreAll(
  model: Model,
  golden: readonly Tensors[],
  rows: TrainingRows | undefined,
  score: Score,
  tookMs: number[],
) {
  const { path, inputs, outputs, limits } = model
  function* vectors() {
    yield* golden
    if (rows?.inputs === undefined) return
    for (let row = 0; row < rows.rows; row++) yield rowTensors(rows.inputs, row)
  }
  try {
    const onTimes = (times: readonly number[]) => {
      tookMs.push(...times.slice(0, timesMax - tookMs.length))
    }
    yield* score({ path, inputs, outputs, limits, vectors: vectors(), onTimes })
  } catch (error) {
    if (!(error instanceof ScoreError)) throw error
    if (error.code === 'busy') throw new Problem(503, 'busy', 'Try again later', error.message, { cause: error })
    throw new Problem(422, error.code, 'The model does not run', error.message, { field: 'model', cause: error })
  }
}

/** Columns of the sample; outputs are what this model gives, where its inputs are there to run it. */
function rowColumns(rows: TrainingRows, scored: readonly WatchedColumn[]): Column[] {
  if (rows.inputs === undefined) return rows.columns
  return [...rows.columns.filter(({ kind }) => kind === 'feature'), ...scored.map(finished)]
}

/** The golden vectors as a very small sample: scales to record on, though no yardstick. */
function goldenColumns({ inputs, outputs, features }: Model, golden: Golden | undefined): Column[] {
  const ins = watch(inputs, 'feature', features)
  const outs = watch(outputs, 'output')
  for (const vector of golden?.vectors ?? []) {
    ins.look(vector.inputs)
    outs.look(vector.outputs)
  }
  const columns = [...ins.columns, ...outs.columns].map(finished)
  // vectors of different batch sizes fill columns unevenly: what is shorter than the rest cannot stand beside it
  const rows = Math.max(0, ...columns.map(({ values }) => values.length))
  return rows === 0 ? [] : columns.filter(({ values }) => values.length === rows)
}

type WatchedColumn = { name: string; kind: 'feature' | 'output'; values: Growing }
const finished = ({ name, kind, values }: WatchedColumn): Column => ({ name, kind, values: values.values() })

/** The columns of these tensors as devices watch them. */
function watch(specs: readonly TensorSpec[], kind: 'feature' | 'output', features?: CompiledFeatures) {
  const watched = specs.map((spec) => {
    const names = features?.definitions.inputs.find(({ name }) => name === spec.name)?.features
    const watcher = createTensorWatcher(spec, names)
    return { spec, watcher, columns: watcher.columns.map((name): WatchedColumn => ({ name, kind, values: growing() })) }
  })
  const sinks = watched.map(({ columns }) => columns.map(({ values }) => ({ record: values.push })))
  return {
    columns: watched.flatMap(({ columns }) => columns),
    look: (tensors: Tensors) => {
      for (const [i, { spec, watcher }] of watched.entries()) {
        const tensor = tensors[spec.name]
        if (tensor !== undefined) watcher.watch(tensor.data, tensor.shape, sinks[i] ?? [])
      }
    },
  }
}

function timing(rows: TrainingRows | undefined): { times?: Float64Array; groups?: Float64Array } {
  return {
    ...(rows?.times === undefined ? {} : { times: rows.times }),
    ...(rows?.groups === undefined ? {} : { groups: rows.groups }),
  }
}

function summarise(baseline: Baseline | undefined, rows: TrainingRows | undefined): BaselineSummary {
  const windows = baseline?.windowPhases.length ?? 0
  const source = baseline === undefined ? 'none' : rows === undefined ? 'golden' : 'sample'
  const short = `the sample fills ${windows} windows of the ${baselineWindowsMin} that a drift verdict needs`
  const without = 'no sample of training rows was sent, so there is nothing to tell drift from'
  return {
    source,
    rows: baseline?.rows ?? 0,
    rowsLeftOut: rows?.rowsLeftOut ?? 0,
    windows,
    columns: Object.keys(baseline?.columns ?? {}).length,
    noVerdict: source !== 'sample' ? without : windows < baselineWindowsMin ? short : null,
  }
}
