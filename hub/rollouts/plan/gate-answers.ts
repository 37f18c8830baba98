// What happens when a gate fails, and when it cannot say.

import { z } from 'zod'

/** What happens when a gate fails: everything goes back, only the devices of this stage go back, or a person decides. */
export const OnFail = z.enum(['rollback', 'rollback_stage', 'pause'])
export type OnFail = z.infer<typeof OnFail>

/** What happens when a gate still cannot say at the stage's time limit. It never advances. */
export const OnUndecided = z.enum(['pause', 'rollback'])
export type OnUndecided = z.infer<typeof OnUndecided>

/** A gate's own answers to failing and to not knowing; without them the stage's, then the plan's. */
export const answers = { onFail: OnFail.optional(), onUndecided: OnUndecided.optional() }

/** Share of something, 0 to 1. */
export const Share = z.number().min(0).max(1)
