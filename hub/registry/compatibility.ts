// What each device profile is expected to make of a variant.

import { z } from 'zod'

export const Compatibility = z.object({
  /** Median of one inference at the hub; null where it was not run. */
  hubLatencyMs: z.number().nullable(),
  profiles: z.array(
    z.object({
      profile: z.string(),
      /** `cannot-run`: it certainly will not. `unlikely`: an estimate says so. */
      verdict: z.enum(['fits', 'unlikely', 'cannot-run']),
      reasons: z.array(z.string()),
      /** Estimates; null where the shapes or a measurement do not give one. */
      memoryBytes: z.number().nullable(),
      latencyMs: z.number().nullable(),
    }),
  ),
})
export type Compatibility = z.infer<typeof Compatibility>

export const unknownCompatibility: Compatibility = { hubLatencyMs: null, profiles: [] }
