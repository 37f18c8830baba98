// What the history keeps of a start besides the rollout itself, and in words who was left out.

import { z } from 'zod'
import { Finding } from './check.ts'

/** Older entries say neither why (it was the profile), how many, nor what was doubtful. */
const LeftOut = z.looseObject({ kind: z.enum(['profile', 'held']).default('profile'), by: z.string().optional() })

export const StartStory = z.object({
  query: z.string(),
  devices: z.number(),
  /** The first thousand of them. */
  skipped: z.array(LeftOut).default([]),
  skippedCount: z.number().optional(),
  supersedes: z.array(z.string()).default([]),
  warnings: z.array(Finding).default([]),
})
export type StartStory = z.infer<typeof StartStory>

/** `3 left out (2 have no signed variant for their profile, 1 is held by r-…)`; nothing where nobody was. */
export function leftOutWords({ skipped, skippedCount = skipped.length }: StartStory): string[] {
  if (skippedCount === 0) return []
  const held = skipped.filter(({ kind }) => kind === 'held')
  const unfit = skipped.length - held.length
  const rollouts = [...new Set(held.flatMap(({ by }) => by ?? []))]
  const reasons = [
    ...(unfit > 0 ? [`no signed variant fits the profile of ${unfit}`] : []),
    ...(held.length > 0 ? [`${rollouts.join(', ')} is active on ${held.length}`] : []),
  ]
  return [
    `${skippedCount} left out: ${reasons.join(', ')}${skippedCount > skipped.length ? ' of those looked at' : ''}`,
  ]
}
