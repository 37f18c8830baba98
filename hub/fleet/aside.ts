// Devices put aside: the third failure of any version since one last succeeded there keeps rollouts off for a day.

import type { ProgressState } from '@roost/shared/protocol/progress.ts'
import type { Statement } from '../storage/database.ts'

const failuresMax = 3
const asideMs = 86_400_000

const failed: ReadonlySet<ProgressState> = new Set(['failed', 'rolled_back'])
const succeeded: ReadonlySet<ProgressState> = new Set(['succeeded', 'already_current'])

/** To stand right behind the statement that stores the report: counts only where that changed a row, so that a report
 *  which comes twice counts once. */
export function tallyStatements(device: string, state: ProgressState, nowMs: number): Statement[] {
  if (succeeded.has(state)) {
    return [{ sql: 'UPDATE device_failures SET failures = 0 WHERE device = ? AND changes() > 0', args: [device] }]
  }
  if (!failed.has(state)) return []
  return [
    {
      sql: `INSERT INTO device_failures (device, failures) SELECT ?1, 1 WHERE changes() > 0
            ON CONFLICT (device) DO UPDATE SET
              failures = iif(failures + 1 >= ${failuresMax}, 0, failures + 1),
              aside_until = iif(failures + 1 >= ${failuresMax}, ?2, aside_until)`,
      args: [device, nowMs + asideMs],
    },
  ]
}

/** A person says to try again. */
export const forgetFailures = (device: string): Statement => ({
  sql: 'DELETE FROM device_failures WHERE device = ?',
  args: [device],
})
