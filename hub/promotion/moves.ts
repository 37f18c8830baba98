// A version moves from stage to stage: what that changes, what is recorded of it, and what undoes it.

import { z } from 'zod'
import type { Change } from '../governance/audit.ts'
import { removeAlias, resolveAlias, setAlias } from '../registry/aliases.ts'
import { Stage, stageStatements } from '../registry/stages.ts'
import { findVersion } from '../registry/store.ts'
import { jsonColumn, type Reader } from '../storage/database.ts'
import { liftHold, revokedHold } from './holds.ts'
import { type PromotionPolicy, rankOf } from './policy.ts'
import type { Written } from './written.ts'

/** `displaced`: by another in production. `restored`: because the one in its place lost its approval. */
export const moveKinds = ['automatic', 'approved', 'manual', 'override', 'displaced', 'revoked', 'restored'] as const

const Undo = z.object({
  displaced: z.array(z.object({ version: z.number(), to: Stage })),
  alias: z.object({ name: z.string(), before: z.number().nullable() }).nullable(),
})
type Undo = z.infer<typeof Undo>

export const MoveRow = z.object({
  model: z.string(),
  version: z.number(),
  from_stage: Stage,
  to_stage: Stage,
  kind: z.enum(moveKinds),
  actor: z.string(),
  reason: z.string(),
  verdict: z.string().nullable(),
  request: z.string().nullable(),
  undo: jsonColumn(Undo),
  at: z.number(),
})
export type MoveRow = z.infer<typeof MoveRow>

export type Move = Pick<MoveRow, 'model' | 'version' | 'from_stage' | 'to_stage' | 'kind' | 'actor' | 'reason'> & {
  verdict: string | null
  request: string | null
}
/** Moves of a version that are looked at. */
const movesMax = 1_000

/** Newest first. */
export const movesOf = (reader: Reader, model: string, version: number, limit = movesMax): Promise<MoveRow[]> =>
  reader.all(
    MoveRow,
    `SELECT model, version, from_stage, to_stage, kind, actor, reason, verdict, request, undo, at FROM promotion_moves
     WHERE model = ? AND version = ? ORDER BY seq DESC LIMIT ?`,
    [model, version, limit],
  )

/** Moves the version; into production it takes the place of those there, and the alias. */
export async function moveVersion(tx: Reader, move: Move, policy: PromotionPolicy, nowMs: number): Promise<Written> {
  const { model, version, to_stage, actor } = move
  const written = nothing()
  const undo: Undo = { displaced: [], alias: null }
  if (to_stage === 'production') {
    if (policy.previousProduction !== 'production') {
      for (const other of await inProduction(tx, model)) {
        if (other === version) continue
        undo.displaced.push({ version: other, to: policy.previousProduction })
        const reason = `version ${version} took its place`
        add(
          written,
          model,
          {
            ...move,
            version: other,
            from_stage: 'production',
            to_stage: policy.previousProduction,
            kind: 'displaced',
            reason,
          },
          nowMs,
        )
      }
    }
    if (policy.alias !== null) {
      const before = (await resolveAlias(tx, model, policy.alias)) ?? null
      undo.alias = { name: policy.alias, before }
      if (before !== version) {
        written.statements.push(setAlias(model, policy.alias, version, actor, nowMs))
        written.changes.push(aliasChange(model, policy.alias, actor, before, version))
      }
    }
  }
  add(written, model, move, nowMs, undo)
  const forward = to_stage !== 'development' && rankOf(to_stage) > rankOf(move.from_stage)
  if (forward) written.statements.push(liftHold(model, version, to_stage))
  return written
}

/** Takes the version back to `to`. Where it was in production and leaves nobody there, those it displaced return,
 *  except where somebody has moved them since or their own approval was revoked. */
