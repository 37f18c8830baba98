// What the reasons of a device's deployments are made of, read where each fact lies: wishes, reports, rollouts that
// had the device, what people did to it by hand, promotions.

import { FailureReason, ProgressState } from '@roost/shared/protocol/progress.ts'
import { z } from 'zod'
import { type DesiredRow, desiredOf } from '../fleet/desired.ts'
import { namesOfTokens, withNames } from '../governance/token-names.ts'
import { BooleanColumn, jsonColumn, type Reader } from '../storage/database.ts'
import type { Actor, Bundle, Cause, ReasonFacts, RolloutFacts } from './reason.ts'

/** Rollouts that had the device, and changes by hand, that are looked at: the newest. */
const rowsMax = 500

const SaidRow = z.object({
  deployment: z.string(),
  manifest: z.string(),
  model: z.string().nullable(),
  version: z.number().nullable(),
  state: ProgressState,
  reason: FailureReason.nullable(),
  detail: z.string().nullable(),
  running: BooleanColumn,
  ran_at: z.number().nullable(),
})
const MembershipRow = z.object({
  deployment: z.string(),
  target: z.string(),
  previous: z.string().nullable(),
  id: z.string(),
  model: z.string(),
  version: z.number(),
  group_name: z.string(),
  state: z.string(),
  reason: z.string(),
  started_by: z.string().nullable(),
  stage: z.string(),
  approvers: jsonColumn(z.array(z.object({ approver: z.string(), name: z.string() }))),
})
type MembershipRow = z.infer<typeof MembershipRow>
const Wish = z.object({ deployment: z.string(), role: z.string().default('primary'), manifest: z.string().nullable() })
const ByHandRow = z.object({
  at: z.number(),
  actor: z.string(),
  action: z.string(),
  after: jsonColumn(Wish).nullable().catch(null),
})
type ByHandRow = z.infer<typeof ByHandRow>
const PromotionRow = z.object({
  model: z.string(),
  version: z.number(),
  id: z.string(),
  to_stage: z.string(),
  approvers: jsonColumn(z.array(z.object({ approver: z.string(), name: z.string() }))),
})

export type Reasoned = {
  deployment: string
  facts: ReasonFacts
  /** What is wanted beside the primary. */
  shadow: { bundle: Bundle; at: number; cause: Cause } | null
}

/** Of each deployment of the device, by name. What is of a model that is not allowed is left out. */
export async function readReasonFacts(
  reader: Reader,
  device: string,
  presence: ReasonFacts['presence'],
  allows: (model: string) => boolean,
): Promise<Reasoned[]> {
  const isSeen = ({ model }: { model: string | null }) => model === null || allows(model)
  const wishes = (await desiredOf(reader, device)).filter(isSeen)
  const said = (await saidBy(reader, device)).filter(isSeen)
  const memberships = (await membershipsOf(reader, device)).filter(isSeen)
  const byHand = await changesByHand(reader, device)
  const promotions = await promotionsOf(
    reader,
    said.filter(({ running }) => running),
  )
  const names = await namesOfTokens(reader, [
    ...byHand.map(({ actor }) => actor),
    ...wishes.map(({ changed_by }) => changed_by),
    ...memberships.flatMap(({ started_by, reason }) => [started_by ?? '', reason]),
  ])
  const actor = (text: string): Actor => ({ actor: text, name: names.get(text) ?? null })
  const rollouts = memberships.map((row) => ({ row, facts: rolloutFacts(row, actor, names) }))
  const causes = { rollouts, byHand, actor }
  const deployments = new Set([...wishes, ...said.filter(({ running }) => running)].map(({ deployment }) => deployment))
  return [...deployments].sort().map((deployment) => {
    const at = <T extends { deployment: string }>(rows: readonly T[]) =>
      rows.filter((row) => row.deployment === deployment)
    const runs = at(said).find(({ running }) => running)
    const wish = at(wishes).find(({ role }) => role === 'primary')
    const shadow = at(wishes).find(({ role }) => role === 'shadow')
    const aboutWish = wish && at(said).find(({ manifest }) => manifest === wish.manifest)
    const withdrawal = byHand.find(
      ({ action, after }) => action === 'device.withdraw' && after?.deployment === deployment,
    )
    const promotion = runs && promotions.find(({ model, version }) => model === runs.model && version === runs.version)
    return {
      deployment,
      facts: {
        runs: runs === undefined ? null : { bundle: bundleOf(runs), since: runs.ran_at },
        wanted: wish === undefined ? null : wanted(wish, causes),
        said:
          aboutWish === undefined
            ? null
            : { state: aboutWish.state, reason: aboutWish.reason, detail: aboutWish.detail },
        withdrawn: withdrawal === undefined ? null : { by: actor(withdrawal.actor), at: withdrawal.at },
        presence,
        promotion:
          promotion === undefined
            ? null
            : { request: promotion.id, stage: promotion.to_stage, approvedBy: promotion.approvers.map(approverActor) },
      },
      shadow: shadow === undefined ? null : wanted(shadow, causes),
    }
  })
}

type Causes = {
  rollouts: readonly { row: MembershipRow; facts: RolloutFacts }[]
  byHand: readonly ByHandRow[]
  actor: (text: string) => Actor
}

