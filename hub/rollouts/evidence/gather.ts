// Reads what devices report while a stage is watched, each window once, and keeps it added up per device. In short turns
// of the write queue, each of which moves the mark up to which all is read together with the sums: killed in between,
// the next one goes on where this one was. Between turns the hub does what else there is to do.
// Cost of a look: the windows that came in since the last one (about a tenth of a millisecond each), whatever the fleet
// and however long the stage; once per rollout a sample of each device's past.

import { setImmediate as letOthers } from 'node:timers/promises'
import { encode } from '@roost/shared/protocol/wire.ts'
import { z } from 'zod'
import type { Database, Reader, Statement, Value, Writer } from '../../storage/database.ts'
import { insertRows } from '../../telemetry/records.ts'
import type { Gate } from '../metrics/list.ts'
import { cborColumn, readReport, WindowRow } from './columns.ts'
import { blockDevicesMax } from './counts.ts'
import { type Past, pastPage } from './past.ts'
import { addWindow, noTally, storable, Tally, type TallyContext } from './tally.ts'

/** Windows added up in one turn: a tenth of a second, in which the hub does nothing else. */
const windowsPerTurn = 1_000
/** Turns of one pass; what is left then waits for the next. */
const turnsMax = 20
/** The hub notes that it listens this often; where it has not for `breakMs`, devices may have spoken to nobody. */
const noteEveryMs = 10_000
const breakMs = 60_000

/** What is watched. `opening`: the how manieth of the rollout's stages that began to admit. */
export type Watched = {
  rollout: string
  deployment: string
  devices: number
  stage: number
  opening: number
  /** When it began to admit, hub clock. */
  sinceMs: number
  /** Of all stages of the plan. */
  gates: readonly Gate[]
}

export const Reading = z.object({
  stage: z.number(),
  opening: z.number(),
  last_window: z.number(),
  past_after: z.number(),
  past_until: z.number(),
  listening_since: z.number(),
  listened_at: z.number(),
  shift_ms: z.number(),
})
export type Reading = z.infer<typeof Reading>

/** The how manieth time a stage of the rollout has begun to admit, when this one last did: what was counted before, for it
 *  or for another stage, is not counted. */
export async function openingOf(reader: Reader, rollout: string, stage: number): Promise<number> {
  const row = await reader.first(
    z.object({ openings: z.number() }),
    `WITH begun AS (
       SELECT seq, detail ->> 'index' AS stage FROM rollout_decisions
       WHERE rollout = ?1 AND action = 'stage' AND detail ->> 'state' = 'admitting'
     )
     SELECT count(*) AS openings FROM begun WHERE seq <= (SELECT max(seq) FROM begun WHERE stage = ?2)`,
    [rollout, stage],
  )
  return row?.openings ?? 0
}

/** Whether any of the gates looks at what windows count. */
export const needsCounts = (gates: readonly Gate[]): boolean =>
  gates.some(({ metric }) => metric !== 'installation' && metric !== 'silence')

/** @returns whether everything is read: until then a look would judge by half of it
 *  @param nowMs hub clock */
export async function gather(database: Database, watched: Watched, nowMs: number): Promise<boolean> {
  for (let turn = 0; turn < turnsMax; turn += 1) {
    const rest = await database.exclusively((tx) => readSome(tx, watched, nowMs))
    if (rest === 0) return true
    await letOthers()
  }
  return false
}

/** One turn. @returns how much it has read; 0 where nothing was left */
async function readSome(tx: Reader & Writer, watched: Watched, nowMs: number): Promise<number> {
  const newest = (await tx.first(Newest, 'SELECT max(id) AS id FROM window_reports'))?.id ?? 0
  const before = await readingOf(tx, watched.rollout)
  const reading = await begun(tx, before, watched, newest, nowMs)
  const past = needsCounts(watched.gates) ? await pastPage(tx, watched, reading, windowsPerTurn) : []
  const { windows, last } =
    past.length > 0 ? { windows: [], last: reading.last_window } : await news(tx, watched, reading, newest)
  const heard = await tally(tx, watched, reading.shift_ms, windows)
  const listening = listen(reading, nowMs)
  const next = { ...reading, ...listening, last_window: last }
  const isSame = before !== undefined && JSON.stringify(before) === JSON.stringify(next)
  const statements = [
    ...(isSame ? [] : [readingStatement(watched.rollout, next)]),
    ...pastStatements(watched.rollout, past),
    ...heard,
  ]
  await tx.write(statements)
  return past.length + windows.length
}

