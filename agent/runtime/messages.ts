// What the control process and a runtime process say to each other over Node's IPC channel (structured clone).
// Both sides parse what they receive: the runtime runs strangers' models, so control trusts none of its words unread.

import { Manifest } from '@roost/shared/bundle/manifest.ts'
import { DeploymentName, Digest, Milliseconds } from '@roost/shared/protocol/names.ts'
import { FailureReason } from '@roost/shared/protocol/progress.ts'
import { DeviceEvent, WindowReport } from '@roost/shared/protocol/records.ts'
import { z } from 'zod'
import { Batch, TapSpec } from './shadow/pairs.ts'

const Count = z.number().int().nonnegative()

export const deploymentsMax = 64

/** One deployment's bundle: its verified manifest and where its verified files lie. `digest` names the manifest. */
export const LoadedBundle = z.object({
  deployment: DeploymentName,
  digest: Digest,
  manifest: Manifest,
  /** Of a sealed bundle: what its files are decrypted with, in the runtime's memory. Never logged. */
  contentKey: z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === 32).optional(),
  files: z.object({
    model: z.string(),
    features: z.string().optional(),
    baseline: z.string().optional(),
    golden: z.string().optional(),
  }),
})
export type LoadedBundle = z.infer<typeof LoadedBundle>

/** How fast recorded rows are fed: as fast as they are answered, by their own time field, or one every so often. */
export const ReplayPace = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('unpaced') }),
  z.object({ kind: z.literal('recorded'), speed: z.number().positive() }),
  z.object({ kind: z.literal('every'), intervalMs: z.number().positive() }),
])
export type ReplayPace = z.infer<typeof ReplayPace>

/** A file of recorded rows (.csv with a header line, or .jsonl) that feeds one deployment while its runtime serves. */
export const ReplaySource = z.object({
  deployment: DeploymentName,
  path: z.string(),
  pace: ReplayPace,
  /** Starts over at the end of the file; positions go on rising. */
  repeat: z.boolean(),
})
export type ReplaySource = z.infer<typeof ReplaySource>

/** Rows fed so far, by deployment. A runtime that takes over is given the last ones told, and feeds each row once. */
export const ReplayPositions = z.record(DeploymentName, Count)
export type ReplayPositions = z.infer<typeof ReplayPositions>

export const ServingOptions = z.object({
  /** A request body longer than this is answered with 413. */
  bodyBytesMax: z.number().int().positive(),
  /** Threads of one inference (onnxruntime's intraOpNumThreads). */
  threads: z.number().int().positive().max(64),
})
export type ServingOptions = z.infer<typeof ServingOptions>

export const ControlMessage = z.discriminatedUnion('kind', [
  /** Once, after `up`. No bundles: the runtime serves and knows no model. */
  z.object({
    kind: z.literal('load'),
    /** `shadow`: it repeats what a primary was asked, and answers nobody. */
    role: z.enum(['primary', 'shadow']),
    generation: Count,
    bundles: z.array(LoadedBundle).max(deploymentsMax),
    serving: ServingOptions,
    replay: z.array(ReplaySource).max(deploymentsMax),
  }),
  /** Comes with the listening handle. May come again after `release`: that is a rollback. */
  z.object({ kind: z.literal('serve'), positions: ReplayPositions }),
  z.object({ kind: z.literal('release') }),
  /** To what serves: these deployments, and no others, hand their inferences to a shadow from now on. */
  z.object({ kind: z.literal('tap'), taps: z.array(TapSpec).max(deploymentsMax) }),
  /** To what serves: the shadow of the deployment is done with the last batch. */
  z.object({ kind: z.literal('more-pairs'), deployment: DeploymentName }),
  /** To a shadow. */
  z.object({ kind: z.literal('pairs'), batch: Batch }),
  /** Answer what is held, report the open windows, leave. After `graceMs` it leaves in any case. */
  z.object({ kind: z.literal('stop'), graceMs: Milliseconds }),
  /** Close and report the open windows now. */
  z.object({ kind: z.literal('report-now') }),
])
export type ControlMessage = z.infer<typeof ControlMessage>

/** `slow`: those of `ok` and `error` that took longer than the manifest's `inferenceMs`, waiting for their turn not counted. */
export const InferenceCounts = z.object({ ok: Count, error: Count, refused: Count, slow: Count })
export type InferenceCounts = z.infer<typeof InferenceCounts>

/** How one bundle did in its trial. */
export const TrialResult = z.object({
  deployment: DeploymentName,
  digest: Digest,
  loadMs: z.number().nonnegative(),
  goldenMs: z.number().nonnegative(),
  vectors: Count,
  /** The slowest golden inference. */
  inferenceMsMax: z.number().nonnegative(),
  /** The fields of a record that its features read; absent where it takes no records. */
  fields: z.array(z.string()).max(1024).optional(),
})
export type TrialResult = z.infer<typeof TrialResult>

export const RuntimeMessage = z.discriminatedUnion('kind', [
  /** Alive, nothing loaded: control sets the memory limit now, on top of what the bare process has. */
  z.object({ kind: z.literal('up') }),
  /** Which bundle is being loaded and tried: the one to blame, should the process die now. */
  z.object({ kind: z.literal('trying'), deployment: DeploymentName, step: z.enum(['load', 'infer']) }),
  z.object({ kind: z.literal('trial-passed'), results: z.array(TrialResult).max(deploymentsMax), rssBytes: Count }),
  /** The runtime found that a bundle is no good; it waits to be stopped. */
  z.object({
    kind: z.literal('failed'),
    deployment: DeploymentName.optional(),
    reason: FailureReason,
    detail: z.string().max(500),
  }),
  z.object({ kind: z.literal('serving') }),
  /** No new connection and no further replay row is taken; answers still out are finished. */
  z.object({ kind: z.literal('released'), positions: ReplayPositions }),
  /** The answer to `stop`: all is answered and told, the process leaves now. */
  z.object({ kind: z.literal('stopped'), positions: ReplayPositions }),
  /** Several times a second. An inference that blocks the process shows as missing heartbeats. Counts since load. */
  z.object({
    kind: z.literal('heartbeat'),
    oldestInferenceMs: z.number().nonnegative(),
    counts: z.record(DeploymentName, InferenceCounts),
  }),
  /** The windows still open, whole and not as differences, with the positions that belong to them, before a second is over. */
  z.object({ kind: z.literal('checkpoint'), windows: z.array(WindowReport), positions: ReplayPositions }),
  /** A window has closed; it is no longer part of any checkpoint. */
  z.object({ kind: z.literal('window'), report: WindowReport, positions: ReplayPositions }),
  z.object({ kind: z.literal('event'), event: DeviceEvent }),
  /** Of what serves, for its shadow. */
  z.object({ kind: z.literal('pairs'), batch: Batch }),
  /** Of a shadow: a batch is finished. */
  z.object({ kind: z.literal('paired'), deployment: DeploymentName }),
])
export type RuntimeMessage = z.infer<typeof RuntimeMessage>
