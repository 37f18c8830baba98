// Bench `recorder`: what watching costs, in time per value and memory per column.
// Its limits in the same run: a loop that only reads the values, and the raw values of one window kept as float32.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { baselineBins } from '@roost/shared/drift/baseline.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import type { ColumnRecorder } from '@roost/shared/sketch/recorder.ts'
import { createColumnRecorders } from '@roost/shared/sketch/recorder.ts'
import { numericScale } from '@roost/shared/sketch/scale.ts'
import { type BenchResult, benchResult } from './result.ts'

const valueCount = 65_536
const rounds = 200
/** Passes over the values in one timed round: some 3 ms, so that some rounds run undisturbed on a busy machine too. */
const passes = 2
const columnCount = 16
/** Rows of a usual window, whose raw values the summary stands for. */
const windowRows = 1_000
const memoryColumns = 20_000

/** ns per value recorded (16 columns in turn, as a table's rows come), and bytes per column kept in memory and on the wire. */
export async function recorder(): Promise<BenchResult[]> {
  const values = normalValues(valueCount)
  const scale = numericScale(values, baselineBins)
  const recorders = createColumnRecorders(Array.from({ length: columnCount }, () => scale))
  const [recordNs, loopNs] = fastest([() => recordAll(recorders, values), () => readAll(values)])
  const [first] = recorders
  if (first === undefined || recordNs === undefined || loopNs === undefined) throw new Error('nothing was measured')
  for (const one of recorders) one.reset()
  for (let i = 0; i < windowRows; i++) first.record(values[i] ?? 0)

  const bench = 'recorder'
  const rawBytes = windowRows * Float32Array.BYTES_PER_ELEMENT
  const time = { bench, metric: 'time per value', value: recordNs, unit: 'ns', limit: loopNs }
  const memory = { bench, metric: 'memory per column', value: bytesPerColumn(), unit: 'bytes', limit: rawBytes }
  const wire = { bench, metric: 'window of a column as CBOR', value: encode(first.snapshot()).length, unit: 'bytes' }
  return [
    benchResult(time, { of: 'value', bound: '<=', number: 60 }),
    benchResult(memory, { of: 'value', bound: '<=', number: 600 }),
    benchResult({ ...wire, limit: rawBytes }, { of: 'value', bound: '<=', number: 600 }),
  ]
}

function recordAll(recorders: readonly ColumnRecorder[], values: Float64Array): number {
  for (let i = 0; i < values.length; i++) recorders[i & (columnCount - 1)]?.record(values[i] ?? 0)
  return 0
}

function readAll(values: Float64Array): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i] ?? 0
  return sum
}

/** ns per value of each, its fastest round: what disturbs only adds. The rounds alternate, so all see the same machine. */
function fastest(runs: readonly (() => number)[]): number[] {
  const best = runs.map(() => Number.POSITIVE_INFINITY)
  let sink = 0
  for (let round = 0; round < rounds; round++) {
    for (const [i, run] of runs.entries()) {
      const start = process.hrtime.bigint()
      for (let pass = 0; pass < passes; pass++) sink += run()
      const ns = Number(process.hrtime.bigint() - start) / passes / valueCount
      best[i] = Math.min(best[i] ?? ns, ns)
    }
  }
  if (Number.isNaN(sink)) throw new Error('the values were not read')
  return best
}

/** Heap and buffers that 20,000 recorders of a baseline's usual scale hold, edges included, over their number. */
function bytesPerColumn(): number {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') throw new Error('this Node gives no gc')
  const used = () => {
    collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const scale = numericScale(normalValues(4096), baselineBins)
  const scales = Array.from({ length: memoryColumns }, () => scale)
  const before = used()
  const kept = createColumnRecorders(scales)
  const after = used()
  return (after - before) / kept.length
}

/** Standard normal values of a fixed sequence (Box and Muller over a linear congruence). */
function normalValues(count: number): Float64Array {
  let state = 1
  const uniform = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state + 0.5) / 2 ** 32
  }
  return Float64Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  )
}
