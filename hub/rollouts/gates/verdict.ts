// What a gate says, with everything a reader needs to see why: stored with each decision, shown to operators.

import { z } from 'zod'
import { gateMetrics } from '../metrics/list.ts'

export const Outcome = z.enum(['pass', 'fail', 'undecided'])
export type Outcome = z.infer<typeof Outcome>

const Figure = z.number().nullable()

/** Values of the statistic under the other draws, for a picture: equal bins from `from` to `to`, the gate's own unit. */
export const DrawHistogram = z.object({ from: z.number(), to: z.number(), counts: z.array(z.number().int()).max(64) })
export type DrawHistogram = z.infer<typeof DrawHistogram>

export const excludedMax = 100

export const GateVerdict = z.object({
  metric: z.enum(gateMetrics),
  /** What a person calls it: `latency p95`, `custom torque`. */
  label: z.string(),
  outcome: Outcome,
  /** Weighted means of both sides in the metric's unit (latency: geometric means). */
  canary: Figure,
  control: Figure,
  /** By how much the canary may be worse: in the metric's unit, for latency as a factor, for installation in devices. */
  margin: Figure,
  /** By how much the canary is worse (negative: better), corrected by the devices' own past, with the interval that holds
   *  over all looks of the stage: all margins that the tests of this look would neither fail nor pass. Same unit as
   *  `margin`. A bound is null where so few devices cannot give one. */
  difference: Figure,
  low: Figure,
  high: Figure,
  /** By how much the devices on the old version have moved from their own past, on the scale of the test (for latency a
   *  logarithm): what has hit all since then. Null where they were not compared with it. */
  moved: Figure,
  method: z.enum(['counts', 'redraw', 'paired', 'blocks', 'own_past', 'none']),
  /** Other draws made, and how many of them looked at least as bad and at least as good at the margin. */
  draws: z.number().int(),
  asBad: z.number().int(),
  asGood: z.number().int(),
  /** Of as many other draws: looked at least as bad if the new version changed nothing at all. */
  asBadUnchanged: z.number().int(),
  /** Levels of this look: to fail at the margin, to fail as worse than nothing, to pass. */
  alpha: z.object({ fail: z.number(), unchanged: z.number(), pass: z.number() }),
  /** Share of the stage's error budget gone after this look, 0 … 1. */
  spent: z.number(),
  histogram: DrawHistogram.optional(),
  devices: z.object({ canary: z.number().int(), control: z.number().int() }),
  excluded: z.array(z.object({ device: z.string(), why: z.string() })).max(excludedMax),
  sentence: z.string(),
})
export type GateVerdict = z.infer<typeof GateVerdict>

/** Of a verdict that rests on no comparison. */
export const noFigures = {
  canary: null,
  control: null,
  margin: null,
  difference: null,
  low: null,
  high: null,
  moved: null,
  method: 'none',
  draws: 0,
  asBad: 0,
  asGood: 0,
  asBadUnchanged: 0,
  alpha: { fail: 0, unchanged: 0, pass: 0 },
  spent: 0,
  devices: { canary: 0, control: 0 },
  excluded: [],
} satisfies Partial<GateVerdict>

/** When in a stage a gate is judged. */
export type Look = {
  /** 1, 2, … in this stage. */
  number: number
  /** Share of the stage's time limit that is gone, 0 … 1. */
  fraction: number
  /** This gate's verdict at the look before. */
  before: GateVerdict | undefined
  /** `moved` at the last look of the stage before; null where there was none. */
  moved: number | null
}

/** What the error budget of the rollout is shared over. */
export type StageContext = {
  /** Gates of this stage that compare (all but installation). */
  gates: number
  /** Stages of the plan, and which of them this is, from 0. */
  stages: number
  index: number
  /** Every device of the rollout is in it: nobody is left to compare with. */
  isLast: boolean
  mode: 'shadow' | 'canary' | 'full'
}
