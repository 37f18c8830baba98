// What a gate is judged by: plain data, one entry a device (or a device and a stretch of time), in the metric's own unit.
// Which way is worse, logarithms and margins are the judge's; who assembles this only counts.

/** One device in a comparison of canary and control. */
export type Unit = {
  device: string
  /** Within which the draw was made: redraws swap devices of one stratum only. Profile, site, and whether it was
   *  connected when the stages were drawn, because the draw preferred those. */
  stratum: string
  /** Runs the new version. */
  treated: boolean
  /** Since the stage began to admit: share of errors, microseconds, share of right answers, 1 if silent … */
  value: number
  /** The same figure of the same device before the rollout; null where it has none. */
  before: number | null
  /** Inferences, labels or reports behind `value`. */
  weight: number
}

/** Both versions on the same inputs on one device in one stretch of time (shadow). */
export type Pair = {
  device: string
  /** Start of the stretch, in milliseconds. */
  block: number
  /** In the unit of `Unit.value`. Where only the difference is known (agreement, outputs): the difference, and 0 for the
   *  primary. For agreement: the share that agreed, and 1. */
  candidate: number
  primary: number
  /** Pairs of inferences behind it. */
  weight: number
}

/** A device window by window, for fleets too small to redraw. All devices of a gate share one grid: the same index is the
 *  same window, null where the device reported nothing. `since` begins where the stage began to admit. */
export type Blocks = {
  device: string
  treated: boolean
  before: readonly (number | null)[]
  since: readonly (number | null)[]
}

export type Excluded = { device: string; why: string }

/** Devices of the stages so far. `failed`: of those that accepted, failed to install it, took it back, or lose their runtime
 *  to it again and again, acknowledged ones included. `tookBack`, `died`: so many of them, without the acknowledged.
 *  `refused`: said that it does not fit. `acknowledged`: failures an operator has seen and resumed after. */
export type Installations = {
  assigned: number
  accepted: number
  failed: number
  tookBack: number
  died: number
  refused: number
  acknowledged: number
}

export type GateEvidence =
  /** `blocks` only where at most `blockDevicesMax` devices take part. */
  | {
      kind: 'comparison'
      units: readonly Unit[]
      pairs: readonly Pair[]
      blocks: readonly Blocks[]
      excluded: readonly Excluded[]
    }
  | ({ kind: 'counts' } & Installations)
  /** Nothing to judge by yet: too few samples, nobody has reported. */
  | { kind: 'none'; why: string }
  /** There will never be anything to compare with: no device of the rollout ran another version before. Passes. */
  | { kind: 'incomparable'; why: string }

export const blockDevicesMax = 40
