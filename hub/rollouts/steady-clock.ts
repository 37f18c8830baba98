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

/** That of Linux. Without a name for the boot nothing is known across restarts of the hub. */
export async function systemUptime(): Promise<Uptime> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(
    () => `process-${process.pid}-${Date.now()}`,
  )
  return () => ({ boot: boot.trim(), uptimeMs: Math.round(uptime() * 1000) })
}

const Row = z.object({ boot: z.string(), offset_ms: z.number() })

/** How far the clock has jumped since this was last asked and written: 0 after a reboot, of which nothing is known.
 *  @returns with what to write, nothing where it has not */
export async function clockJump(
  reader: Reader,
  { boot, uptimeMs }: ReturnType<Uptime>,
  nowMs: number,
): Promise<{ jumpedMs: number; statements: Statement[] }> {
  const known = await reader.first(Row, 'SELECT boot, offset_ms FROM rollout_clock')
  const offset = Math.round(nowMs - uptimeMs)
  const jumpedMs = known === undefined || known.boot !== boot ? 0 : offset - known.offset_ms
  if (known?.boot === boot && Math.abs(jumpedMs) < jumpMsMin) return { jumpedMs: 0, statements: [] }
  const remember = {
    sql: `INSERT INTO rollout_clock (one, boot, offset_ms) VALUES (1, ?1, ?2)
          ON CONFLICT (one) DO UPDATE SET boot = ?1, offset_ms = ?2`,
    args: [boot, offset],
  }
  return { jumpedMs, statements: jumpedMs === 0 ? [remember] : [remember, ...shift(jumpedMs)] }
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
  { sql: `UPDATE rollout_readings SET shift_ms = shift_ms + ? WHERE ${active}`, args: [byMs] },
]