const Newest = z.object({ id: z.number().nullable() })

export const readingOf = (reader: Reader, rollout: string): Promise<Reading | undefined> =>
  reader.first(
    Reading,
    `SELECT stage, opening, last_window, past_after, past_until, listening_since, listened_at, shift_ms
     FROM rollout_readings WHERE rollout = ?`,
    [rollout],
  )

/** How far back a device's past reaches. */
const pastMs = 7 * 86_400_000

/** The marks as this stage needs them: its own windows are those received since it began; what is older is not read. */
async function begun(
  tx: Reader,
  before: Reading | undefined,
  { stage, opening, sinceMs }: Watched,
  newest: number,
  nowMs: number,
): Promise<Reading> {
  if (before !== undefined && before.stage === stage && before.opening === opening) {
    // ids begin anew where all reports have expired
    return before.last_window <= newest ? before : { ...before, last_window: 0 }
  }
  const received = (where: string, at: number) => tx.first(z.object({ id: z.number() }), where, [at])
  const older = await received(
    'SELECT id FROM window_reports WHERE received_at < ? ORDER BY received_at DESC, id DESC LIMIT 1',
    sinceMs,
  )
  const mark = { stage, opening, last_window: Math.max(before?.last_window ?? 0, older?.id ?? 0) }
  if (before !== undefined) return { ...before, ...mark }
  const oldest = await received(
    'SELECT id FROM window_reports WHERE received_at >= ? ORDER BY received_at, id LIMIT 1',
    nowMs - pastMs,
  )
  const past = { past_after: (oldest?.id ?? 1) - 1, past_until: mark.last_window }
  return { ...mark, ...past, listening_since: nowMs, listened_at: nowMs, shift_ms: 0 }
}

/** A break in listening begins anew: devices are not silent while nobody could hear them. */
function listen({ listening_since, listened_at }: Reading, nowMs: number): Partial<Reading> {
  const passedMs = nowMs - listened_at
  if (passedMs < 0 || passedMs > breakMs) return { listening_since: nowMs, listened_at: nowMs }
  return passedMs < noteEveryMs ? { listening_since } : { listening_since, listened_at: nowMs }
}

const MemberWindow = WindowRow.extend({
  target: z.string(),
  previous: z.string().nullable(),
  offered: z.number(),
  made_ms: z.number().nullable(),
})
type MemberWindow = z.infer<typeof MemberWindow>

/** The next windows of the rollout's devices, and up to where all is read with them. */
async function news(
  tx: Reader,
  { rollout, deployment }: Watched,
  { last_window }: Reading,
  newest: number,
): Promise<{ windows: MemberWindow[]; last: number }> {
  const windows = await tx.all(
    MemberWindow,
    // by id alone: any other way would look at windows that are read already
    `SELECT w.id, w.device, w.received_at, w.body, m.target, m.previous, m.offered_at IS NOT NULL AS offered,
            v.created_at AS made_ms
     FROM window_reports w NOT INDEXED
     JOIN rollout_devices m ON m.rollout = ?1 AND m.device = w.device
     LEFT JOIN manifests b ON b.digest = w.manifest
     LEFT JOIN versions v ON v.model = b.model AND v.version = b.version
     WHERE w.id > ?2 AND w.id <= ?3 AND w.deployment = ?4 ORDER BY w.id LIMIT ?5`,
    [rollout, last_window, newest, deployment, windowsPerTurn],
  )
  const last = windows.length < windowsPerTurn ? newest : (windows.at(-1)?.id ?? newest)
  return { windows, last }
}

