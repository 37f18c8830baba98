// What this device would say to somebody who stands beside it: status.json, written while the agent runs whenever it says
// something new. Read by `roost-agent status`, and by the next agent for how long this device was without its hub.

import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FailureReason, ProgressState } from '@roost/shared/protocol/progress.ts'
import { z } from 'zod'
import { isDamaged, isMissing, systemCode } from '../durable-file.ts'
import type { Link } from '../link/link.ts'
import type { Outbox } from '../outbox/outbox.ts'
import { bundleOf, keyOf } from '../reconcile/bundle-set.ts'
import type { Reconciler } from '../reconcile/reconciler.ts'
import type { Runtimes } from './runtimes.ts'

const DeploymentStatus = z.object({
  deployment: z.string(),
  model: z.string(),
  version: z.number(),
  /** `current`: proven. Otherwise the candidate's phase. */
  state: z.enum(['current', 'activating', 'probation']),
  serving: z.boolean(),
})

export const Status = z.object({
  device: z.string(),
  agent: z.string(),
  pid: z.number(),
  /** Of this page, ISO 8601, by the device's clock. */
  at: z.iso.datetime(),
  running: z.boolean(),
  servingUrl: z.string(),
  hub: z.string(),
  connected: z.boolean(),
  /** The broker knows this device or its secret no more: revoked, most likely. */
  refused: z.boolean(),
  /** No fresh answer of the hub for too long: an update may be withheld. */
  stale: z.boolean(),
  withoutAnswerMs: z.number(),
  generation: z.number(),
  deployments: z.array(DeploymentStatus),
  /** What runs beside them. `compared`: inputs repeated since it began. */
  shadows: z.array(
    z.object({
      deployment: z.string(),
      model: z.string(),
      version: z.number(),
      sample: z.number(),
      state: z.enum(['trial', 'shadowing']),
      compared: z.number(),
    }),
  ),
  /** Rows that replays have fed to each deployment since the agent started. */
  replayed: z.record(z.string(), z.number()),
  /** The latest states of what the hub wishes. */
  progress: z.array(
    z.object({
      deployment: z.string(),
      manifest: z.string(),
      attempt: z.number(),
      /** Absent: of the primary. */
      role: z.literal('shadow').optional(),
      state: ProgressState,
      reason: FailureReason.optional(),
    }),
  ),
  outbox: z.object({
    epoch: z.string(),
    head: z.number(),
    /** Confirmed by the hub up to here. */
    tail: z.number(),
    sizeBytes: z.number(),
    waiting: z.number(),
    failing: z.string().optional(),
  }),
})
export type Status = z.infer<typeof Status>

export const statusPath = (folder: string) => join(folder, 'status.json')

/** Undefined where there is none, or none that can be read: nothing depends on it. */
export async function readStatus(folder: string): Promise<Status | undefined> {
  try {
    return Status.safeParse(JSON.parse(await readFile(statusPath(folder), 'utf8'))).data
  } catch (error) {
    if (isMissing(error) || isDamaged(error) || error instanceof SyntaxError) return undefined
    throw error
  }
}

export type StatusParts = {
  folder: string
  device: string
  agent: string
  servingUrl: string
  hub: string
  /** Monotonic milliseconds. */
  now: () => number
  wallClock: () => number
  link: Pick<Link, 'isUp' | 'isRefused' | 'isStale' | 'withoutAnswerMs'>
  reconciler: Pick<Reconciler, 'slots'>
  runtimes: Pick<Runtimes, 'all' | 'replayed'>
  outbox: Pick<Outbox, 'epoch' | 'head' | 'tail' | 'state'>
}

const lookEveryMs = 1_000
/** The page is written so often also where only time has passed. */
const refreshMs = 30_000

/** Keeps the page true until it is closed; then it says that the agent does not run. */
export function keepStatus(parts: StatusParts): { close: () => Promise<void> } {
  let said = ''
  let saidAt = 0
  let writing = Promise.resolve()
  const look = () => {
    const status = statusOf(parts)
    const news = JSON.stringify({ ...status, at: '', withoutAnswerMs: 0 })
    if (news === said && parts.now() - saidAt < refreshMs) return
    said = news
    saidAt = parts.now()
    writing = writing.then(() => writeStatus(parts.folder, status))
  }
  // at once: whoever starts after a kill knows by it that there was one
  look()
  const timer = setInterval(look, lookEveryMs)
  return {
    close: async () => {
      clearInterval(timer)
      await writing
      await writeStatus(parts.folder, { ...statusOf(parts), running: false, connected: false })
    },
  }
}

function statusOf({
  device,
  agent,
  servingUrl,
  hub,
  wallClock,
  link,
  reconciler,
  runtimes,
  outbox,
}: StatusParts): Status {
  const { slots } = reconciler
  const serving = runtimes.all().find(({ phase }) => phase === 'serving')
  const running = slots.candidate ?? slots.current
  const { sizeBytes, waiting, failing } = outbox.state
  return {
    device,
    agent,
    pid: process.pid,
    at: new Date(wallClock()).toISOString(),
    running: true,
    servingUrl,
    hub,
    connected: link.isUp,
    refused: link.isRefused,
    stale: link.isStale,
    withoutAnswerMs: Math.round(link.withoutAnswerMs),
    generation: slots.generation,
    deployments: running.bundles.map(({ deployment, manifest, model, version }) => ({
      deployment,
      model,
      version,
      state:
        bundleOf(slots.current, deployment)?.manifest === manifest ? 'current' : (slots.candidate?.phase ?? 'current'),
      serving: serving?.key === keyOf(running),
    })),
    shadows: runtimes.all().flatMap(({ phase, shadows = [], observed }) =>
      (phase === 'loading' || phase === 'ready' ? shadows : []).map(({ deployment, model, version, sample }) => {
        const { ok, error } = observed.get(deployment) ?? { ok: 0, error: 0 }
        const state = phase === 'ready' ? 'shadowing' : 'trial'
        return { deployment, model, version, sample, state, compared: ok + error }
      }),
    ),
    replayed: runtimes.replayed,
    progress: slots.progress.map(({ deployment, manifest, attempt, role, state, reason }) => ({
      deployment,
      manifest,
      attempt,
      ...(role && { role }),
      state,
      ...(reason === undefined ? {} : { reason }),
    })),
    outbox: {
      epoch: outbox.epoch,
      head: outbox.head,
      tail: outbox.tail,
      sizeBytes,
      waiting,
      ...(failing && { failing }),
    },
  }
}

/** Replaces it, without forcing it to disk: a page a second would wear out a flash card for nothing. A disk that refuses
 *  it costs only the news. */
async function writeStatus(folder: string, status: Status): Promise<void> {
  const path = statusPath(folder)
  try {
    await writeFile(`${path}.new`, `${JSON.stringify(status, null, 1)}\n`, { mode: 0o600 })
    await rename(`${path}.new`, path)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
  }
}
