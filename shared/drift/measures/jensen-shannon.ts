// The Jensen-Shannon distance.

import { type Measure, shares } from './measure.ts'

export const jensenShannon: Measure = {
  title: 'Jensen-Shannon',
  shades: [0.1, 0.2, 0.4, 0.6],
  of: ({ merged }) => jensenShannonDistance(merged.reference, merged.current),
}

/** The root of the Jensen-Shannon divergence to base 2: a metric from 0 (equal) to 1 (nothing in common). No smoothing.
 *  As scipy.spatial.distance.jensenshannon(p, q, 2); to base e it is this times sqrt(ln 2). */
export function jensenShannonDistance(reference: readonly number[], current: readonly number[]): number {
  const p = shares(reference)
  const q = shares(current)
  const divergence = p.reduce((total, a, i) => {
    const b = q[i] ?? 0
    return total + (towardsMiddle(a, b) + towardsMiddle(b, a)) / 2
  }, 0)
  // Rounding may leave it a hair outside of its bounds.
  return Math.sqrt(Math.min(1, Math.max(0, divergence)))
}

function towardsMiddle(a: number, b: number): number {
  return a === 0 ? 0 : a * Math.log2((2 * a) / (a + b))
}
