// The redraw test as a picture: a histogram of how bad the other draws look, with the real one on the edge between two
// bins, so that the bars on one side of it are the ones that the verdict has counted.

import { z } from 'zod'
import type { Standing } from './tested.ts'

/** Bins between the best and the worst; the edge at the real draw may cost two more. */
const binsAcross = 40

export const DrawPicture = z.object({
  /** How bad the real draw looks: by how many standard errors it lies above the margin. */
  real: z.number(),
  /** The first bin's lower edge, and the width of each, in standard errors above the margin. */
  from: z.number(),
  width: z.number(),
  /** Other draws in each bin, from those that look best. */
  counts: z.array(z.number().int()).max(binsAcross + 2),
  /** The first bin that looks at least as bad as the real draw; the number of bins where none does. */
  asBadFrom: z.number().int(),
  /** Draws in that bin that look just like the real one: they count as bad, and as good. */
  equal: z.number().int(),
})
export type DrawPicture = z.infer<typeof DrawPicture>

export function drawPicture({ real, worseBy }: Standing): DrawPicture {
  let best = 0
  let worst = 0
  let equal = 0
  let bad = 0
  for (const by of worseBy) {
    best = Math.min(best, by)
    worst = Math.max(worst, by)
    if (by >= 0) bad++
    if (by === 0) equal++
  }
  // nothing across: one bin of any width
  const width = (worst - best) / binsAcross || 1
  const asBadFrom = Math.ceil(-best / width)
  const binsBad = bad === 0 ? 0 : Math.floor(worst / width) + 1
  const counts = new Array<number>(asBadFrom + binsBad).fill(0)
  for (const by of worseBy) {
    const bin =
      by < 0
        ? Math.max(0, asBadFrom - 1 - Math.floor(-by / width))
        : asBadFrom + Math.min(binsBad - 1, Math.floor(by / width))
    counts[bin] = (counts[bin] ?? 0) + 1
  }
  return { real, from: real - asBadFrom * width, width, counts, asBadFrom, equal }
}
