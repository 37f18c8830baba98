// Devices whose reports cannot be true: left out of the gates of the stage at hand, and shown.

import { z } from 'zod'
import type { Reader, Statement } from '../../storage/database.ts'

export const suspectsOf = (reader: Reader, rollout: string): Promise<{ device: string; why: string }[]> =>
  reader.all(
    z.object({ device: z.string(), why: z.string() }),
    `SELECT t.device, t.suspect AS why FROM rollout_tallies t JOIN rollout_readings r ON r.rollout = t.rollout
     WHERE t.rollout = ? AND t.suspect IS NOT NULL AND t.opening = r.opening ORDER BY t.device`,
    [rollout],
  )

/** What was added up of rollouts that have ended is needed no more: their looks hold what was judged by. */
export const forgetTallies: Statement = {
  sql: `UPDATE rollout_tallies SET tally = NULL, past = NULL
        WHERE (tally IS NOT NULL OR past IS NOT NULL) AND rollout IN (
          SELECT id FROM rollouts WHERE state IN ('completed', 'rolled_back', 'aborted', 'superseded', 'rejected'))`,
}
