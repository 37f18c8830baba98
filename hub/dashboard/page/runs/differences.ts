// Two runs against each other: parameters that differ, metrics with their difference, files. Pure.

import { type Double, numberIn, type Run } from './run-values.ts'

export type TextDifference = { key: string; a: string | undefined; b: string | undefined }

/** Keys of either whose values are not the same, by name. */
export function textDifferences(a: Record<string, string>, b: Record<string, string>): TextDifference[] {
  return keysOf(a, b)
    .filter((key) => own(a, key) !== own(b, key))
    .map((key) => ({ key, a: own(a, key), b: own(b, key) }))
}

export type MetricDifference = {
  key: string
  a: Double | undefined
  b: Double | undefined
  /** b - a; undefined where one is missing or no finite number. */
  difference: number | undefined
  /** Of |a|; undefined where a is 0. */
  relative: number | undefined
}

/** All metrics of either, by name. */
export function metricDifferences(a: Run['metrics'], b: Run['metrics']): MetricDifference[] {
  return keysOf(a, b).map((key) => {
    const from = own(a, key)
    const to = own(b, key)
    const [x, y] = [numberIn(from), numberIn(to)]
    const difference = x === undefined || y === undefined ? undefined : y - x
    const relative = difference === undefined || x === undefined || x === 0 ? undefined : difference / Math.abs(x)
    return { key, a: from, b: to, difference, relative }
  })
}

export type ComparedFile = { path: string; sizeBytes: number; sha256: string }
export type FileDifference = {
  path: string
  state: 'only-a' | 'only-b' | 'differs' | 'same'
  aBytes: number | undefined
  bBytes: number | undefined
}

/** Every path of either, by name. Files are the same where their sha256 is. */
export function fileDifferences(a: readonly ComparedFile[], b: readonly ComparedFile[]): FileDifference[] {
  const inA = new Map(a.map((file) => [file.path, file]))
  const inB = new Map(b.map((file) => [file.path, file]))
  return [...new Set([...inA.keys(), ...inB.keys()])].sort().map((path) => {
    const left = inA.get(path)
    const right = inB.get(path)
    const state =
      left === undefined ? 'only-b' : right === undefined ? 'only-a' : left.sha256 === right.sha256 ? 'same' : 'differs'
    return { path, state, aBytes: left?.sizeBytes, bBytes: right?.sizeBytes }
  })
}

const keysOf = (a: object, b: object): string[] => [...new Set([...Object.keys(a), ...Object.keys(b)])].sort()
const own = <T>(values: Record<string, T>, key: string): T | undefined =>
  Object.hasOwn(values, key) ? values[key] : undefined