/** The devices' tallies with these windows in them. */
async function tally(
  tx: Reader,
  watched: Watched,
  shiftMs: number,
  windows: readonly MemberWindow[],
): Promise<Statement[]> {
  if (windows.length === 0) return []
  const counting = needsCounts(watched.gates)
  const known = counting ? await talliesOf(tx, watched, [...new Set(windows.map(({ device }) => device))]) : noTallies
  const rows = [...Map.groupBy(windows, ({ device }) => device)].map(([device, own]): Value[] => {
    const heardAt = own.reduce((latest, { received_at }) => Math.max(latest, received_at), 0)
    if (!counting) return [watched.rollout, device, heardAt]
    const added = own.reduce<Tally>(
      (tally, row) =>
        addWindow(
          tally,
          { receivedAt: row.received_at, report: readReport(row.body) },
          contextOf(watched, shiftMs, row),
        ),
      known.get(device) ?? noTally,
    )
    const sum = storable(added)
    return [watched.rollout, device, heardAt, watched.opening, encode(sum), sum.fault ?? sum.clock ?? null]
  })
  return counting
    ? insertRows('rollout_tallies (rollout, device, heard_at, opening, tally, suspect)', rows, updateTally)
    : insertRows('rollout_tallies (rollout, device, heard_at)', rows, updateHeard)
}

function contextOf(
  { sinceMs, gates, devices }: Watched,
  shiftMs: number,
  { target, previous, offered, made_ms }: MemberWindow,
): TallyContext {
  return {
    sinceMs,
    shiftMs,
    target,
    previous: previous === target ? null : previous,
    offered: offered === 1,
    madeMs: made_ms,
    withOutputs: gates.some(({ metric }) => metric === 'prediction_drift'),
    withBlocks: devices <= blockDevicesMax,
  }
}

const noTallies: ReadonlyMap<string, Tally> = new Map()

async function talliesOf(
  tx: Reader,
  { rollout, opening }: Watched,
  devices: readonly string[],
): Promise<Map<string, Tally>> {
  const rows = await tx.all(
    z.object({ device: z.string(), tally: cborColumn(Tally) }),
    `SELECT device, tally FROM rollout_tallies
     WHERE rollout = ? AND opening = ? AND tally IS NOT NULL AND device IN (SELECT value FROM json_each(?))`,
    [rollout, opening, JSON.stringify(devices)],
  )
  return new Map(rows.map(({ device, tally }) => [device, tally]))
}

const readingStatement = (rollout: string, reading: Reading): Statement => ({
  sql: `INSERT INTO rollout_readings
          (rollout, stage, opening, last_window, past_after, past_until, listening_since, listened_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (rollout) DO UPDATE SET stage = excluded.stage, opening = excluded.opening,
          last_window = excluded.last_window, listening_since = excluded.listening_since, listened_at = excluded.listened_at`,
  args: [
    rollout,
    reading.stage,
    reading.opening,
    reading.last_window,
    reading.past_after,
    reading.past_until,
    reading.listening_since,
    reading.listened_at,
  ],
})

const updateHeard = 'ON CONFLICT (rollout, device) DO UPDATE SET heard_at = excluded.heard_at'
const updateTally = `${updateHeard}, opening = excluded.opening, tally = excluded.tally, suspect = excluded.suspect`
const updatePast = `ON CONFLICT (rollout, device) DO UPDATE SET past = excluded.past,
  heard_at = max(coalesce(heard_at, 0), coalesce(excluded.heard_at, 0))`

const pastStatements = (rollout: string, pasts: readonly Past[]): Statement[] =>
  insertRows(
    'rollout_tallies (rollout, device, heard_at, past)',
    pasts.map(({ device, counts, heardAt }) => [rollout, device, heardAt, encode(counts)]),
    updatePast,
  )
