// The verdicts `decide` asks for, with the evidence read beforehand: the seam between engine and evidence. A stage is
// looked at when a look is due; between looks the last verdict stands, save for what needs no share of the error budget
// (failed installations) and for devices that fall silent together.

import { setImmediate as letOthers } from 'node:timers/promises'
import type { BlobStore } from '../storage/blobs.ts'
import type { Database, Reader, Statement } from '../storage/database.ts'
import { stagesJudged, timeLimitOf, watchedStage } from './decide.ts'
import type { EvidenceContext } from './evidence/gate-evidence.ts'
import { gather, openingOf, type Reading, readingOf, type Watched } from './evidence/gather.ts'
import { gateVerdict, inputsOf, type StageInputs, type StageVerdict, stageVerdict } from './evidence/judge.ts'
import { loadDeviceCounts } from './evidence/load.ts'
import { lastLookOf, lookStatement, nextLookOf } from './evidence/looks.ts'
import { installationsOf, stageContext } from './evidence/stage-context.ts'
import { lookDue } from './gates/looks.ts'
import type { GateVerdict } from './gates/verdict.ts'
import { observe } from './observe.ts'
import { type Action, gatesOf, type Judge, pendingStage } from './states.ts'
import { membersCount, type RolloutRow, rolloutById, stagesOf } from './store.ts'
import type { Loaded } from './view.ts'

/** Adds up what has come in for the stage that the rollout is at, before it is looked at.
 *  @returns whether all is added up: if not, no look is due yet */
export async function gatherFor(database: Database, id: string, nowMs: number): Promise<boolean> {
  const stored = await rolloutById(database, id)
  if (stored === undefined || stored.plan === null) return true
  const row = { ...stored, plan: stored.plan }
  const stages = await stagesOf(database, id)
  const views = stages.map(({ idx, name, state, admitting_since }) => ({
    ...pendingStage(idx, name),
    state,
    admittingSince: admitting_since,
  }))
  const stage = watchedStage({ state: row.state, stages: views })
  if (stage === undefined || stage.admittingSince === null) return true
  const watched = await watchedOf(database, row, stage.index, stage.admittingSince)
  return gather(database, watched, nowMs)
}

async function watchedOf(
  reader: Reader,
  { id, deployment, plan }: RolloutRow,
  stage: number,
  sinceMs: number,
): Promise<Watched> {
  return {
    rollout: id,
    deployment,
    devices: await membersCount(reader, id),
    stage,
    opening: await openingOf(reader, id, stage),
    sinceMs,
    gates: plan.stages.flatMap((_, i) => gatesOf(plan, i)),
  }
}

/** `judge` answers from what was read. `record`: the look as it is stored, in the transaction that stores what was decided
 *  by it: where it was due, and where something was decided by what it said. */
export type Judging = { judge: Judge; record: (actions: readonly Action[]) => Promise<Statement[]> }

/** @param isRead whether `gatherFor` has added up all there is */
export async function judgingOf(
  tx: Reader,
  blobs: Pick<BlobStore, 'read'>,
  rollout: Loaded,
  nowMs: number,
  isRead: boolean,
): Promise<Judging> {
  const looks = new Map<number, StageLook>()
  const next = await nextLookOf(tx, rollout.row.id)
  for (const index of stagesJudged(rollout.view, nowMs)) {
    const look = await stageLook(tx, blobs, rollout, index, { nowMs, isRead, record: next + looks.size })
    if (look !== undefined) looks.set(index, look)
  }
  return {
    judge: (index) => looks.get(index)?.verdict ?? { outcome: 'undecided', gates: [] },
    record: async (actions) => {
      const decisive = new Set(
        actions.flatMap((action) => (action.do === 'stage' && action.verdict ? [action.index] : [])),
      )
      const kept = [...looks].filter(([index, look]) => look.isDue || decisive.has(index))
      return Promise.all(
        kept.map(([, { opening, inputs, verdict }]) => lookStatement(rollout.row.id, opening, inputs, verdict)),
      )
    },
  }
}

type StageLook = { opening: number; isDue: boolean; inputs: StageInputs; verdict: StageVerdict }

/** By the devices as `decide` observes them at that time. */
async function stageLook(
  tx: Reader,
  blobs: Pick<BlobStore, 'read'>,
  { row, stages, members, view }: Loaded,
  index: number,
  { nowMs, isRead, record }: { nowMs: number; isRead: boolean; record: number },
): Promise<StageLook | undefined> {
  const { plan } = row
  const { admitting_since: sinceMs = null, baking_since: bakingSince = null } = stages[index] ?? {}
  const planned = plan.stages[index]
  if (sinceMs === null || planned === undefined) return undefined
  const watched = await watchedOf(tx, row, index, sinceMs)
  const reading = await readingOf(tx, row.id)
  const last = await lastLookOf(tx, row.id, index, watched.opening)
  const isCounted = isRead && reading?.stage === index && reading.opening === watched.opening
  const timeLimitMs = timeLimitOf(plan, index)
  const elapsedMs = nowMs - sinceMs
  const times = {
    bakeMs: planned.bakeMs,
    timeLimitMs,
    ...(bakingSince === null ? {} : { admittedMs: bakingSince - sinceMs }),
  }
  const done = last?.verdict.look?.number ?? 0
  const due = isCounted ? lookDue(elapsedMs, done, times) : undefined
  const gates = gatesOf(plan, index)
  const devices = {
    watched,
    reading: reading ?? unread(nowMs),
    gates,
    mode: planned.mode,
    members,
    views: view.devices,
    nowMs,
  }
  const counts = await loadDeviceCounts(tx, blobs, devices, due !== undefined)
  const comparable = members.some(({ previous, target }) => previous !== null && previous !== target)
  const observed = view.devices.map((device) => observe(device, plan, nowMs))
  const evidence: EvidenceContext = {
    mode: planned.mode,
    samplesMin: plan.samplesMin,
    comparable,
    installations: installationsOf(observed, index),
  }
  const inputs = inputsOf(
    {
      gates,
      seed: row.id,
      context: stageContext(plan, index),
      look: { number: due ?? done, fraction: Math.min(1, Math.max(0, elapsedMs / timeLimitMs)), at: nowMs, record },
      before: last?.verdict,
      stageBefore: stages[index - 1]?.verdict ?? undefined,
      isDue: due !== undefined,
      evidence,
    },
    counts(observed),
  )
  return { opening: watched.opening, isDue: due !== undefined, inputs, verdict: await verdictOf(inputs) }
}

/** Gate by gate; between them the hub does what else there is to do. */
async function verdictOf(inputs: StageInputs): Promise<StageVerdict> {
  const verdicts: GateVerdict[] = []
  for (const place of inputs.gates.keys()) {
    await letOthers()
    verdicts.push(gateVerdict(inputs, place))
  }
  return stageVerdict(inputs, verdicts)
}

/** Nothing has been added up yet. */
const unread = (nowMs: number): Reading => ({
  stage: -1,
  opening: 0,
  last_window: 0,
  past_after: 0,
  past_until: 0,
  listening_since: nowMs,
  listened_at: nowMs,
  shift_ms: 0,
})
