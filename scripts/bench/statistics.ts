// Order statistics of measured values: a median is what a run usually sees, whatever disturbed single rounds.

/** The value at rank `q` (0 … 1) of the sorted values, the nearest below.
 *  @throws RangeError where there are none */
export function quantile(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values).sort()
  const value = sorted[Math.floor(q * (sorted.length - 1))]
  if (value === undefined) throw new RangeError('a quantile of nothing')
  return value
}

export const median = (values: ArrayLike<number>): number => quantile(values, 0.5)
