// What the application reports about a deployment, added up by name: how many, their sum, the sum of their squares,
// least and greatest. Names are bounded for as long as the runtime lives, so that a report stays small.

import { type MetricSum, metricNamesMax } from '@roost/shared/protocol/records.ts'

export type MetricValues = readonly (readonly [name: string, value: number])[]

export type MetricSums = {
  /** All of them, or none where the names would become more than `metricNamesMax`: the names there is no room for. */
  add: (values: MetricValues) => readonly string[]
  /** Undefined where nothing has come since the last `reset`. */
  snapshot: () => Record<string, MetricSum> | undefined
  /** Names stay known. */
  reset: () => void
}

export function createMetricSums(): MetricSums {
  const names = new Set<string>()
  const sums = new Map<string, MetricSum>()

  function record(name: string, value: number): void {
    const sum = sums.get(name)
    if (sum === undefined) {
      sums.set(name, { count: 1, sum: value, sumSquares: value * value, min: value, max: value })
      return
    }
    sum.count += 1
    sum.sum += value
    sum.sumSquares += value * value
    sum.min = Math.min(sum.min, value)
    sum.max = Math.max(sum.max, value)
  }

  return {
    add(values) {
      const wanted = new Set(values.map(([name]) => name).filter((name) => !names.has(name)))
      const surplus = [...wanted].slice(metricNamesMax - names.size)
      if (surplus.length > 0) return surplus
      for (const name of wanted) names.add(name)
      for (const [name, value] of values) record(name, value)
      return []
    },
    snapshot: () =>
      sums.size === 0 ? undefined : Object.fromEntries([...sums].map(([name, sum]) => [name, { ...sum }])),
    reset: () => sums.clear(),
  }
}
