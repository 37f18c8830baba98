// What the planner sees and what it may ask for, as plain data. plan.ts decides, execute.ts does.

import type { Digest } from '@roost/shared/protocol/names.ts'
import type { Bundle, BundleSet } from './bundle-set.ts'
import type { Observed, ProbationLimits } from './probation.ts'
import type { Note } from './progress.ts'
import type { ShadowBundle, ShadowSet } from './shadow-set.ts'
import type { Failure, Slots } from './slots.ts'
import type { Wish } from './target.ts'

export type FilesState =
  | { state: 'missing' }
  | { state: 'fetching' }
  | { state: 'present' }
  | { state: 'failed'; failure: Failure }

/** A runtime process. `ready`: its trial passed. `released`: it served, and keeps warm. `dead`: gone, not yet dealt with. */
export type RuntimeView = {
  id: number
  key: string
  phase: 'loading' | 'ready' | 'serving' | 'released' | 'stopping' | 'dead'
  /** Its trial passed at some time. */
  proven: boolean
  /** Why it died; undefined where it was told to. */
  failure: Failure | undefined
  /** When it last began to serve (monotonic ms). */
  servingSince: number | undefined
  observed: ReadonlyMap<string, Observed>
  /** What it runs beside the primary; undefined for a runtime that serves, or may. */
  shadows: readonly ShadowBundle[] | undefined
}

/** How starting a set went lately. `loadFailures`: in a row, without one passed trial. `notBefore`: monotonic ms. */
export type Tries = { loadFailures: number; crashes: number; notBefore: number; last: Failure }

/** Everything a decision rests on. Times are monotonic milliseconds: a device's wall clock may jump. */
export type Situation = {
  now: number
  slots: Slots
  wish: Wish | undefined
  filesOf: (manifest: Digest) => FilesState
  /** Why a candidate cannot be fed what the primary is fed, or not be compared with it, in words; undefined where it can. */
  misfitBeside: (candidate: Digest, primary: Digest) => string | undefined
  /** Manifests whose files are being fetched, without those that were cancelled. */
  fetching: readonly Digest[]
  runtimes: readonly RuntimeView[]
  tries: ReadonlyMap<string, Tries>
  /** The set that may be activated once confirmed: the runtime that passed its trial (none yet with `stop-start`),
   *  and how many hellos had been sent by then. */
  staged: { key: string; runtime: number | undefined; hello: number } | undefined
  /** Hellos sent so far by this process, and when the last one was. */
  hello: { count: number; at: number }
  connected: boolean
  switch: 'warm' | 'stop-start'
  probation: ProbationLimits
  /** No report can go into the outbox before this. */
  reportNotBefore: number
  /** Slots changed in memory and could not be written; the next try, and any activation, not before. */
  unsaved: boolean
  saveNotBefore: number
  /** Files of the current set that could not be had are not asked for again before this. */
  repairNotBefore: number
  /** The manifests whose files were last told to be kept. */
  kept: ReadonlySet<Digest>
}

export type Step =
  | { kind: 'note'; notes: readonly Note[]; places: ReadonlySet<string> }
  | { kind: 'report' }
  | { kind: 'save' }
  | { kind: 'download'; bundles: readonly Bundle[] }
  | { kind: 'repair'; bundles: readonly Bundle[] }
  | { kind: 'cancel-downloads'; manifests: readonly Digest[] }
  | { kind: 'keep-files'; manifests: ReadonlySet<Digest> }
  | { kind: 'start-runtime'; set: BundleSet }
  | { kind: 'serve'; runtime: number }
  | { kind: 'stop-runtime'; runtime: number }
  /** A runtime that died and decides nothing: remember it for the next start's delay. */
  | { kind: 'bury'; runtime: number }
  | { kind: 'stage'; key: string; runtime: number | undefined }
  | { kind: 'unstage' }
  | { kind: 'fail-trial'; set: BundleSet; failure: Failure; runtime: number | undefined }
  | { kind: 'confirm' }
  | { kind: 'activate'; set: BundleSet }
  | { kind: 'begin-probation' }
  | { kind: 'end-probation' }
  | { kind: 'withdraw' }
  | { kind: 'roll-back'; failure: Failure; runtime: number | undefined }
  | { kind: 'roll-back-late'; failure: Failure }
  | { kind: 'end-roll-back'; able: boolean }
  | { kind: 'start-shadow'; set: ShadowSet }
  | { kind: 'sample-shadow'; runtime: number; bundles: readonly ShadowBundle[] }
  | { kind: 'fail-shadow'; bundles: readonly ShadowBundle[]; failure: Failure; runtime: number | undefined }