export async function takeBack(tx: Reader, move: Move, nowMs: number): Promise<Written> {
  const { model, version, from_stage } = move
  const written = nothing()
  add(written, model, move, nowMs)
  const others = (await inProduction(tx, model)).filter((other) => other !== version)
  if (from_stage !== 'production' || others.length > 0) return written
  for (const { version: other, to } of (await undoOf(tx, model, version))?.displaced ?? []) {
    const row = await findVersion(tx, model, other)
    if (row === undefined || row.stage !== to || (await revokedHold(tx, model, other)) !== undefined) continue
    const reason = `version ${version}, which took its place, was taken back`
    const back: Move = { ...move, version: other, from_stage: to, to_stage: 'production', kind: 'restored', reason }
    add(written, model, back, nowMs)
  }
  return written
}

/** The alias that the version got in production points again where it did before, or is removed; not where somebody has
 *  pointed it elsewhere since. */
export async function returnAlias(
  tx: Reader,
  { model, version, actor }: Pick<Move, 'model' | 'version' | 'actor'>,
  nowMs: number,
): Promise<Written> {
  const alias = (await undoOf(tx, model, version))?.alias ?? null
  if (alias === null || (await resolveAlias(tx, model, alias.name)) !== version) return nothing()
  const before = await stillGood(tx, model, alias.before, version)
  return {
    statements: [before === null ? removeAlias(model, alias.name) : setAlias(model, alias.name, before, actor, nowMs)],
    changes: [aliasChange(model, alias.name, actor, version, before)],
  }
}

/** What undoes the version's last move into production. */
async function undoOf(tx: Reader, model: string, version: number): Promise<Undo | undefined> {
  const moves = await movesOf(tx, model, version)
  return moves.find(({ to_stage, kind }) => to_stage === 'production' && kind !== 'restored')?.undo
}

/** The version an alias may point at again. */
async function stillGood(tx: Reader, model: string, before: number | null, taken: number): Promise<number | null> {
  if (before === null || before === taken || (await findVersion(tx, model, before)) === undefined) return null
  return (await revokedHold(tx, model, before)) === undefined ? before : null
}

/** The request by which a version last came into `stage` or past it, if it came by one. */
export function requestBehind(moves: readonly MoveRow[], stage: Stage): string | null {
  const line = rankOf(stage)
  const crossing = moves.find(
    ({ from_stage, to_stage, kind }) => kind !== 'restored' && rankOf(from_stage) < line && rankOf(to_stage) >= line,
  )
  return crossing?.request ?? null
}

/** Versions in production, newest first. */
export async function inProduction(reader: Reader, model: string): Promise<number[]> {
  const rows = await reader.all(
    z.object({ version: z.number() }),
    `SELECT version FROM versions WHERE model = ? AND stage = 'production' AND deleted_at IS NULL ORDER BY version DESC`,
    [model],
  )
  return rows.map(({ version }) => version)
}

const nothing = (): Written => ({ statements: [], changes: [] })

function add(
  written: Written,
  model: string,
  move: Move,
  nowMs: number,
  undo: Undo = { displaced: [], alias: null },
): void {
  const { version, from_stage, to_stage, kind, actor, reason, verdict, request } = move
  written.statements.push(...stageStatements(model, version, to_stage, nowMs), {
    sql: `INSERT INTO promotion_moves (model, version, from_stage, to_stage, kind, actor, reason, verdict, request, undo, at)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    args: [model, version, from_stage, to_stage, kind, actor, reason, verdict, request, JSON.stringify(undo), nowMs],
  })
  written.changes.push({
    actor,
    action: 'version.move',
    subject: `version:${model}/${version}`,
    before: { stage: from_stage },
    after: { stage: to_stage, kind, reason, verdict, request },
  })
}

const aliasChange = (
  model: string,
  alias: string,
  actor: string,
  before: number | null,
  after: number | null,
): Change => ({
  actor,
  action: after === null ? 'alias.remove' : 'alias.set',
  subject: `model:${model}`,
  before: { alias, version: before },
  after: { alias, version: after },
})
