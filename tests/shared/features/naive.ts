// What the features are by definition, computed from the whole list of records of a key each time: the reference
// that the pipeline is held against. Slow and plain on purpose.

import type { FeatureDefinitions, Transform } from '@roost/shared/features/definition.ts'
import { readNumber, readTimeMs } from '@roost/shared/features/reading.ts'

export type Row = Record<string, unknown>

/** The features of the last record of `records`, all of which have the same key. */
export function naiveFeatures(definitions: FeatureDefinitions, records: readonly Row[]): number[] {
  const times = records.map((record) =>
    definitions.time === undefined ? Number.NaN : readTimeMs(record[definitions.time]),
  )
  return definitions.features.map(({ field, transform }) => {
    const readings = records.map((record) => readNumber(record[field]))
    const value = naiveValue(transform, readings, times)
    return Number.isFinite(Math.fround(value)) ? value : Number.NaN
  })
}

function naiveValue(transform: Transform, readings: number[], times: number[]): number {
  const value = readings.at(-1) ?? Number.NaN
  switch (transform.kind) {
    case 'last':
      return value
    case 'rolling_mean':
      return Number.isNaN(value) ? value : mean(presentIn(readings, transform.rows))
    case 'rolling_deviation': {
      if (Number.isNaN(value)) return value
      const present = presentIn(readings, transform.rows)
      const centre = mean(present)
      return Math.sqrt(present.map((x) => (x - centre) * (x - centre)).reduce((a, b) => a + b, 0) / present.length)
    }
    case 'centred':
      return value - mean(presentIn(readings, transform.rows))
    case 'difference':
      return value - (readings.at(-1 - transform.lag) ?? Number.NaN)
    case 'rate': {
      const elapsed = (times.at(-1) ?? Number.NaN) - (times.at(-1 - transform.lag) ?? Number.NaN)
      if (!(elapsed > 0)) return Number.NaN
      return ((value - (readings.at(-1 - transform.lag) ?? Number.NaN)) / elapsed) * 1000
    }
  }
}

function presentIn(readings: number[], rows: number): number[] {
  return readings.slice(-rows).filter((x) => !Number.isNaN(x))
}

/** About the newest value, oldest first: the order of additions is part of the definition. */
function mean(present: number[]): number {
  const level = present.at(-1) ?? Number.NaN
  return level + present.map((x) => x - level).reduce((a, b) => a + b, 0) / present.length
}
