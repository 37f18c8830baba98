// Latency as counts in logarithmic bins (1 % relative error), after DDSketch (Masson, Rim, Lee, VLDB 2019).

import { z } from 'zod'

/** `bins` are pairs [index, count], rising by index, at most 1,024 of them; microseconds. */
export const LatencyCounts = z.object({
  bins: z.array(z.tuple([z.number().int(), z.number().int().positive()])).max(1024),
  count: z.number().int().nonnegative(),
  sumUs: z.number().nonnegative(),
})
export type LatencyCounts = z.infer<typeof LatencyCounts>
