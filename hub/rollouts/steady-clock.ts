// Jumps of the machine's clock, told by its uptime, which does not jump. A stage is watched for as long as it is, whatever
// the clock says: when it has jumped, the times of what is under way are moved by as much.

import { readFile } from 'node:fs/promises'
import { uptime } from 'node:os'
import { z } from 'zod'
import type { Reader, Statement } from '../storage/database.ts'

/** `boot`: identity of the boot that the uptime counts from; `uptimeMs` goes on while the hub is down. */
export type Uptime = () => { boot: string; uptimeMs: number }

/** Less is no jump: clocks are slewed, and the two are not read at the same instant. */
const jumpMsMin = 2_000
/** How often it is noted what both say: what a restart of the machine adds to a stage at most, beside a jump. */
const noteEveryMs = 30_000

/** That of Linux. Without a name for the boot nothing is known across restarts of the hub. */
export async function systemUptime(): Promise<Uptime> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(
    () => `process-${process.pid}-${Date.now()}`,
  )
  return () => ({ boot: boot.trim(), uptimeMs: Math.round(uptime() * 1000) })
}

const Row = z.object({ boot: z.string(), offset_ms: z.number(), seen_ms: z.number().nullable() })

/** How far the clock has jumped since this was last asked and written. Where the machine was restarted in between nobody
 *  knows how long it was off, nor what its clock began with: all that the clock says has passed counts as a jump.
 *  @returns with what to write, nothing where there is nothing to note */
export async function clockJump(
  reader: Reader,
  { boot, uptimeMs }: ReturnType<Uptime>,
  nowMs: number,
): Promise<{ jumpedMs: number; statements: Statement[] }> {
  const known = await reader.first(Row, 'SELECT boot, offset_ms, seen_ms FROM rollout_clock')
  const offset = Math.round(nowMs - uptimeMs)
  const passedMs = known === undefined ? 0 : jumpSince(known, { boot, uptimeMs }, nowMs)
  const jumpedMs = Math.abs(passedMs) < jumpMsMin ? 0 : passedMs
  const isNoted = known?.boot === boot && Math.abs(nowMs - (known.seen_ms ?? 0)) < noteEveryMs
  if (jumpedMs === 0 && isNoted) return { jumpedMs, statements: [] }
  const note = {
    sql: `INSERT INTO rollout_clock (one, boot, offset_ms, seen_ms) VALUES (1, ?1, ?2, ?3)
          ON CONFLICT (one) DO UPDATE SET boot = ?1, offset_ms = ?2, seen_ms = ?3`,
    args: [boot, offset, Math.round(nowMs)],
  }
  return { jumpedMs, statements: jumpedMs === 0 ? [note] : [note, ...shift(jumpedMs)] }
}

/** A container may count an uptime of its own under the boot of its host: one that has become less is another boot. */
function jumpSince(known: z.infer<typeof Row>, { boot, uptimeMs }: ReturnType<Uptime>, nowMs: number): number {
  const { offset_ms: offset, seen_ms: seenMs } = known
  const isSameBoot = known.boot === boot && (seenMs === null || uptimeMs >= seenMs - offset - jumpMsMin)
  if (isSameBoot) return Math.round(nowMs - uptimeMs) - offset
  return seenMs === null ? 0 : Math.round(nowMs) - seenMs
}

const active = `rollout IN (SELECT id FROM rollouts WHERE state IN ('running', 'paused', 'rolling_back'))`

const shift = (byMs: number): Statement[] => [
  {
    sql: `UPDATE rollout_stages SET admitting_since = admitting_since + ?1, baking_since = baking_since + ?1,
            held_since = held_since + ?1
          WHERE state IN ('held', 'admitting', 'baking', 'open') AND ${active}`,
    args: [byMs],
  },
  {
    sql: `UPDATE rollout_devices SET offered_at = offered_at + ?1, progress_at = progress_at + ?1
          WHERE active = 1 AND offered_at IS NOT NULL AND ${active}`,
    args: [byMs],
  },
  { sql: 'UPDATE device_failures SET aside_until = aside_until + ? WHERE aside_until IS NOT NULL', args: [byMs] },
  { sql: `UPDATE rollout_readings SET shift_ms = shift_ms + ? WHERE ${active}`, args: [byMs] },
]
