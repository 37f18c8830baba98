// Quantiles of a stream in bounded memory: buffers of k values, where a full one is sorted and every other value of it
// moves on to the next buffer, standing for twice as many rows (Manku, Rajagopalan, Lindsay, "Approximate medians in one
// pass and with limited memory", 1998). Exact as long as everything fits into the first.

export type Quantiles = {
  add(value: number): void
  /** The value below which that share of the rows lies, straight between neighbours (numpy's default, `linear`).
   *  NaN without values. */
  at(shares: readonly number[]): number[]
  /** `count` values that were added, evenly by rank; fewer where there are fewer. */
  spread(count: number): Float64Array
  /** Largest possible error of a rank, as a share of the rows; 0 while exact. */
  rankError(): number
}

/** @param room values a buffer holds, even */
export function createQuantiles(room: number): Quantiles {
  const levels: Float64Array[] = [new Float64Array(room)]
  const filled: number[] = [0]
  /** Which half is kept next, by turns, so that the errors of a level cancel. */
  const odd: boolean[] = [false]
  let rows = 0
  /** Sum of the weights of all halvings: each may move a rank by its weight. */
  let moved = 0

  const compact = (level: number) => {
    const buffer = levels[level] ?? new Float64Array(room)
    buffer.sort()
    const offset = odd[level] ? 1 : 0
    odd[level] = !odd[level]
    filled[level] = 0
    moved += 2 ** level
    for (let i = offset; i < room; i += 2) push(level + 1, buffer[i] ?? 0)
  }
  const push = (level: number, value: number) => {
    const buffer = levels[level] ?? new Float64Array(room)
    levels[level] = buffer
    const at = filled[level] ?? 0
    if (at === room) {
      compact(level)
      return push(level, value)
    }
    buffer[at] = value
    filled[level] = at + 1
  }

  return {
    add: (value) => {
      rows += 1
      push(0, value)
    },
    at: (shares) => ranked(weighted(levels, filled), shares),
    spread: (count) => spreadOf(weighted(levels, filled), count),
    rankError: () => (rows === 0 ? 0 : moved / rows),
  }
}

type Weighted = { value: number; weight: number }

function weighted(levels: readonly Float64Array[], filled: readonly number[]): Weighted[] {
  return levels
    .flatMap((buffer, level) =>
      Array.from(buffer.subarray(0, filled[level] ?? 0), (value): Weighted => ({ value, weight: 2 ** level })),
    )
    .sort((a, b) => a.value - b.value)
}

/** The values at these shares of the total weight; `shares` in any order. */
function ranked(values: readonly Weighted[], shares: readonly number[]): number[] {
  const ends: number[] = []
  let total = 0
  for (const { weight } of values) {
    total += weight
    ends.push(total)
  }
  const valueAt = (rank: number) => values[firstAbove(ends, rank)]?.value ?? Number.NaN
  return shares.map((share) => {
    const place = share * (total - 1)
    const low = valueAt(Math.floor(place))
    const high = valueAt(Math.min(Math.floor(place) + 1, total - 1))
    return low === high ? low : low + (high - low) * (place - Math.floor(place))
  })
}

function spreadOf(values: readonly Weighted[], count: number): Float64Array {
  const total = values.reduce((sum, { weight }) => sum + weight, 0)
  const points = new Float64Array(Math.min(count, total))
  let before = 0
  let filled = 0
  for (const { value, weight } of values) {
    before += weight
    for (; filled < points.length && ((filled + 0.5) * total) / points.length < before; filled++) points[filled] = value
  }
  return points
}

/** Index of the first end beyond `rank`. */
function firstAbove(ends: readonly number[], rank: number): number {
  let low = 0
  let high = ends.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ends[middle] ?? 0) > rank) high = middle
    else low = middle + 1
  }
  return low
}
