// Versions whose gates nobody has looked at since something became known of them: registering, evaluating and moving are
// written first and looked at afterwards, and the hub may have died in between.

import { z } from 'zod'
import type { Reader } from '../storage/database.ts'

/** Versions that are looked at again when the hub starts, the newest; the rest on demand. */
export const unconsideredMax = 1_000

const Unconsidered = z.object({ model: z.string(), version: z.number() })

/** In development or staging, with no verdict before the next stage as young as what makes the hub look at gates: the
 *  registration, a further variant, an evaluation, a move. What happened before there was a policy is none of it: a start
 *  must move nothing that nothing else would have moved. Newest first. */
export const unconsideredVersions = (reader: Reader, limit: number): Promise<z.infer<typeof Unconsidered>[]> =>
  reader.all(
    Unconsidered,
    `WITH known AS (
       SELECT v.model, v.version, v.created_at, iif(v.stage = 'development', 'staging', 'production') AS next,
         max(
           v.created_at,
           coalesce((SELECT max(e.ended_at) FROM evaluations e
             WHERE e.model = v.model AND e.version = v.version AND e.state = 'succeeded'), 0),
           coalesce((SELECT max(a.at) FROM audit_log a
             WHERE a.subject = 'version:' || v.model || '/' || v.version AND a.action = 'version.add-variant'), 0),
           coalesce((SELECT max(o.at) FROM promotion_moves o
             WHERE o.model = v.model AND o.version = v.version
               AND o.kind IN ('automatic', 'approved', 'manual', 'override')), 0)
         ) AS at
       FROM versions v JOIN models m ON m.name = v.model
       WHERE v.stage IN ('development', 'staging') AND v.deleted_at IS NULL AND m.deleted_at IS NULL
     )
     SELECT model, version FROM known
     WHERE at >= (SELECT p.created_at FROM promotion_policies p WHERE p.model = known.model ORDER BY revision LIMIT 1)
       AND NOT EXISTS (
         SELECT 1 FROM promotion_verdicts g
         WHERE g.model = known.model AND g.version = known.version AND g.to_stage = known.next
           AND g.last_at >= known.at)
     ORDER BY created_at DESC, model, version DESC LIMIT ?`,
    [limit],
  )
