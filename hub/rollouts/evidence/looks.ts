// Looks at stages as they are stored: the verdict, and all that it followed from. Kept as long as the rollout, whatever
// becomes of the reports that were counted.

import { promisify } from 'node:util'
import { deflateRaw, inflateRaw } from 'node:zlib'
import { encode } from '@roost/shared/protocol/wire.ts'
import { z } from 'zod'
import { BytesColumn, jsonColumn, type Reader, type Statement } from '../../storage/database.ts'
import { read } from './columns.ts'
import { judgeStage, StageInputs, StageVerdict } from './judge.ts'

const deflate = promisify(deflateRaw)
const inflate = promisify(inflateRaw)
/** What inputs may take when inflated: those of 100,000 devices and 16 gates are a tenth of it. */
const inputsBytesMax = 1_073_741_824

export const LookRow = z.object({
  number: z.number(),
  stage: z.number(),
  opening: z.number(),
  at: z.number(),
  verdict: jsonColumn(StageVerdict),
})
export type LookRow = z.infer<typeof LookRow>

/** The last look at the stage since it was opened. */
export const lastLookOf = (
  reader: Reader,
  rollout: string,
  stage: number,
  opening: number,
): Promise<LookRow | undefined> =>
  reader.first(
    LookRow,
    `SELECT number, stage, opening, at, verdict FROM rollout_looks
     WHERE rollout = ? AND stage = ? AND opening = ? ORDER BY number DESC LIMIT 1`,
    [rollout, stage, opening],
  )

/** Looks at all stages, in their order. */
export const looksOf = (reader: Reader, rollout: string): Promise<LookRow[]> =>
  reader.all(
    LookRow,
    'SELECT number, stage, opening, at, verdict FROM rollout_looks WHERE rollout = ? ORDER BY number',
    [rollout],
  )

/** The number that the next look gets. */
export async function nextLookOf(reader: Reader, rollout: string): Promise<number> {
  const row = await reader.first(
    z.object({ last: z.number().nullable() }),
    'SELECT max(number) AS last FROM rollout_looks WHERE rollout = ?',
    [rollout],
  )
  return (row?.last ?? 0) + 1
}

export async function lookStatement(
  rollout: string,
  opening: number,
  inputs: StageInputs,
  verdict: StageVerdict,
): Promise<Statement> {
  const { look, context } = inputs
  return {
    sql: `INSERT INTO rollout_looks (rollout, number, stage, opening, at, verdict, inputs) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    args: [
      rollout,
      look.record,
      context.index,
      opening,
      look.at,
      JSON.stringify(verdict),
      await deflate(encode(inputs), { level: 3 }),
    ],
  }
}

/** What the verdict of a look followed from; undefined where there is no such look. */
export async function inputsOfLook(reader: Reader, rollout: string, number: number): Promise<StageInputs | undefined> {
  const row = await reader.first(
    z.object({ inputs: BytesColumn }),
    'SELECT inputs FROM rollout_looks WHERE rollout = ? AND number = ?',
    [rollout, number],
  )
  if (row === undefined) return undefined
  return read(StageInputs, await inflate(row.inputs, { maxOutputLength: inputsBytesMax }))
}

/** The verdict again, from nothing but its stored inputs. */
export const replay = (inputs: StageInputs): StageVerdict => judgeStage(inputs)
