// What a rollout is called. The draw depends on it, so that a dry run can name the rollout whose draw it shows.

import { z } from 'zod'
import type { Hub } from '../../hub.ts'

export const RolloutId = z
  .string()
  .regex(/^r-[0-9a-z]{9}-[0-9a-f]{10}$/, 'a rollout is called as a dry run names it: r-…')

/** Rises with time, so that newest first is by id; 40 random bits tell apart what starts in one millisecond. */
export function rolloutId({ clock, random }: Pick<Hub, 'clock' | 'random'>): string {
  const time = clock().toString(36).padStart(9, '0')
  return `r-${time}-${Buffer.from(random(5)).toString('hex')}`
}
