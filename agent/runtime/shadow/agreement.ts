// How a candidate's answers lie to the primary's on the same inputs, counted in the open window.
//
// Agreed, where both versions have a task: both decide the same, each by its own output and threshold. Otherwise all
// outputs that both have must say the same: integers, truth values and texts are equal; rows of probabilities (at least
// two, none below 0, adding up to 1) have their largest at the same place; any other number is within 0.001 plus 1 % of
// the primary's. Not a number agrees with not a number, an infinity with itself.

import type { Manifest, Task } from '@roost/shared/bundle/manifest.ts'
import type { Agreement } from '@roost/shared/protocol/records.ts'
import { createTensorWatcher } from '@roost/shared/sketch/tensor-columns.ts'
import { predictionsRememberedMax } from '../monitor/recent-predictions.ts'
import { isPositive } from '../monitor/recorder.ts'
import type { Tensors } from '../session.ts'
import { elementsOf } from '../tensors.ts'
import { type Answer, type LateLabel, receivedTensors } from './pairs.ts'

/** Columns whose differences are kept; a manifest may name more. */
export const columnsMax = 64
const absoluteTolerance = 1e-3
const relativeTolerance = 1e-2
/** Of probabilities that add up to 1 in float32 or float16. */
const sumTolerance = 1e-2
/** A difference beyond this is counted in no sum: its square, added up, must stay finite. */
const differenceMax = 1e100

export type AgreementRecorder = {
  /** One input both were asked; `outputs` undefined where the candidate failed. */
  compare: (answer: Answer, outputs: Tensors | undefined) => void
  /** Counts the true answer to an input that both answered before, in this window or an earlier one.
   *  @returns what the candidate had answered; undefined where that is not remembered */
  labelled: (late: LateLabel) => boolean | undefined
  dropped: (inputs: number) => void
  /** Whom it is compared with from now on. The window before must be closed where that changes. */
  against: (primary: string) => void
  snapshot: () => Agreement
  reset: () => void
}

type Sums = { count: number; sum: number; sumAbs: number; sumSquares: number }

export function createAgreementRecorder(manifest: Pick<Manifest, 'outputs' | 'task'>): AgreementRecorder {
  const { task } = manifest
  const watched = watchedOutputs(manifest)
  let primary: string | undefined
  let counts = noCounts()
  /** What both decided of which the label may come: as many as the primary remembers, the oldest is forgotten first. */
  const decided = new Map<number, { primary: boolean; candidate: boolean }>()

  function compare(answer: Answer, outputs: Tensors | undefined): void {
    if (answer.outputs === undefined || outputs === undefined) {
      if (answer.outputs !== undefined) counts.errors.onlyCandidate += 1
      else if (outputs !== undefined) counts.errors.onlyPrimary += 1
      else counts.errors.both += 1
      return
    }
    const given = receivedTensors(answer.outputs)
    counts.pairs += 1
    if (isAgreed(answer, given, outputs, task)) counts.agreed += 1
    for (const one of watched) one.subtract(given, outputs, counts.outputs)
    if (answer.positive === undefined || task === undefined) return
    const both = { primary: answer.positive, candidate: isPositive(outputs, task) }
    if (answer.label !== undefined) countLabel(both, answer.label)
    else if (answer.pair !== undefined) remember(answer.pair, both)
  }

  function countLabel({ primary, candidate }: { primary: boolean; candidate: boolean }, label: boolean): void {
    counts.labels ??= { bothRight: 0, onlyPrimaryRight: 0, onlyCandidateRight: 0, bothWrong: 0 }
    counts.labels[rightness(primary === label, candidate === label)] += 1
  }

  function remember(pair: number, both: { primary: boolean; candidate: boolean }): void {
    decided.set(pair, both)
    if (decided.size <= predictionsRememberedMax) return
    const [oldest] = decided.keys()
    if (oldest !== undefined) decided.delete(oldest)
  }

  return {
    compare,
    labelled({ pair, label }) {
      const both = decided.get(pair)
      decided.delete(pair)
      if (both !== undefined) countLabel(both, label)
      return both?.candidate
    },
    dropped(inputs) {
      counts.dropped += inputs
    },
    against(manifest) {
      primary = manifest
      decided.clear()
    },
    snapshot: () => structuredClone({ ...counts, ...(primary !== undefined && { primary }) }),
    reset() {
      counts = noCounts()
    },
  }
}

const noCounts = () => ({
  pairs: 0,
  agreed: 0,
  outputs: {} as Record<string, Sums>,
  errors: { both: 0, onlyPrimary: 0, onlyCandidate: 0 },
  labels: undefined as Agreement['labels'],
  dropped: 0,
})

