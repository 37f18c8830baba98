// Feature definitions turned into a pipeline: raw records in, model inputs out. The hub builds baselines with it and
// the device its inputs, so both see the same bits (there is no other implementation of a transform).
//
// What holds: a window counts records of one key in the order they come, not their times. A missing value takes its
// place in the window and is skipped there; the features that need it are NaN. A window that is not full yet is
// computed over what there is (the deviation of one value is 0, centred is 0); `difference` and `rate` are NaN until
// the record `lag` before exists, and `rate` also where time did not move forward. Not finite as a float32 is NaN.

import type { FeatureDefinition, FeatureDefinitions } from './definition.ts'
import {
  append,
  emptyHistory,
  type History,
  type Layout,
  layOut,
  newestCell,
  windowDeviation,
  windowMean,
} from './history.ts'
import { readKey, readLabel, readNumber, readTimeMs } from './reading.ts'

/** Keys that keep windows at the same time; at the bound the key that was silent longest is forgotten and starts anew. */
export const keysMax = 1024
/** Memory for all windows of one pipeline; where 1,024 keys need more than this, fewer are kept. */
export const historyBytesMax = 64 * 1024 * 1024
/** Memory for the windows of one key; definitions that need more are refused. */
export const keyHistoryBytesMax = 8 * 1024 * 1024

export type FeatureErrorCode =
  | 'unknown-feature'
  | 'duplicate-feature'
  | 'duplicate-input'
  | 'rate-without-time'
  | 'too-much-history'

/** `wrong`: the feature or input that is wrong. */
export class FeatureError extends Error {
  override readonly name = 'FeatureError'
  readonly code: FeatureErrorCode
  readonly wrong: string
  constructor(code: FeatureErrorCode, wrong: string, message: string) {
    super(message)
    this.code = code
    this.wrong = wrong
  }
}

type Step =
  | { kind: 'last'; field: number }
  | { kind: 'mean' | 'deviation' | 'centred'; field: number; window: number }
  | { kind: 'difference' | 'rate'; field: number; lag: number }
type Window = { field: number; rows: number; deviation: boolean }
type Input = { name: string; features: number[] }

export type CompiledFeatures = {
  definitions: FeatureDefinitions
  /** In order of the definitions, as `values`. */
  names: string[]
  /** Records of a key after which a fresh pipeline gives the same bits as one that always ran. */
  historyRecords: number
  fields: string[]
  layout: Layout
  windows: Window[]
  steps: Step[]
  inputs: Input[]
}

export type ModelInput = { name: string; data: Float32Array }

/** `values` (one a definition, in order) and the `data` of `inputs` are buffers that the next `push` overwrites.
 *  `full`: the key has had so many records that a pipeline that always ran would give the same bits.
 *  `complete`: no input holds a missing value. `timeMs`: whole milliseconds, absent where the record has no readable
 *  time. `key`: '' where the definitions have none. `key-missing`: the record could not be placed and left no trace. */
export type PipelineResult =
  | {
      ok: true
      values: Float64Array
      inputs: readonly ModelInput[]
      complete: boolean
      full: boolean
      key: string
      timeMs?: number
      label?: boolean
    }
  | { ok: false; reason: 'key-missing' }

export type Pipeline = {
  push: (record: Record<string, unknown>) => PipelineResult
  /** Keys that were forgotten at the bound so far. */
  keysForgotten: () => number
}

/** Checks definitions and lays out what a pipeline needs. Fields are own names of a record, a dot in them is a dot.
 *  @throws FeatureError */
export function compileFeatures(definitions: FeatureDefinitions): CompiledFeatures {
  const names = uniqueNames(definitions)
  const fields = [...new Set(definitions.features.map((feature) => feature.field))]
  const rows = fields.map((field) => rowsKept(definitions.features.filter((feature) => feature.field === field)))
  const rates = definitions.features.filter((feature) => feature.transform.kind === 'rate')
  const untimed = definitions.time === undefined ? rates[0] : undefined
  if (untimed !== undefined) {
    throw new FeatureError('rate-without-time', untimed.name, `feature '${untimed.name}' is a rate: name a time field`)
  }
  if (rates.length > 0) rows.push(rowsKept(rates))
  const layout = layOut(rows)
  if (layout.cells * Float64Array.BYTES_PER_ELEMENT > keyHistoryBytesMax) {
    const widest = fields[rows.indexOf(Math.max(...rows))] ?? ''
    const message = `the windows of one key need more than ${keyHistoryBytesMax} bytes, most of them for field '${widest}'`
    throw new FeatureError('too-much-history', widest, message)
  }
  const windows: Window[] = []
  const steps = definitions.features.map((feature) => stepFor(feature, fields.indexOf(feature.field), windows))
  const inputs = compileInputs(definitions, names)
  return { definitions, names, historyRecords: Math.max(...rows) - 1, fields, layout, windows, steps, inputs }
}

