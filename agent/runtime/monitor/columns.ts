// The columns of one deployment, recorded on the scales of its baseline. Which they are comes from the manifest's
// tensors and the feature definitions; a column the baseline does not know has no scale and is not recorded.

import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import type { Baseline } from '@roost/shared/drift/baseline.ts'
import type { CompiledFeatures } from '@roost/shared/features/compile.ts'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import type { ColumnCounts } from '@roost/shared/sketch/column.ts'
import { type ColumnRecorder, createColumnRecorders } from '@roost/shared/sketch/recorder.ts'
import { type ColumnSink, createTensorWatcher, type TensorWatcher } from '@roost/shared/sketch/tensor-columns.ts'
import type { Tensors } from '../session.ts'

export type Columns = {
  recordFeatures: (values: Float64Array) => void
  watchInputs: (inputs: Tensors) => void
  watchOutputs: (outputs: Tensors) => void
  snapshot: () => Pick<WindowReport, 'features' | 'outputs'>
  reset: () => void
}

type Watched = { name: string; watcher: TensorWatcher; sinks: ColumnSink[] }

const nowhere: ColumnSink = {
  record() {
    // A column without a scale.
  },
}

export function createColumns(
  manifest: Manifest,
  features: CompiledFeatures | undefined,
  baseline: Baseline | undefined,
): Columns {
  const featureRecorders = recordersOf(baseline, 'feature')
  const outputRecorders = recordersOf(baseline, 'output')
  const featureSinks = features?.names.map((name) => featureRecorders.get(name) ?? nowhere) ?? []
  const inputs = manifest.inputs.flatMap((spec) => {
    const names = features?.definitions.inputs.find((input) => input.name === spec.name)?.features
    return watched(spec, featureRecorders, names)
  })
  const outputs = manifest.outputs.flatMap((spec) => watched(spec, outputRecorders))
  return {
    recordFeatures(values) {
      for (let i = 0; i < featureSinks.length; i++) featureSinks[i]?.record(values[i] ?? Number.NaN)
    },
    watchInputs: (tensors) => watchAll(inputs, tensors),
    watchOutputs: (tensors) => watchAll(outputs, tensors),
    snapshot: () => ({ features: snapshotOf(featureRecorders), outputs: snapshotOf(outputRecorders) }),
    reset() {
      for (const recorders of [featureRecorders, outputRecorders]) {
        for (const recorder of recorders.values()) recorder.reset()
      }
    },
  }
}

type Recorders = ReadonlyMap<string, ColumnRecorder>

function recordersOf(baseline: Baseline | undefined, kind: 'feature' | 'output'): Recorders {
  const columns = Object.entries(baseline?.columns ?? {}).filter(([, column]) => column.kind === kind)
  const recorders = createColumnRecorders(columns.map(([, column]) => column.scale))
  return new Map(
    recorders.flatMap((recorder, i): [string, ColumnRecorder][] => (columns[i] ? [[columns[i][0], recorder]] : [])),
  )
}

/** Nothing for a tensor none of whose columns has a scale: it is not even looked at. */
function watched(spec: TensorSpec, recorders: Recorders, featureNames?: readonly string[]): Watched[] {
  const watcher = createTensorWatcher(spec, featureNames)
  const sinks = watcher.columns.map((column) => recorders.get(column) ?? nowhere)
  return sinks.some((sink) => sink !== nowhere) ? [{ name: spec.name, watcher, sinks }] : []
}

function watchAll(all: readonly Watched[], tensors: Tensors): void {
  for (const { name, watcher, sinks } of all) {
    const tensor = tensors[name]
    if (tensor !== undefined) watcher.watch(tensor.data, tensor.dims, sinks)
  }
}

/** From entries, which define own properties: a column may be called __proto__. */
function snapshotOf(recorders: Recorders): Record<string, ColumnCounts> {
  return Object.fromEntries([...recorders].map(([name, recorder]) => [name, recorder.snapshot()]))
}
