// Who could approve the stages of a rollout: said before it starts where nobody could, and to whoever may not.

import { grantsModel, holdsScope } from '../governance/grants.ts'
import { namesOfTokens, withNames } from '../governance/token-names.ts'
import { TokenRow } from '../governance/tokens.ts'
import { samePerson } from '../promotion/persons.ts'
import type { Reader } from '../storage/database.ts'
import { counted } from '../wording.ts'
import type { Finding } from './plan/check.ts'
import type { Asker } from './plan/membership.ts'
import type { RolloutPlan } from './plan/plan.ts'

export type Approver = { actor: string; name: string }

/** Holders of tokens that hold now, each person once, who are none of the starters.
 *  @param max no more are sought */
export async function approversBeside(
  reader: Reader,
  model: string,
  starters: readonly string[],
  nowMs: number,
  max: number,
): Promise<Approver[]> {
  const tokens = await reader.all(
    TokenRow,
    `SELECT ${Object.keys(TokenRow.shape).join(', ')} FROM tokens
     WHERE role IN ('approver', 'admin') AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?) ORDER BY created_at`,
    [nowMs],
  )
  const found: Approver[] = []
  for (const token of tokens) {
    if (found.length >= max) break
    if (!holdsScope(token, 'approver', 'rollouts') || !grantsModel(token.models, model)) continue
    const actor = `token:${token.id}`
    if (await isAnyOf(reader, actor, [...starters, ...found.map((other) => other.actor)])) continue
    found.push({ actor, name: token.name })
  }
  return found
}

async function isAnyOf(reader: Reader, actor: string, others: readonly string[]): Promise<boolean> {
  for (const other of others) if (await samePerson(reader, actor, other)) return true
  return false
}

/** How somebody else comes by a token that may approve: one that the starter has made does not count. */
export const howToApprove =
  'a token that the one who starts it has made does not count as another person: let an admin make one token for who ' +
  'starts rollouts (roost token create NAME --role operator) and one for who approves (--role approver), or make a ' +
  'second admin on the machine of the hub (roost hub --new-admin-token)'

/** A warning for each stage that needs more approvals than anybody could give, of those that are not approved yet. */
export async function approvalsInDoubt(
  reader: Reader,
  { stages }: RolloutPlan,
  model: string,
  { starters, approvedStages }: Pick<Asker, 'starters' | 'approvedStages'>,
  nowMs: number,
): Promise<Finding[]> {
  const most = Math.max(0, ...stages.slice(approvedStages).map(({ approvals }) => approvals))
  if (most === 0) return []
  const found = (await approversBeside(reader, model, starters, nowMs, most)).length
  const who = withNames(starters.join(' and '), await namesOfTokens(reader, [...starters]))
  const start = starters.length === 1 ? 'starts' : 'start'
  return stages.flatMap(({ name, approvals }, i): Finding[] => {
    if (approvals <= found || i < approvedStages) return []
    const there = found === 0 ? 'nobody' : counted(found, 'person', 'people')
    const detail = `stage ${name} needs ${counted(approvals, 'approval')}, and besides ${who}, who ${start} it, ${there} could give one now: ${howToApprove}`
    return [{ code: 'nobody-to-approve', field: `plan.stages.${i}.approvals`, detail }]
  })
}
