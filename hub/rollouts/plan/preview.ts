// A dry run: who would be in which stage and why, how long it should take, how many bytes, what its gates could see, and
// what is doubtful. The same draw and the same checks as a start; nothing is stored.

import { z } from '@hono/zod-openapi'
import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import { Problem } from '../../problem.ts'
import { manifestByDigest } from '../../registry/store.ts'
import type { Reader } from '../../storage/database.ts'
import { approvalsInDoubt } from '../approvers.ts'
import { gateMetrics } from '../metrics/list.ts'
import { type Checked, checkPlan, Finding } from './check.ts'
import { defaultPlanFor } from './default-plan.ts'
import { type Drawn, drawStages } from './draw.ts'
import { standings } from './line.ts'
import { type Asker, type Membership, membershipOf, type Skipped } from './membership.ts'
import { refusalsInSight } from './misfits.ts'
import { pastOf } from './past.ts'
import { type NewRollout, RolloutPlan, reachOf, stageModes } from './plan.ts'
import { assumedInstallMs, stageTimings } from './timing.ts'
import { transfers } from './transfer.ts'

export const membersShownMax = 10_000
const skippedShownMax = 1_000

const Bytes = z.object({
  perDevice: z.object({ least: z.number(), most: z.number() }),
  /** All devices, each for itself, as over HTTP. */
  apart: z.number(),
  /** Published once to all who want it, as over MQTT. */
  broadcast: z.number(),
})

const Stage = z.object({
  name: z.string(),
  mode: z.enum(stageModes),
  reach: z.string(),
  /** Devices that get the version in it, as shadow or to serve. */
  devices: z.number().int(),
  strata: z.record(z.string(), z.number().int()),
  hold: z.boolean(),
  approvals: z.number().int(),
  /** Since the start, milliseconds: begins, all installed, passes (at the earliest); it pauses after so long in it. */
  beginsMs: z.number(),
  installedMs: z.number(),
  passesMs: z.number(),
  timeLimitMs: z.number(),
  bytes: Bytes,
  gates: z.array(
    z.object({
      metric: z.enum(gateMetrics),
      /** What a person calls it: `latency p95`, `metric torque`. */
      label: z.string(),
      method: z.enum(['counts', 'redraw', 'blocks', 'paired', 'none']),
      /** The smallest effect it would see, in the metric's unit; null where nobody can say. */
      sees: z.number().nullable(),
      sentence: z.string(),
    }),
  ),
})

const PreviewedDevice = z.object({
  device: z.string(),
  /** The first stage it takes part in, and the one from which the version answers there. */
  stage: z.string(),
  servesFrom: z.string(),
  why: z.string(),
  stratum: z.string(),
  rank: z.number(),
  place: z.number().int(),
  standing: z.enum(standings),
  variant: z.string(),
  target: z.string(),
  previous: z.string().nullable(),
})

export const Preview = z
  .object({
    /** Start it with this id, and the draw is this one. */
    id: z.string(),
    model: z.string(),
    version: z.number().int(),
    deployment: z.string(),
    group: z.string(),
    query: z.string(),
    plan: RolloutPlan,
    devices: z.number().int(),
    stages: z.array(Stage),
    bytes: Bytes,
    /** Least time from start to completion, without the time that people take; an installation counts as a minute. */
    durationMs: z.number(),
    assumedInstallMs: z.number(),
    /** In the order of the line; the first ten thousand, or as many as were asked for. */
    members: z.array(PreviewedDevice),
    skipped: z.array(z.object({ device: z.string(), profile: z.string(), why: z.string() })),
    skippedCount: z.number().int(),
    supersedes: z.array(z.string()),
    warnings: z.array(Finding),
  })
  .openapi('RolloutPreview')
export type Preview = z.infer<typeof Preview>

/** As it was asked for; whether as a draft makes no difference. */
export type WantedDraw = Omit<NewRollout, 'draft'>

export type Prepared = Checked & { plan: RolloutPlan; membership: Membership; drawn: Drawn[] }

/** Membership, draw and checks: what a start and a dry run have in common.
 *  @throws Problem where it cannot start, saying why and what to do */
export async function prepareDraw(
  reader: Reader,
  id: string,
  wanted: WantedDraw,
  asker: Asker,
  nowMs: number,
): Promise<Prepared> {
  const membership = await membershipOf(reader, wanted, asker, nowMs)
  const shadowable = membership.candidates.filter(({ replaces, standing }) => replaces && standing !== 'aside').length
  const plan = wanted.plan ?? defaultPlanFor(membership.candidates.length, shadowable)
  const drawn = drawStages(id, membership.candidates, plan.stages)
  if ('refused' in drawn) throw cannotBeMet({ code: drawn.refused, field: `plan.${drawn.field}`, detail: drawn.detail })
  const past = await pastOf(reader, membership.deployment, membership.before, nowMs)
  const checked = checkPlan(plan, drawn, membership, past, nowMs)
  const [refusal] = checked.refusals
  if (refusal !== undefined) throw cannotBeMet(refusal, checked.refusals)
  const unapproved = await approvalsInDoubt(reader, plan, wanted.model, asker, nowMs)
  const refusing = await refusalsInSight(reader, membership)
  return { ...checked, warnings: [...checked.warnings, ...refusing, ...unapproved], plan, membership, drawn }
}

