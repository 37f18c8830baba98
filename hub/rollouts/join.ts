// Devices that join a dynamic rollout while it runs: they fit its query now, and stand behind all others in its last stage.

import { type DeviceRow, devicesMatching } from '../fleet/devices.ts'
import { parseQuery } from '../fleet/labels.ts'
import type { Reader, Statement } from '../storage/database.ts'
import { drawLate } from './plan/draw.ts'
import { targetsByProfile } from './plan/membership.ts'
import { decisionStatement, insertMembers, type NewMember } from './statements.ts'
import { asideAmong, attemptsOf, holdersOf, wantedOf } from './store.ts'
import type { Loaded } from './view.ts'

/** At most so many in one go. */
const joinersMax = 1_000

/** Nothing where nobody joins. Devices that another rollout holds, or that no variant fits, do not. */
export async function joinStatements(
  tx: Reader,
  { row, members }: Loaded,
  isConnected: (device: string) => boolean,
  nowMs: number,
): Promise<Statement[]> {
  const parsed = parseQuery(row.query)
  if (!parsed.ok) return []
  const known = new Set(members.map(({ device }) => device))
  const strangers = (await devicesMatching(tx, parsed.query)).filter(({ id }) => !known.has(id)).slice(0, joinersMax)
  if (strangers.length === 0) return []
  const joiners = await joining(tx, row, strangers, members.length, isConnected, nowMs)
  if (joiners.length === 0) return []
  const detail = { devices: joiners.map(({ device }) => device) }
  return [insertMembers(row.id, row.deployment, joiners), decisionStatement(row.id, 'hub', 'joined', detail, nowMs)]
}

async function joining(
  tx: Reader,
  row: Loaded['row'],
  strangers: readonly DeviceRow[],
  behind: number,
  isConnected: (device: string) => boolean,
  nowMs: number,
): Promise<NewMember[]> {
  const ids = strangers.map(({ id }) => id)
  const held = new Set((await holdersOf(tx, row.deployment, ids)).map(({ device }) => device))
  const targets = await targetsByProfile(tx, row, strangers)
  const free = strangers.filter(({ id, profile }) => !held.has(id) && targets.has(profile))
  const previous = await wantedOf(tx, row.deployment, ids)
  const attempts = await attemptsOf(tx, row.deployment, ids)
  const aside = await asideAmong(tx, ids, nowMs)
  const targetOf = new Map(free.map(({ id, profile }) => [id, targets.get(profile)?.digest ?? '']))
  const candidates = free.map(({ id, profile, labels }) => {
    const standing = aside.has(id) ? ('aside' as const) : isConnected(id) ? ('present' as const) : ('away' as const)
    return { device: id, profile, labels, standing, replaces: previous.has(id) }
  })
  return drawLate(row.id, candidates, row.plan.stages, behind).map((drawn) => {
    const target = targetOf.get(drawn.device) ?? ''
    const attempt = attempts.get(`${drawn.device}/${target}`) ?? 0
    return { ...drawn, target, previous: previous.get(drawn.device) ?? null, attempt }
  })
}
