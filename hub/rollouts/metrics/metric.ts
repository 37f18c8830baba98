// What a gate metric is: each has a file in this folder that exports one of these, and a line in list.ts.

import type { Agreement } from '@roost/shared/protocol/records.ts'
import type { z } from 'zod'
import type { Counts, DeviceCounts } from '../evidence/counts.ts'
import type { Unit } from '../gates/evidence.ts'
import type { Scale } from '../gates/scale.ts'
import type { Past } from '../plan/past.ts'

/** In the metric's unit: share, microseconds, distance 0 … 1, or the application's own. `weight`: inferences, labels or
 *  values behind it. */
export type Figure = { value: number; weight: number }

/** Both versions on the same inputs, in the metric's unit; null where nothing is told. */
export type Paired = { candidate: number; primary: number; weight: number } | null

/** Told by what a window counts, device by device. */
export type CountedBy<G> = {
  by: 'windows'
  /** @param past what the device counted before; other figures than a distance do without
   *  @returns null where the counts say nothing of it */
  figure(gate: G, counts: Counts, past: Counts | null): Figure | null
  /** What a shadow tells pairwise. */
  paired(agreement: Agreement): Paired
  /** Why a shadow says nothing of it, where waiting for it, or failing by it, would be wrong. */
  notInShadow?: string
  /** Why there is no evidence where no device has any. */
  nothing?(gate: G): string
  /** Is a distance from the past: that of the past from itself is nothing in which devices could differ. */
  isFromPast?: true
}

export type ToldBy<G> =
  | CountedBy<G>
  /** By each device, whatever its windows count. */
  | { by: 'devices'; units(gate: G, devices: readonly DeviceCounts[]): Unit[] }
  /** By what two versions say to the same inputs, in shadow only. */
  | { by: 'pairs'; paired(agreement: Agreement): Paired }

/** Compared with what the others show. */
export type ComparingMetric<Name extends string, S extends z.ZodType> = {
  name: Name
  /** Of the gate in a plan: `metric`, margins with their defaults, and `...answers`. */
  schema: S
  /** Which way is worse, what the margin means there, how it reads in words. */
  scale(gate: z.output<S>): Scale
  told: ToldBy<z.output<S>>
  /** One value a device, in the metric's unit, of what it reported before: a dry run says by them what the gate could see.
   *  None where a dry run cannot tell. */
  usual(gate: z.output<S>, past: Past): number[]
}

/** Checks the parts against each other, and nothing else. */
export const comparing = <Name extends string, S extends z.ZodType>(
  metric: ComparingMetric<Name, S>,
): ComparingMetric<Name, S> => metric

export const share = (part: number, whole: number): Figure | null =>
  whole === 0 ? null : { value: part / whole, weight: whole }

export const pairOf = (candidate: Figure | null, primary: Figure | null): Paired =>
  candidate === null || primary === null
    ? null
    : { candidate: candidate.value, primary: primary.value, weight: candidate.weight }

/** A value of a record that came from elsewhere, by its own name only. */
export function ownOf<T>(values: Record<string, T> | undefined, name: string): T | undefined {
  return values !== undefined && Object.hasOwn(values, name) ? values[name] : undefined
}
