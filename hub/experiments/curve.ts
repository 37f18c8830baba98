// A metric's points, of which there may be a million, reduced to what a line of some hundred pixels can show. Of each bin
// of equal width the first, the last, the least and the greatest point are kept: a line through them covers the same
// pixels as one through all (M4: Jugel, Jerzak, Hackenbroich, Markl, VLDB 2014, "M4: a visualization-oriented time series
// data aggregation"). Means and counts of the bins are there for smoothing. Pure.

/** Points by column, finite values only, in any order. */
export type PointColumns = { step: Float64Array; timestamp: Float64Array; value: Float64Array; count: number }
export type Axis = 'step' | 'time'
export type CurvePoint = { step: number; timestamp: number; value: number }
/** `step` and `timestamp` are those of the last point of the bin. */
export type CurveBin = { step: number; timestamp: number; mean: number; count: number }
/** `points` rise along the axis. `bins` is empty where every point is among them. */
export type Curve = { points: CurvePoint[]; bins: CurveBin[] }

const pointsPerBin = 4

/** At most `pointsMax` points (at least four), and a quarter as many bins. */
export function reduceCurve(columns: PointColumns, axis: Axis, pointsMax: number): Curve {
  const { step, timestamp, value, count } = columns
  const x = axis === 'step' ? step : timestamp
  const pointAt = (i: number): CurvePoint => ({
    step: step[i] ?? 0,
    timestamp: timestamp[i] ?? 0,
    value: value[i] ?? 0,
  })
  /** Ties keep their order. */
  const byAxis = (a: number, b: number): number => (x[a] ?? 0) - (x[b] ?? 0) || a - b
  if (count <= pointsMax) {
    const points = Array.from({ length: count }, (_, i) => i).sort(byAxis)
    return { points: points.map(pointAt), bins: [] }
  }
  const bins = binned(columns, x, Math.max(1, Math.floor(pointsMax / pointsPerBin)))
  const kept = bins.flatMap(({ first, last, least, greatest }) =>
    [...new Set([first, last, least, greatest])].sort(byAxis),
  )
  return {
    points: kept.map(pointAt),
    bins: bins.map(({ last, mean, count }) => ({
      step: step[last] ?? 0,
      timestamp: timestamp[last] ?? 0,
      mean,
      count,
    })),
  }
}

/** The places of four points, and what the rest is like on average. */
type Bin = { first: number; last: number; least: number; greatest: number; mean: number; count: number }

/** Those that hold a point, along the axis. */
function binned({ value, count }: PointColumns, x: Float64Array, binsMax: number): Bin[] {
  let from = Infinity
  let to = -Infinity
  for (let i = 0; i < count; i++) {
    const at = x[i] ?? 0
    if (at < from) from = at
    if (at > to) to = at
  }
  const width = to - from
  const bins = new Array<Bin | undefined>(binsMax)
  for (let i = 0; i < count; i++) {
    const at = x[i] ?? 0
    const place = width === 0 ? 0 : Math.min(binsMax - 1, Math.floor(((at - from) / width) * binsMax))
    const bin = bins[place]
    const here = value[i] ?? 0
    if (bin === undefined) {
      bins[place] = { first: i, last: i, least: i, greatest: i, mean: here, count: 1 }
      continue
    }
    if (at < (x[bin.first] ?? 0)) bin.first = i
    if (at >= (x[bin.last] ?? 0)) bin.last = i
    if (here < (value[bin.least] ?? 0)) bin.least = i
    if (here > (value[bin.greatest] ?? 0)) bin.greatest = i
    bin.count += 1
    // as a running mean: a sum of values near the largest double would be infinite
    bin.mean += here / bin.count - bin.mean / bin.count
  }
  return bins.filter((bin) => bin !== undefined)
}