function rightness(primary: boolean, candidate: boolean): keyof NonNullable<Agreement['labels']> {
  if (primary) return candidate ? 'bothRight' : 'onlyPrimaryRight'
  return candidate ? 'onlyCandidateRight' : 'bothWrong'
}

type WatchedOutput = { subtract: (primary: Tensors, candidate: Tensors, into: Record<string, Sums>) => void }

/** The candidate's outputs by the columns their windows have. */
function watchedOutputs({ outputs }: Pick<Manifest, 'outputs'>): WatchedOutput[] {
  let room = columnsMax
  return outputs.map((spec) => {
    const watcher = createTensorWatcher(spec)
    const columns = watcher.columns.slice(0, room)
    room -= columns.length
    const values = watcher.columns.map((): number[] => [])
    const sinks = values.map((list) => ({ record: (value: number) => void list.push(value) }))
    const read = (tensors: Tensors): number[][] => {
      for (const list of values) list.length = 0
      const tensor = tensors[spec.name]
      if (tensor !== undefined) watcher.watch(tensor.data, tensor.dims, sinks)
      return values.map((list) => [...list])
    }
    return {
      subtract(primary, candidate, into) {
        if (columns.length === 0 || !isSameShape(primary[spec.name], candidate[spec.name])) return
        const before = read(primary)
        const after = read(candidate)
        for (const [i, column] of columns.entries()) {
          let sums = Object.hasOwn(into, column) ? into[column] : undefined
          if (sums === undefined) {
            sums = { count: 0, sum: 0, sumAbs: 0, sumSquares: 0 }
            Object.defineProperty(into, column, { value: sums, enumerable: true, configurable: true, writable: true })
          }
          addDifferences(sums, before[i] ?? [], after[i] ?? [])
        }
      },
    }
  })
}

function addDifferences(sums: Sums, before: readonly number[], after: readonly number[]): void {
  for (const [row, value] of after.entries()) {
    const difference = value - (before[row] ?? Number.NaN)
    if (!(Math.abs(difference) <= differenceMax)) continue
    sums.count += 1
    sums.sum += difference
    sums.sumAbs += Math.abs(difference)
    sums.sumSquares += difference * difference
  }
}

function isAgreed(answer: Answer, given: Tensors, outputs: Tensors, task: Task | undefined): boolean {
  if (task !== undefined && answer.positive !== undefined) return isPositive(outputs, task) === answer.positive
  const names = Object.keys(outputs).filter((name) => given[name] !== undefined)
  return names.length > 0 && names.every((name) => saysTheSame(given[name], outputs[name]))
}

type OneTensor = Tensors[string] | undefined

function isSameShape(a: OneTensor, b: OneTensor): boolean {
  return a !== undefined && b !== undefined && a.type === b.type && a.dims.join() === b.dims.join()
}

function saysTheSame(a: OneTensor, b: OneTensor): boolean {
  if (a === undefined || b === undefined || !isSameShape(a, b)) return false
  const before = elementsOf(a)
  const after = elementsOf(b)
  const isFloat = a.type === 'float32' || a.type === 'float64' || a.type === 'float16'
  const classes = a.dims.at(-1) ?? 1
  if (
    isFloat &&
    a.dims.length > 0 &&
    classes >= 2 &&
    areProbabilities(before, classes) &&
    areProbabilities(after, classes)
  ) {
    return decisions(before, classes).join() === decisions(after, classes).join()
  }
  for (let i = 0; i < before.length; i++) if (!isNear(before[i], after[i], isFloat)) return false
  return true
}

function areProbabilities(values: ArrayLike<unknown>, classes: number): boolean {
  for (let start = 0; start < values.length; start += classes) {
    let sum = 0
    for (let i = start; i < start + classes; i++) {
      const value = Number(values[i])
      if (!(value >= 0)) return false
      sum += value
    }
    if (Math.abs(sum - 1) > sumTolerance) return false
  }
  return true
}

/** The place of the largest of each row; of equal ones the first. */
function decisions(values: ArrayLike<unknown>, classes: number): number[] {
  return Array.from({ length: values.length / classes }, (_, row) => {
    let largest = 0
    for (let i = 1; i < classes; i++) {
      if (Number(values[row * classes + i]) > Number(values[row * classes + largest])) largest = i
    }
    return largest
  })
}

function isNear(before: unknown, after: unknown, isFloat: boolean): boolean {
  if (!isFloat || typeof before !== 'number' || typeof after !== 'number') return before === after
  if (!Number.isFinite(before) || !Number.isFinite(after)) return Object.is(before, after)
  return Math.abs(after - before) <= absoluteTolerance + relativeTolerance * Math.abs(before)
}
