// What one deployment saw in its open window: counts, latency, columns on the baseline's scales, labels, what the
// application measured, resources.
// Recording is on the path of every inference and allocates nothing; all else happens when a window is looked at.

import type { Baseline, WindowSpec } from '@roost/shared/drift/baseline.ts'
import type { DriftVerdict } from '@roost/shared/drift/verdict.ts'
import type { CompiledFeatures } from '@roost/shared/features/compile.ts'
import type { LabelCounts, WindowReport } from '@roost/shared/protocol/records.ts'
import { createLatencyRecorder } from '@roost/shared/sketch/latency.ts'
import type { LoadedBundle } from '../messages.ts'
import type { Tensors } from '../session.ts'
import type { AgreementRecorder } from '../shadow/agreement.ts'
import { createColumns } from './columns.ts'
import { createMetricSums, type MetricValues } from './metrics.ts'

/** `features`: the pipeline's values, one a definition; without them the input tensors are watched themselves. */
export type Observation = {
  elapsedUs: number
  inputs: Tensors
  outputs: Tensors
  features?: Float64Array | undefined
  /** The true answer, where it is known already. */
  label?: boolean | undefined
}

export type WindowRecorder = {
  inferred: (observation: Observation) => void
  failed: () => void
  refused: () => void
  /** The true answer to one that was given before, in this window or an earlier one. */
  labelled: (answered: boolean, actual: boolean) => void
  /** What the application tells: all of it counts, or nothing where names are returned for which there is no room. */
  measured: (values: MetricValues) => readonly string[]
  /** The open window as it stands; undefined while it is empty. */
  open: () => WindowReport | undefined
  /** Ends the window and reports it, unless it is empty. */
  close: () => void
  /** Ends the window if its time is up. */
  tick: () => void
  /** Since this recorder was made, over all windows. */
  totals: Readonly<WindowReport['counts']>
  /** Rises with whatever is recorded. */
  changes: () => number
}

export type RecorderContext = {
  bundle: LoadedBundle
  generation: number
  features?: CompiledFeatures | undefined
  baseline?: Baseline | undefined
  /** Milliseconds since 1970. */
  clock: () => number
  /** Of this process: resident bytes now, processor milliseconds so far. */
  resources: () => { rssBytes: number; cpuMs: number }
  /** The verdict after one more window; only called where there is a baseline. */
  judge?: ((window: WindowReport) => DriftVerdict) | undefined
  /** Of a shadow, whose windows carry what it counts. */
  agreement?: Pick<AgreementRecorder, 'snapshot' | 'reset'> | undefined
  report: (window: WindowReport) => void
}

export function createWindowRecorder(context: RecorderContext): WindowRecorder {
  const { bundle, clock, resources, agreement } = context
  const { manifest } = bundle
  const spec: WindowSpec = manifest.window
  const rowsMax = spec.rows ?? Number.POSITIVE_INFINITY
  const columns = createColumns(manifest, context.features, context.baseline)
  const latency = createLatencyRecorder()
  const totals = { ok: 0, error: 0, refused: 0 }
  let counts = { ok: 0, error: 0, refused: 0 }
  let labels: LabelCounts | undefined
  const metrics = createMetricSums()
  /** Of the open window, and since ever. */
  let recorded = 0
  let recordedEver = 0
  /** When the first thing of the window was recorded. */
  let from = clock()
  let cpuMsBefore = resources().cpuMs

  const isEmpty = () => recorded === 0

  function snapshot(): WindowReport | undefined {
    if (isEmpty()) return undefined
    const { rssBytes, cpuMs } = resources()
    const told = metrics.snapshot()
    return {
      kind: 'window',
      deployment: bundle.deployment,
      role: agreement === undefined ? 'primary' : 'shadow',
      manifest: bundle.digest,
      model: manifest.model,
      version: manifest.version,
      generation: context.generation,
      from,
      // A clock may be set back while a window is open.
      to: Math.max(from, clock()),
      windows: 1,
      interrupted: false,
      counts: { ...counts },
      latency: latency.snapshot(),
      ...columns.snapshot(),
      ...(labels && { labels: { ...labels } }),
      ...(agreement && { agreement: agreement.snapshot() }),
      ...(told && { metrics: told }),
      resources: { rssBytes, cpuMs: Math.max(0, cpuMs - cpuMsBefore) },
    }
  }

  function close(): void {
    const window = snapshot()
    cpuMsBefore = resources().cpuMs
    if (window === undefined) return
    const inferences = counts.ok + counts.error + counts.refused
    counts = { ok: 0, error: 0, refused: 0 }
    labels = undefined
    agreement?.reset()
    metrics.reset()
    recorded = 0
    latency.reset()
    columns.reset()
    context.report(
      context.judge === undefined || inferences === 0 ? window : { ...window, drift: context.judge(window) },
    )
  }

  function closeWhenFull(): void {
    if (counts.ok + counts.error >= rowsMax) close()
  }

  function record(): void {
    if (isEmpty()) from = clock()
    recorded += 1
    recordedEver += 1
  }

  function count(kind: keyof WindowReport['counts']): void {
    record()
    counts[kind] += 1
    totals[kind] += 1
  }

  function countLabel(answered: boolean, actual: boolean): void {
    labels ??= { truePositive: 0, falsePositive: 0, trueNegative: 0, falseNegative: 0 }
    labels[labelKind(answered, actual)] += 1
  }

  return {
    totals,
    changes: () => recordedEver,
    inferred({ elapsedUs, inputs, outputs, features, label }) {
      count('ok')
      latency.record(elapsedUs)
      if (features === undefined) columns.watchInputs(inputs)
      else columns.recordFeatures(features)
      columns.watchOutputs(outputs)
      if (label !== undefined && manifest.task !== undefined) countLabel(isPositive(outputs, manifest.task), label)
      closeWhenFull()
    },
    failed() {
      count('error')
      closeWhenFull()
    },
    refused: () => count('refused'),
    labelled(answered, actual) {
      record()
      countLabel(answered, actual)
    },
    measured(values) {
      const surplus = metrics.add(values)
      if (surplus.length === 0) record()
      return surplus
    },
    open: snapshot,
    close,
    tick() {
      if (!isEmpty() && (clock() - from >= spec.seconds * 1000 || clock() < from)) close()
    },
  }
}

/** The last element of the task's output against its threshold: the one there is, or the positive class of two.
 *  Not a number is below any threshold, as it is for whoever acts on the answer. */
export function isPositive(outputs: Tensors, task: { output: string; threshold: number }): boolean {
  const data = outputs[task.output]?.data
  return data !== undefined && Number(data[data.length - 1]) >= task.threshold
}

function labelKind(predicted: boolean, actual: boolean): keyof LabelCounts {
  if (predicted) return actual ? 'truePositive' : 'falsePositive'
  return actual ? 'falseNegative' : 'trueNegative'
}
