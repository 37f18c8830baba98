// How far a share of so many tries may lie from the true one by counting alone.

/** Variance from which the normal distribution is as good as the sum. */
const normalFrom = 400

/** Probability of at most `hits` of `tries` at share `p`. Whole numbers are not needed: `hits` is rounded. */
export function atMost(hits: number, tries: number, p: number): number {
  const k = Math.round(hits)
  const n = Math.round(tries)
  if (k < 0) return 0
  if (k >= n || p <= 0) return 1
  if (p >= 1) return 0
  const variance = n * p * (1 - p)
  if (variance >= normalFrom) return normalUpTo((k + 0.5 - n * p) / Math.sqrt(variance))
  if (p > 0.5) return 1 - sumUpTo(n - k - 1, n, 1 - p)
  return sumUpTo(k, n, p)
}

/** Probability of at least `hits` of `tries` at share `p`. */
export const atLeast = (hits: number, tries: number, p: number): number =>
  atMost(Math.round(tries) - Math.round(hits), tries, 1 - p)

function sumUpTo(hits: number, tries: number, p: number): number {
  let log = tries * Math.log1p(-p)
  let sum = Math.exp(log)
  for (let k = 1; k <= hits; k++) {
    log += Math.log((tries - k + 1) / k) + Math.log(p) - Math.log1p(-p)
    sum += Math.exp(log)
  }
  return Math.min(1, sum)
}

/** Abramowitz & Stegun 26.2.17, to 7.5e-8. */
export function normalUpTo(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z))
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  const tail = Math.exp((-z * z) / 2) * 0.3989422804014327 * series
  return z > 0 ? 1 - tail : tail
}

const tail = 0.025

/** Interval of a share of which `hits` of `tries` were seen (Clopper & Pearson 1934, 95 %); 0 to 1 where nothing was tried. */
export function shareInterval(hits: number, tries: number): { low: number; high: number } {
  if (tries === 0) return { low: 0, high: 1 }
  const low = hits === 0 ? 0 : bisect((p) => atLeast(hits, tries, p) < tail)
  const high = hits >= tries ? 1 : bisect((p) => atMost(hits, tries, p) > tail)
  return { low, high }
}

/** The share up to which `holds`. */
function bisect(holds: (share: number) => boolean): number {
  let from = 0
  let to = 1
  for (let i = 0; i < 50; i++) {
    const middle = (from + to) / 2
    if (holds(middle)) from = middle
    else to = middle
  }
  return (from + to) / 2
}
