// Reports from devices into the database: repeats dropped, many devices in one commit, acknowledged after it.
// A device deletes what is acknowledged, so nothing may be acknowledged that is not on disk.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Reports } from '@roost/shared/protocol/messages.ts'
import type { DeviceEvent } from '@roost/shared/protocol/records.ts'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { Clock } from '../hub.ts'
import type { Reader, Statement, Writer } from '../storage/database.ts'
import { metricStatements } from './metrics.ts'
import { eventStatement, insertRows, type ReceivedWindow, readRecord, windowStatements } from './records.ts'

/** Batches and bytes that may wait for the database; beyond that batches are not taken, not acknowledged, and the
 *  devices send them again. */
export const batchesWaitingMax = 20_000
export const bytesWaitingMax = 64 * 1_048_576
/** Records in one commit: enough to share an fsync among hundreds, short enough not to hold others up. */
export const recordsPerCommitMax = 2_000
/** Devices whose position is remembered; of others it is read again from the database. */
export const positionsRememberedMax = 100_000

export type IngestOptions = {
  database: Reader & Writer
  clock: Clock
  log: Logger
  /** What an event changes elsewhere, committed together with it. */
  onEvent: (device: string, event: DeviceEvent) => Statement[]
}

export type Ingest = {
  /** Resolves when the batch is committed: up to which sequence of its epoch all is; undefined where it was not taken
   *  because too much waits. */
  take(device: string, reports: Reports): Promise<number | undefined>
  /** The highest sequence of the epoch that is committed; 0 for one never heard of. */
  highWaterMark(device: string, epoch: string): Promise<number>
  /** Batches that wait or are being committed. */
  waiting(): number
  /** Commits what waits. Later batches are not taken. */
  close(): Promise<void>
}

type Waiting = {
  device: string
  reports: Reports
  bytes: number
  resolve: (committed: number | undefined) => void
  reject: (error: unknown) => void
}

export function createIngest(options: IngestOptions): Ingest {
  const { database, clock, log } = options
  const positions = new Map<string, number>()
  const queue: Waiting[] = []
  const state = { bytes: 0, closed: false }
  let running: Promise<void> | undefined

  const run = async () => {
    while (queue.length > 0) {
      // A turn of the event loop: whatever has reached the sockets meanwhile shares the commit. The database blocks the
      // loop while it commits, so without this every message would have a commit of its own.
      await nextTurn()
      const batch = takeSome(queue)
      await commit(batch)
      for (const waiting of batch) state.bytes -= waiting.bytes
    }
    running = undefined
  }

  const commit = async (batch: readonly Waiting[]): Promise<void> => {
    try {
      const { statements, marks } = await prepare(database, positions, batch, options.onEvent, clock(), log)
      await database.write(statements)
      for (const [key, { seq }] of marks) remember(positions, key, seq)
      for (const { device, reports, resolve } of batch) resolve(marks.get(positionKey(device, reports.epoch))?.seq)
    } catch (error) {
      // Nothing of it is committed or remembered: the devices are not acknowledged and send it again.
      const [only] = batch
      if (batch.length === 1) return only?.reject(error)
      // What one device sent must not keep the others' reports out.
      log.warn({ err: error, batches: batch.length }, 'reports could not be committed together, trying each alone')
      for (const waiting of batch) await commit([waiting])
    }
  }

  return {
    take: (device, reports) => {
      const bytes = reports.records.reduce((sum, record) => sum + record.body.length, 0)
      if (state.closed || queue.length >= batchesWaitingMax || state.bytes + bytes > bytesWaitingMax) {
        return Promise.resolve(undefined)
      }
      state.bytes += bytes
      return new Promise((resolve, reject) => {
        queue.push({ device, reports, bytes, resolve, reject })
        running ??= run()
      })
    },
    highWaterMark: (device, epoch) => markOf(database, positions, device, epoch),
    waiting: () => queue.length,
    close: async () => {
      state.closed = true
      await running
    },
  }
}

function takeSome(queue: Waiting[]): Waiting[] {
  let records = 0
  let count = 0
  for (const waiting of queue) {
    if (count > 0 && records + waiting.reports.records.length > recordsPerCommitMax) break
    records += waiting.reports.records.length
    count += 1
  }
  return queue.splice(0, count)
}

type Mark = { device: string; epoch: string; seq: number }

const positionKey = (device: string, epoch: string) => `${device}/${epoch}`

/** The statements of one commit, and up to where each device is taken in by it. */
async function prepare(
  reader: Reader,
  positions: Map<string, number>,
  batch: readonly Waiting[],
  onEvent: IngestOptions['onEvent'],
  nowMs: number,
  log: Logger,
): Promise<{ statements: Statement[]; marks: Map<string, Mark> }> {
  const marks = new Map<string, Mark>()
  const windows: ReceivedWindow[] = []
  const statements: Statement[] = []
  for (const { device, reports } of batch) {
    const { epoch, after = 0, records } = reports
    const key = positionKey(device, epoch)
    const mark = marks.get(key) ?? { device, epoch, seq: await markOf(reader, positions, device, epoch) }
    if (after > mark.seq) {
      // with a connection that ended, mostly: the device has them still, for they were not acknowledged
      log.info({ device, epoch, after, held: mark.seq }, 'reports before these got lost on the way; all are sent again')
    }
    for (const record of after > mark.seq ? [] : records) {
      if (record.from <= mark.seq || record.seq < record.from) continue
      mark.seq = record.seq
      const body = readRecord(record.body, nowMs)
      if (body.kind === 'window') {
        windows.push({ device, report: body, bytes: record.body })
        continue
      }
      statements.push(eventStatement(device, body, nowMs))
      if (body.kind === 'gap') continue
      if (body.event === 'unreadable') log.warn({ device, epoch, seq: record.seq }, body.detail)
      else statements.push(...onEvent(device, body))
    }
    marks.set(key, mark)
  }
  statements.push(...windowStatements(windows, nowMs), ...metricStatements(windows))
  const positionRows = [...marks.values()].map(({ device, epoch, seq }) => [device, epoch, seq, nowMs])
  statements.push(...insertRows('outbox_positions (device, epoch, seq, changed_at)', positionRows, moveForward))
  return { statements, marks }
}

const moveForward = `ON CONFLICT (device, epoch) DO UPDATE SET seq = excluded.seq, changed_at = excluded.changed_at
  WHERE excluded.seq > seq`

async function markOf(reader: Reader, positions: Map<string, number>, device: string, epoch: string): Promise<number> {
  const known = positions.get(positionKey(device, epoch))
  if (known !== undefined) return known
  const row = await reader.first(
    z.object({ seq: z.number() }),
    'SELECT seq FROM outbox_positions WHERE device = ? AND epoch = ?',
    [device, epoch],
  )
  return row?.seq ?? 0
}

/** The one that was remembered longest ago makes room. */
function remember(positions: Map<string, number>, key: string, seq: number): void {
  positions.delete(key)
  positions.set(key, seq)
  if (positions.size <= positionsRememberedMax) return
  const [oldest] = positions.keys()
  if (oldest !== undefined) positions.delete(oldest)
}
