// The population stability index.

import { type Measure, shares } from './measure.ts'

export const psi: Measure = {
  title: 'PSI',
  shades: [0.05, 0.2, 0.5, 1],
  of: ({ merged }) => populationStabilityIndex(merged.reference, merged.current),
}

/** PSI: sum of (p - q) ln(p / q) over the shares p of the reference and q of the current counts, same bins.
 *  An empty bin counts as a share of 0.0001, or a millionth of the least share where that is no greater; nothing is
 *  normalised again (as Evidently 0.7 does). Symmetric; 0 for equal shares. */
export function populationStabilityIndex(reference: readonly number[], current: readonly number[]): number {
  const p = filledShares(reference)
  const q = filledShares(current)
  return p.reduce((total, share, i) => total + (share - (q[i] ?? 0)) * Math.log(share / (q[i] ?? 0)), 0)
}

function filledShares(counts: readonly number[]): number[] {
  const plain = shares(counts)
  const least = Math.min(...plain.filter((share) => share > 0))
  const filling = least > 1e-4 ? 1e-4 : least / 1e6
  return plain.map((share) => (share === 0 ? filling : share))
}
