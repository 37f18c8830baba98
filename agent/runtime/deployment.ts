// One deployment in this runtime: tensors or raw records in, outputs out, and every inference told to its recorder.
// HTTP, replay and whatever source comes later go through here, so that nothing is answered without being counted.

import { type CompiledFeatures, createPipeline, type PipelineResult } from '@roost/shared/features/compile.ts'
import { Tensor } from 'onnxruntime-node'
import type { OpenBundle } from './bundle.ts'
import type { InferenceCounts, LoadedBundle } from './messages.ts'
import type { DriftPage } from './monitor/drift.ts'
import { createRecentPredictions } from './monitor/recent-predictions.ts'
import { isPositive, type WindowRecorder } from './monitor/recorder.ts'
import type { Tensors } from './session.ts'
import type { LabelLater, Outcome, Tap } from './shadow/tap.ts'

export type Inference = { ok: true; outputs: Tensors } | { ok: false; error: string }

/** `refused`: the record never reached the model. `failed`: the model gave an error. `filling`: see `predict`. */
export type Prediction =
  | { ok: true; id: string; outputs: Tensors }
  | { ok: false; why: 'refused' | 'failed' | 'filling'; error: string }

/** Called in the same breath as the recorder counts, so that both are in a window report or neither is. `outputs`
 *  undefined: there was no answer. */
export type Counted = (outputs: Tensors | undefined) => void

export type Deployment = {
  readonly bundle: LoadedBundle
  /** Whether a request's 64-bit integers must be kept whole. */
  readonly takesBigIntegers: boolean
  readonly takesRecords: boolean
  /** Where a record carries its time. */
  readonly timeField: string | undefined
  readonly recorder: WindowRecorder
  /** How the newest windows lie to the baseline; undefined where the bundle has none. */
  readonly drift: (() => DriftPage) | undefined
  /** Tensors that fit the manifest's specs (readTensor). */
  infer: (feeds: Tensors, counted?: Counted) => Promise<Inference>
  /** `full-windows-only`: a record before which its key had too few is taken into the windows, and neither answered nor
   *  counted (`filling`). */
  predict: (record: Record<string, unknown>, counted?: Counted, when?: 'full-windows-only') => Promise<Prediction>
  /** Remembers an answer for a while, by the id its application has, so that a label can come for it. */
  awaitLabel: (id: string, outputs: Tensors) => void
  /** Counts a true answer; false where no such prediction is remembered. */
  label: (id: string, actual: boolean) => boolean
  /** Since it was loaded. */
  totals: () => InferenceCounts
  /** Takes a record into the windows of the features without an inference. */
  warm: (record: Record<string, unknown>) => void
  /** Empties the windows of the features. */
  forget: () => void
  /** From now on its inferences go to a shadow, too; undefined: no more. */
  tap: (tap: Tap | undefined) => void
  close: () => Promise<void>
}

export type DeploymentContext = {
  recorder: WindowRecorder
  drift?: (() => DriftPage) | undefined
  /** Milliseconds, steady, with fractions. */
  clock: () => number
  /** A new one for every prediction, of this device never used before. */
  nextId: () => string
  /** Told when an inference begins and when it has ended, well or not; says how long it ran once it had its turn. */
  pulse: { began: () => void; ended: (startedMs: number, nowMs: number) => number }
}