function cannotBeMet({ code, field, detail }: Finding, all: readonly Finding[] = []): Problem {
  const errors = all.map((finding) => ({ field: finding.field ?? '', detail: finding.detail }))
  return new Problem(422, code, 'The plan cannot be met', detail, {
    ...(field === undefined ? {} : { field }),
    ...(errors.length > 1 ? { members: { errors } } : {}),
  })
}

/** @param membersShown so many devices are named; all are counted */
export async function previewRollout(
  reader: Reader,
  id: string,
  wanted: WantedDraw,
  asker: Asker,
  nowMs: number,
  membersShown = membersShownMax,
): Promise<Preview> {
  const prepared = await prepareDraw(reader, id, wanted, asker, nowMs)
  const { plan, membership, drawn, sights, warnings } = prepared
  const manifests = await manifestsOf(reader, membership)
  const byDevice = new Map(membership.candidates.map((candidate) => [candidate.device, candidate]))
  const targetOf = (device: string) => membership.targets.get(byDevice.get(device)?.profile ?? '')
  const previousOf = (device: string) => manifests.get(membership.before.get(device) ?? '')
  const zones = new Map(
    membership.candidates.flatMap(({ device, timezone }) => (timezone === undefined ? [] : [[device, timezone]])),
  )
  const timings = stageTimings(plan, drawn, zones, nowMs)
  const bytes = transfers(plan.stages.length, drawn, (device) => targetOf(device)?.manifest, previousOf)
  const nameOf = (stage: number) => plan.stages[stage]?.name ?? ''
  return {
    id,
    model: wanted.model,
    version: wanted.version,
    deployment: membership.deployment,
    group: membership.group.name,
    query: membership.group.query,
    plan,
    devices: drawn.length,
    stages: plan.stages.map((stage, i) => {
      const members = drawn.filter((device) => device.stage === i || device.servesFrom === i)
      const strata = Map.groupBy(members, ({ stratum }) => stratum)
      return {
        name: stage.name,
        mode: stage.mode,
        reach: reachOf(stage),
        devices: members.length,
        strata: Object.fromEntries([...strata].map(([stratum, of]) => [stratum, of.length])),
        hold: stage.hold,
        approvals: stage.approvals,
        ...(timings[i] ?? { beginsMs: 0, installedMs: 0, passesMs: 0, timeLimitMs: 0 }),
        bytes: bytes[i] ?? nothing,
        gates: (sights[i] ?? []).map(({ blind: _, ...sight }) => sight),
      }
    }),
    bytes: bytes.reduce(together, nothing),
    durationMs: timings.at(-1)?.passesMs ?? 0,
    assumedInstallMs,
    members: drawn.slice(0, membersShown).map((device) => {
      const { stage, servesFrom, ...placed } = device
      return {
        ...placed,
        stage: nameOf(stage),
        servesFrom: nameOf(servesFrom),
        why: whyIn(plan, drawn.length, device),
        variant: targetOf(device.device)?.manifest.variant ?? '',
        target: targetOf(device.device)?.digest ?? '',
        previous: membership.before.get(device.device) ?? null,
      }
    }),
    skipped: membership.skipped
      .slice(0, skippedShownMax)
      .map((one) => ({ device: one.device, profile: one.profile, why: whySkipped(one, wanted) })),
    skippedCount: membership.skipped.length,
    supersedes: membership.supersedes,
    warnings,
  }
}

/** Why a device is in its stage: `place 3 of 40 in line; canary takes 10 %`. */
export function whyIn(
  plan: RolloutPlan,
  devices: number,
  { stage, servesFrom, place, standing, stratum, rank }: Drawn,
): string {
  const takes = (index: number) => {
    const planned = plan.stages[index]
    if (planned === undefined) return ''
    return `${planned.name} takes ${planned.where === undefined ? `the first up to ${reachOf(planned)}` : `those with ${planned.where}`}`
  }
  const standingWords = {
    present: 'connected',
    away: 'not connected, so behind those that are',
    aside: 'put aside after three failures, so behind all others',
  }
  const shadow = stage < servesFrom ? `${takes(stage)} of those that run another version; ` : ''
  return `place ${place} of ${devices} in line (${standingWords[standing]}; hash ${rank.toFixed(4)} within ${stratum}); ${shadow}${takes(servesFrom)}`
}

export const whySkipped = (one: Skipped, { model, version }: Pick<NewRollout, 'model' | 'version'>): string =>
  one.kind === 'held' ? `${one.by} is active on it` : `${model} ${version} has no variant for profile ${one.profile}`

const nothing: z.infer<typeof Bytes> = { perDevice: { least: 0, most: 0 }, apart: 0, broadcast: 0 }

const together = (a: z.infer<typeof Bytes>, b: z.infer<typeof Bytes>): z.infer<typeof Bytes> => ({
  perDevice: {
    least:
      a.perDevice.most === 0
        ? b.perDevice.least
        : b.perDevice.most === 0
          ? a.perDevice.least
          : Math.min(a.perDevice.least, b.perDevice.least),
    most: Math.max(a.perDevice.most, b.perDevice.most),
  },
  apart: a.apart + b.apart,
  broadcast: a.broadcast + b.broadcast,
})

/** What devices run now, by digest: few bundles among many devices. */
async function manifestsOf(reader: Reader, { before }: Membership): Promise<Map<string, Manifest>> {
  const found = new Map<string, Manifest>()
  for (const digest of new Set(before.values())) {
    const known = await manifestByDigest(reader, digest)
    if (known !== undefined) found.set(digest, known.manifest)
  }
  return found
}
