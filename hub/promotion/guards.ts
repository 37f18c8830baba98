// What the policy of a model keeps others from doing: rolling out too early, and moving by hand what promotion moves.

import { z } from 'zod'
import { Problem } from '../problem.ts'
import { championAlias } from '../registry/aliases.ts'
import { Stage } from '../registry/stages.ts'
import type { Reader } from '../storage/database.ts'
import { revokedHold } from './holds.ts'
import { policyOf } from './policies.ts'
import { rankOf } from './policy.ts'

/** Versions that do not exist pass: whoever looks for their manifests says so.
 *  @throws Problem approval-revoked, stage-too-low */
export async function assertRollable(reader: Reader, model: string, version: number): Promise<void> {
  const hold = await revokedHold(reader, model, version)
  if (hold !== undefined) {
    const detail = `${model} ${version}: ${hold.reason}; promote it anew to ${hold.stage}, or roll out another version`
    throw new Problem(409, 'approval-revoked', 'Its approval was revoked', detail, { field: 'version' })
  }
  const { revision, policy } = await policyOf(reader, model)
  if (revision === 0) return
  const row = await reader.first(
    z.object({ stage: Stage }),
    'SELECT stage FROM versions WHERE model = ? AND version = ?',
    [model, version],
  )
  if (row === undefined || rankOf(row.stage) >= rankOf(policy.rolloutFrom)) return
  const { rolloutFrom } = policy
  const least = rolloutFrom === 'production' ? rolloutFrom : `${rolloutFrom} or later`
  const detail = `${model} ${version} is in ${row.stage}; by the policy of ${model} a version is rolled out from ${least}`
  throw new Problem(409, 'stage-too-low', 'The version may not be rolled out yet', detail, { field: 'version' })
}

/** @throws Problem promotion-policy where the model has one: then versions move through its gates and approvals only */
export async function assertMovedByHand(reader: Reader, model: string, version: number): Promise<void> {
  const { revision } = await policyOf(reader, model)
  if (revision === 0) return
  const detail = `${model} has a promotion policy: use POST /v1/models/${model}/versions/${version}/promotion`
  throw new Problem(409, 'promotion-policy', 'Its promotion policy moves it', detail, { field: 'stage' })
}

/** Whoever points the champion elsewhere chooses what the gates compare with.
 *  @throws Problem promotion-policy where the policy of the model moves this alias, or compares with it */
export async function assertAliasFree(reader: Reader, model: string, alias: string): Promise<void> {
  const { revision, policy } = await policyOf(reader, model)
  if (revision === 0 || (alias !== championAlias && alias !== policy.alias)) return
  const detail = `the promotion policy of ${model} moves ${alias}, or compares with it: promote a version instead`
  throw new Problem(409, 'promotion-policy', 'Its promotion policy moves it', detail, { field: 'alias' })
}

/** Deletion takes aliases along, and without a champion the gates compare with nobody.
 *  @throws Problem promotion-policy where the model has one and the version is in use by it */
export async function assertDeletable(
  reader: Reader,
  { model, version, stage, aliases }: { model: string; version: number; stage: Stage; aliases: readonly string[] },
): Promise<void> {
  const { revision, policy } = await policyOf(reader, model)
  if (revision === 0) return
  const alias = aliases.find((name) => name === championAlias || name === policy.alias)
  if (stage !== 'staging' && stage !== 'production' && alias === undefined) return
  const why = alias === undefined ? `it is in ${stage}` : `it is ${alias}`
  const detail = `${model} has a promotion policy, and of version ${version} it says that ${why}: promote another, or archive it, first`
  throw new Problem(409, 'promotion-policy', 'Its promotion policy holds it', detail, { field: 'version' })
}