export function createDeployment(open: OpenBundle, context: DeploymentContext): Deployment {
  const { bundle, session } = open
  const { recorder, drift, clock, nextId, pulse } = context
  let pipeline = open.features && createPipeline(open.features)
  let tap: Tap | undefined
  const shapes = new Map(
    open.features?.inputs.map(({ name, features }) => {
      const rank = bundle.manifest.inputs.find((input) => input.name === name)?.shape.length
      return [name, rank === 1 ? [features.length] : [1, features.length]]
    }),
  )

  const { task } = bundle.manifest
  const recent = createRecentPredictions()
  /** Of answers that a shadow was told, as long as anybody has them. */
  const laters = new WeakMap<Tensors, LabelLater>()
  const spare: Row[] = []
  let slow = 0

  function ended(startedMs: number, nowMs: number): void {
    if (pulse.ended(startedMs, nowMs) > bundle.manifest.limits.inferenceMs) slow += 1
  }

  async function run(
    feeds: Tensors,
    counted?: Counted,
    tapped?: Outcome,
    features?: Float64Array,
    label?: boolean,
  ): Promise<Inference> {
    pulse.began()
    const started = clock()
    let outputs: Tensors
    try {
      outputs = await session.run(feeds)
    } catch (error) {
      counted?.(undefined)
      recorder.failed()
      ended(started, clock())
      tapped?.(undefined, label)
      return { ok: false, error: error instanceof Error ? error.message : String(error) }
    }
    const answered = clock()
    counted?.(outputs)
    recorder.inferred({ elapsedUs: (answered - started) * 1000, inputs: feeds, outputs, features, label })
    ended(started, answered)
    const later = tapped?.(outputs, label)
    if (later !== undefined) laters.set(outputs, later)
    return { ok: true, outputs }
  }

  function refuse(counted: Counted | undefined, error: string): Prediction {
    counted?.(undefined)
    recorder.refused()
    return { ok: false, why: 'refused', error }
  }

  return {
    bundle,
    takesBigIntegers: bundle.manifest.inputs.some(({ datatype }) => datatype === 'INT64' || datatype === 'UINT64'),
    takesRecords: pipeline !== undefined,
    timeField: open.features?.definitions.time,
    recorder,
    drift,
    infer: (feeds, counted) => run(feeds, counted, tap?.tensors(feeds)),
    async predict(record, counted, when) {
      const result = pipeline?.push(record)
      if (result === undefined) return refuse(counted, 'this version has no feature definitions')
      if (!result.ok) return refuse(counted, 'the record has no usable key')
      if (when === 'full-windows-only' && !result.full) {
        return { ok: false, why: 'filling', error: 'the windows of the features are not full' }
      }
      const row = spare.pop() ?? emptyRow(open.features, shapes)
      fill(row, result)
      const inference = await run(row.feeds, counted, tap?.record(record, row.feeds), row.values, result.label)
      if (spare.length < spareRowsMax) spare.push(row)
      if (!inference.ok) return { ok: false, why: 'failed', error: inference.error }
      return { ok: true, id: nextId(), outputs: inference.outputs }
    },
    awaitLabel(id, outputs) {
      if (task !== undefined) recent.remember(id, { positive: isPositive(outputs, task), tell: laters.get(outputs) })
    },
    label(id, actual) {
      const answered = recent.take(id)
      if (answered === undefined) return false
      recorder.labelled(answered.positive, actual)
      answered.tell?.(actual)
      return true
    },
    warm(record) {
      pipeline?.push(record)
    },
    forget() {
      pipeline = open.features && createPipeline(open.features)
    },
    tap(next) {
      tap?.close()
      tap = next
    },
    totals: () => ({ ...recorder.totals, slow }),
    close: () => session.close(),
  }
}

/** What one record becomes. The pipeline overwrites its own buffers with the next record while this one waits for its
 *  inference, so each inference under way has a row to itself. Rows are used again: a new tensor's first way into native
 *  code costs half as much as the inference of a small model. */
type Row = { values: Float64Array; data: Map<string, Float32Array>; feeds: Tensors }

/** Rows kept for the next records; an application has few requests under way at a time. */
const spareRowsMax = 32

function emptyRow(features: CompiledFeatures | undefined, shapes: ReadonlyMap<string, number[]>): Row {
  const data = new Map(features?.inputs.map((input) => [input.name, new Float32Array(input.features.length)]))
  const feeds: Record<string, Tensor> = Object.create(null)
  for (const [name, floats] of data) feeds[name] = new Tensor('float32', floats, shapes.get(name))
  return { values: new Float64Array(features?.names.length ?? 0), data, feeds }
}

function fill(row: Row, { values, inputs }: Extract<PipelineResult, { ok: true }>): void {
  row.values.set(values)
  for (const { name, data } of inputs) row.data.get(name)?.set(data)
}
