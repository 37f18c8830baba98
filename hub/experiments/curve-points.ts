// All points of a metric, read in pieces, so that the hub answers others in between.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { z } from 'zod'
import type { Reader, Value } from '../storage/database.ts'
import type { PointColumns } from './curve.ts'
import { number, RealColumn } from './sql.ts'

/** Fifty milliseconds' worth. */
const pieceRows = 50_000

const ofMetric = 'run = ? AND key = (SELECT id FROM run_keys WHERE key = ?)'
const place = '(step, timestamp, value, is_nan)'
const Place = z.object({ step: z.number(), timestamp: z.number(), value: RealColumn, is_nan: z.number() })
/** The query below wrote the JSON itself: to check a million points one by one would take longer than to read them. */
const OwnJson = z.string().transform((text): [step: number, timestamp: number, value: number][] => JSON.parse(text))
const Piece = z.object({ points: OwnJson, n: z.number() })

/** The finite points in the order of steps, and how many there are that are no number or infinite; undefined where there
 *  are more than `countMax`. Values have the 15 digits that SQLite writes into JSON: as rows they would take ten times
 *  as long. */
export async function readPoints(
  reader: Reader,
  run: number,
  key: string,
  countMax: number,
): Promise<{ columns: PointColumns; notFinite: number } | undefined> {
  const length = await countPoints(reader, run, key, countMax + 1)
  if (length > countMax) return undefined
  const columns = {
    step: new Float64Array(length),
    timestamp: new Float64Array(length),
    value: new Float64Array(length),
    count: 0,
  }
  let notFinite = 0
  let after: { sql: string; args: Value[] } = { sql: '', args: [] }
  for (let read = 0; read < length; ) {
    if (read > 0) await nextTurn()
    const rows = Math.min(pieceRows, length - read)
    const where = `${ofMetric} ${after.sql}`
    const args = [run, key, ...after.args, rows]
    const piece = await reader.first(
      Piece,
      `SELECT json_group_array(json_array(step, timestamp, value)) FILTER (WHERE is_nan = 0 AND abs(value) < 9e999) AS points,
        count(*) AS n
        FROM (SELECT step, timestamp, value, is_nan FROM metric_points WHERE ${where} ORDER BY step, timestamp, value, is_nan LIMIT ?)`,
      args,
    )
    if (piece === undefined || piece.n === 0) break
    for (const [step, timestamp, value] of piece.points) {
      columns.step[columns.count] = step
      columns.timestamp[columns.count] = timestamp
      columns.value[columns.count] = value
      columns.count += 1
    }
    notFinite += piece.n - piece.points.length
    read += piece.n
    if (read >= length) break
    const last = await reader.first(
      Place,
      `SELECT step, timestamp, value, is_nan FROM metric_points WHERE ${where} ORDER BY step, timestamp, value, is_nan LIMIT 1 OFFSET ?`,
      [...args.slice(0, -1), piece.n - 1],
    )
    if (last === undefined) break
    const value = number(last.value)
    after = {
      sql: `AND ${place} > (?, ?, ${value.sql}, ?)`,
      args: [last.step, last.timestamp, ...value.args, last.is_nan],
    }
  }
  return { columns, notFinite }
}

/** How many points a metric of a run has, as far as `countMax`: what is beyond is not counted. */
async function countPoints(reader: Reader, run: number, key: string, countMax: number): Promise<number> {
  const row = await reader.first(
    z.object({ n: z.number() }),
    `SELECT count(*) AS n FROM (SELECT 1 FROM metric_points WHERE ${ofMetric} LIMIT ?)`,
    [run, key, countMax],
  )
  return row?.n ?? 0
}
