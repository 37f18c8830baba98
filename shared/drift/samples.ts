// Two samples of raw values against each other, as scipy does it: Kolmogorov-Smirnov and Wasserstein without bins.
// For whoever holds the rows themselves; devices send counts (measures.ts).

/** D, the largest difference of the two distribution functions, and how often chance gives one as large to samples of one source.
 *  The p-value is exact for samples of up to 10,000 rows (as scipy's method 'auto'); beyond, Kolmogorov's limit.
 *  @throws RangeError for an empty sample or a value that is not finite */
export function kolmogorovSmirnov(a: Float64Array, b: Float64Array): { statistic: number; pValue: number } {
  const steps = mergedSteps(a, b)
  // In units of 1 / (a.length b.length): whole numbers, so that ties are ties.
  const largest = steps.reduce(
    (most, { seenA, seenB }) => Math.max(most, Math.abs(seenA * b.length - seenB * a.length)),
    0,
  )
  const statistic = largest / (a.length * b.length)
  const exact = Math.max(a.length, b.length) <= exactRowsMax
  return {
    statistic,
    pValue: exact ? exactTail(a.length, b.length, largest) : limitTail(statistic, a.length, b.length),
  }
}

/** The area between the two distribution functions (earth mover's distance, W1), in the unit of the values.
 *  @throws RangeError for an empty sample or a value that is not finite */
export function wassersteinDistance(a: Float64Array, b: Float64Array): number {
  const steps = mergedSteps(a, b)
  let area = 0
  for (let i = 1; i < steps.length; i++) {
    const from = steps[i - 1]
    const to = steps[i]
    if (from === undefined || to === undefined) continue
    area += Math.abs(from.seenA / a.length - from.seenB / b.length) * (to.value - from.value)
  }
  return area
}

const exactRowsMax = 10_000

type Step = { value: number; seenA: number; seenB: number }

/** Every distinct value in order, with how many of each sample are at most it. */
function mergedSteps(a: Float64Array, b: Float64Array): Step[] {
  if (a.length === 0 || b.length === 0) throw new RangeError('a sample is empty')
  if (!a.every(Number.isFinite) || !b.every(Number.isFinite)) throw new RangeError('a value is not finite')
  const sortedA = a.toSorted()
  const sortedB = b.toSorted()
  const steps: Step[] = []
  let seenA = 0
  let seenB = 0
  while (seenA < a.length || seenB < b.length) {
    const value = Math.min(sortedA[seenA] ?? Number.POSITIVE_INFINITY, sortedB[seenB] ?? Number.POSITIVE_INFINITY)
    while (sortedA[seenA] === value) seenA++
    while (sortedB[seenB] === value) seenB++
    steps.push({ value, seenA, seenB })
  }
  return steps
}

/** The chance that a random merging of m and n rows is somewhere `largest` / (m n) apart or more (Hodges 1958). Walks all lattice
 *  paths at once, in m n steps, and adds up what steps over the line, so that small chances keep their digits. */
function exactTail(m: number, n: number, largest: number): number {
  if (largest === 0) return 1
  const inside = new Float64Array(n + 1) // chance to be at (x, y) without having been over the line
  let over = 0
  for (let x = 0; x <= m; x++) {
    for (let y = 0; y <= n; y++) {
      const fromLeft = x === 0 ? 0 : (inside[y] ?? 0) * ((m - x + 1) / (m - x + 1 + n - y))
      const fromBelow = y === 0 ? 0 : (inside[y - 1] ?? 0) * ((n - y + 1) / (m - x + n - y + 1))
      const here = x === 0 && y === 0 ? 1 : fromLeft + fromBelow
      const outside = Math.abs(x * n - y * m) >= largest
      if (outside) over += here
      inside[y] = outside ? 0 : here
    }
  }
  return Math.min(1, over)
}

/** Kolmogorov's limit distribution: 2 sum (-1)^(k-1) exp(-2 k² t²), t = D sqrt(m n / (m + n)). */
function limitTail(statistic: number, m: number, n: number): number {
  const t = statistic * Math.sqrt((m * n) / (m + n))
  if (t < 0.2) return 1 // to 1e-12, where the series converges slowly
  let tail = 0
  for (let k = 1; k <= 100; k++) tail += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * t * t)
  return Math.min(1, Math.max(0, tail))
}
