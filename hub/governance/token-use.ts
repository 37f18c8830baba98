// When a token was last used, to the minute: a write for every request would cost more than the request.

import type { Hub } from '../hub.ts'
import type { Database } from '../storage/database.ts'

const notedEveryMs = 60_000
/** Tokens remembered as noted; past it they are forgotten together and written once more. */
const rememberedMax = 10_000

/** Token id to when its use was last noted. */
const noted = new WeakMap<Database, Map<string, number>>()

/** Notes that the token was used now. The request neither waits for it nor fails with it. */
export function noteUse({ database, clock, log }: Pick<Hub, 'database' | 'clock' | 'log'>, id: string): void {
  const known = noted.get(database) ?? new Map<string, number>()
  noted.set(database, known)
  const nowMs = clock()
  if (Math.abs(nowMs - (known.get(id) ?? Number.NEGATIVE_INFINITY)) < notedEveryMs) return
  if (known.size >= rememberedMax) known.clear()
  known.set(id, nowMs)
  database
    .write([{ sql: 'UPDATE tokens SET last_used_at = ? WHERE id = ?', args: [nowMs, id] }])
    .catch((error: unknown) => log.warn({ err: error, token: id }, 'the use of a token could not be noted'))
}