const wanted = (wish: DesiredRow, causes: Causes): NonNullable<ReasonFacts['wanted']> => ({
  bundle: bundleOf(wish),
  at: wish.changed_at,
  cause: causeOf(wish, causes),
})

function causeOf(wish: DesiredRow, causes: Causes): Cause {
  const { changed_by, deployment, manifest } = wish
  const rollout = causes.rollouts.find(({ row }) => row.id === changed_by && row.deployment === deployment)
  if (rollout !== undefined) {
    if (rollout.row.target === manifest) return { kind: 'rollout', rollout: rollout.facts }
    return { kind: 'taken-back', rollout: rollout.facts, before: firstCause(wish, causes, changed_by) }
  }
  if (!changed_by.startsWith('token:')) return { kind: 'unknown', by: changed_by }
  const last = causes.byHand.find((change) => isOf(change, wish) && change.actor === changed_by)
  const did = last?.action === 'device.retry' ? 'retried' : 'assigned'
  const before = did === 'retried' ? firstCause(wish, causes, undefined) : null
  return { kind: 'person', did, by: causes.actor(changed_by), before }
}

/** What brought the bundle before somebody else had to do with it.
 *  @param beside a rollout that did not */
function firstCause(wish: DesiredRow, { rollouts, byHand, actor }: Causes, beside: string | undefined): Cause | null {
  const { deployment, manifest } = wish
  const rollout = rollouts.find(
    ({ row }) => row.deployment === deployment && row.target === manifest && row.id !== beside,
  )
  if (rollout !== undefined) return { kind: 'rollout', rollout: rollout.facts }
  const change = byHand.find((change) => change.action === 'device.desire' && isOf(change, wish))
  return change === undefined ? null : { kind: 'person', did: 'assigned', by: actor(change.actor), before: null }
}

const isOf = ({ after }: ByHandRow, { deployment, role, manifest }: DesiredRow): boolean =>
  after?.deployment === deployment && after.role === role && after.manifest === manifest

const bundleOf = ({ manifest, model, version }: Bundle): Bundle => ({ manifest, model, version })
const approverActor = ({ approver, name }: { approver: string; name: string }): Actor => ({ actor: approver, name })

const rolloutFacts = (
  row: MembershipRow,
  actor: (text: string) => Actor,
  names: ReadonlyMap<string, string>,
): RolloutFacts => ({
  id: row.id,
  model: row.model,
  version: row.version,
  group: row.group_name,
  state: row.state,
  reason: withNames(row.reason, names),
  startedBy: row.started_by === null ? null : actor(row.started_by),
  stage: row.stage,
  approvedBy: row.approvers.map(approverActor),
})

const saidBy = (reader: Reader, device: string): Promise<z.infer<typeof SaidRow>[]> =>
  reader.all(
    SaidRow,
    `SELECT r.deployment, r.manifest, m.model, m.version, r.state, r.reason, r.detail, r.running, r.ran_at
     FROM device_deployments r LEFT JOIN manifests m ON m.digest = r.manifest
     WHERE r.device = ?1 AND (r.running = 1 OR r.manifest IN (SELECT manifest FROM desired WHERE device = ?1))
     ORDER BY r.deployment, r.changed_at DESC LIMIT ${rowsMax}`,
    [device],
  )

/** The newest first. */
const membershipsOf = (reader: Reader, device: string): Promise<MembershipRow[]> =>
  reader.all(
    MembershipRow,
    `SELECT d.deployment, d.target, d.previous, r.id, r.model, r.version, r.group_name, r.state, r.reason, r.started_by,
       coalesce((SELECT name FROM rollout_stages s WHERE s.rollout = r.id AND s.idx = d.stage), d.stage) AS stage,
       (SELECT json_group_array(json_object('approver', a.approver, 'name', a.name)) FROM rollout_approvals a
        WHERE a.rollout = r.id AND a.stage = d.stage AND a.decision = 'approve' AND a.void = 0) AS approvers
     FROM rollout_devices d JOIN rollouts r ON r.id = d.rollout
     WHERE d.device = ? ORDER BY d.rollout DESC LIMIT ${rowsMax}`,
    [device],
  )

/** The newest first. */
const changesByHand = (reader: Reader, device: string): Promise<ByHandRow[]> =>
  reader.all(
    ByHandRow,
    `SELECT at, actor, action, after FROM audit_log
     WHERE subject = ? AND action IN ('device.desire', 'device.retry', 'device.withdraw') ORDER BY seq DESC LIMIT ${rowsMax}`,
    [`device:${device}`],
  )

/** The last request by which each of the versions came to a stage. */
const promotionsOf = (
  reader: Reader,
  versions: readonly { model: string | null; version: number | null }[],
): Promise<z.infer<typeof PromotionRow>[]> =>
  reader.all(
    PromotionRow,
    `SELECT p.model, p.version, p.id, p.to_stage,
       (SELECT json_group_array(json_object('approver', a.approver, 'name', a.name)) FROM promotion_approvals a
        WHERE a.request = p.id AND a.decision = 'approve' AND a.revoked_at IS NULL) AS approvers
     FROM promotion_requests p
     WHERE p.state = 'approved' AND (p.model, p.version) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))
     ORDER BY p.closed_at DESC LIMIT ${rowsMax}`,
    [JSON.stringify(versions.filter(({ model }) => model !== null).map(({ model, version }) => [model, version]))],
  )