/** A pipeline with empty windows. `bounds` is for tests; hub and device use the same ones. */
export function createPipeline(compiled: CompiledFeatures, bounds = { keysMax, historyBytesMax }): Pipeline {
  const { definitions, fields, layout, windows, steps } = compiled
  const { key: keyField, time: timeField, label: labelField } = definitions
  const keyBytes = layout.cells * Float64Array.BYTES_PER_ELEMENT
  const histories = new Map<string, History>()
  const historiesMax = Math.max(1, Math.min(bounds.keysMax, Math.floor(bounds.historyBytesMax / keyBytes)))
  let forgotten = 0
  let newestKey: string | undefined

  const readings = new Float64Array(layout.rows.length)
  const means = new Float64Array(windows.length)
  const deviations = new Float64Array(windows.length)
  const values = new Float64Array(steps.length)
  const inputs = compiled.inputs.map(({ name, features }) => ({ name, data: new Float32Array(features.length) }))

  function historyOf(key: string): History {
    const known = histories.get(key)
    if (known !== undefined && key === newestKey) return known
    newestKey = key
    // A Map keeps the order of insertion: the first key is the one that was silent longest.
    if (known !== undefined) histories.delete(key)
    const history = known ?? emptyHistory(layout)
    histories.set(key, history)
    if (histories.size > historiesMax) {
      for (const oldest of histories.keys()) {
        histories.delete(oldest)
        forgotten += 1
        break
      }
    }
    return history
  }

  function push(record: Record<string, unknown>): PipelineResult {
    const key = keyField === undefined ? '' : readKey(record[keyField])
    if (key === undefined) return { ok: false, reason: 'key-missing' }
    const timeMs = timeField === undefined ? Number.NaN : readTimeMs(record[timeField])
    for (let i = 0; i < fields.length; i++) readings[i] = readNumber(record[fields[i] ?? ''])
    if (readings.length > fields.length) readings[fields.length] = timeMs
    const history = historyOf(key)
    append(history, layout, readings)
    for (let i = 0; i < windows.length; i++) {
      const window = windows[i]
      if (window === undefined) continue
      const newest = newestCell(history, layout, window.field)
      const mean = windowMean(history.cells, newest, window.rows)
      means[i] = mean
      if (window.deviation) deviations[i] = windowDeviation(history.cells, newest, window.rows, mean)
    }
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]
      if (step !== undefined) values[i] = finite(evaluate(step, history))
    }
    const complete = fillInputs()
    const label = labelField === undefined ? undefined : readLabel(record[labelField])
    return {
      ok: true,
      values,
      inputs,
      complete,
      full: history.records > compiled.historyRecords,
      key,
      ...(!Number.isNaN(timeMs) && { timeMs: Math.floor(timeMs) }),
      ...(label !== undefined && { label }),
    }
  }

  function evaluate(step: Step, history: History): number {
    const value = readings[step.field] ?? Number.NaN
    switch (step.kind) {
      case 'last':
        return value
      case 'mean':
        return means[step.window] ?? Number.NaN
      case 'deviation':
        return deviations[step.window] ?? Number.NaN
      case 'centred':
        return value - (means[step.window] ?? Number.NaN)
      case 'difference':
        return stepBack(history, step.field, step.lag)
      case 'rate': {
        const elapsedMs = stepBack(history, fields.length, step.lag)
        return elapsedMs > 0 ? (stepBack(history, step.field, step.lag) / elapsedMs) * 1000 : Number.NaN
      }
    }
  }

  function stepBack(history: History, field: number, lag: number): number {
    const newest = newestCell(history, layout, field)
    return (history.cells[newest] ?? Number.NaN) - (history.cells[newest - lag] ?? Number.NaN)
  }

  function fillInputs(): boolean {
    let complete = true
    for (let i = 0; i < inputs.length; i++) {
      const data = inputs[i]?.data
      const features = compiled.inputs[i]?.features
      if (data === undefined || features === undefined) continue
      for (let j = 0; j < features.length; j++) {
        const value = values[features[j] ?? -1] ?? Number.NaN
        data[j] = value
        if (Number.isNaN(value)) complete = false
      }
    }
    return complete
  }

  return { push, keysForgotten: () => forgotten }
}

function finite(value: number): number {
  return Number.isFinite(Math.fround(value)) ? value : Number.NaN
}

function uniqueNames(definitions: FeatureDefinitions): string[] {
  const names = definitions.features.map((feature) => feature.name)
  const repeated = names.find((name, i) => names.indexOf(name) !== i)
  if (repeated === undefined) return names
  throw new FeatureError('duplicate-feature', repeated, `feature '${repeated}' is defined twice`)
}

function compileInputs(definitions: FeatureDefinitions, names: string[]): Input[] {
  const inputNames = definitions.inputs.map((input) => input.name)
  const repeated = inputNames.find((name, i) => inputNames.indexOf(name) !== i)
  if (repeated !== undefined) {
    throw new FeatureError('duplicate-input', repeated, `input '${repeated}' is listed twice`)
  }
  return definitions.inputs.map((input) => {
    const unknown = input.features.find((feature) => !names.includes(feature))
    if (unknown === undefined) return { name: input.name, features: input.features.map((name) => names.indexOf(name)) }
    const message = `input '${input.name}' takes feature '${unknown}', which is not defined`
    throw new FeatureError('unknown-feature', unknown, message)
  })
}

function rowsKept(features: FeatureDefinition[]): number {
  return Math.max(
    ...features.map(({ transform }) =>
      'lag' in transform ? transform.lag + 1 : 'rows' in transform ? transform.rows : 1,
    ),
  )
}

/** Features over the same rows of the same field share one window. */
function stepFor({ transform }: FeatureDefinition, field: number, windows: Window[]): Step {
  if (transform.kind === 'last') return { kind: 'last', field }
  if (transform.kind === 'difference' || transform.kind === 'rate') {
    return { kind: transform.kind, field, lag: transform.lag }
  }
  const { rows } = transform
  const kind = windowKinds[transform.kind]
  let index = windows.findIndex((window) => window.field === field && window.rows === rows)
  if (index < 0) index = windows.push({ field, rows, deviation: false }) - 1
  const window = windows[index]
  if (window !== undefined && kind === 'deviation') window.deviation = true
  return { kind, field, window: index }
}

const windowKinds = { rolling_mean: 'mean', rolling_deviation: 'deviation', centred: 'centred' } as const
