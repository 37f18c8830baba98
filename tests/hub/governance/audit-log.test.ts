// Reading the audit log by filters: what is found is what going through every row finds, by whichever index.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AuditFilter, changesAfter, latestChanges } from '../../../hub/governance/audit-log.ts'
import { aHub } from '../a-hub.ts'

/** More than are sought by their time. */
const count = 12_000
const actors = ['token:alice', 'token:bob', 'hub']
const actions = ['device.label', 'device.revoke', 'rollout.start']
const subjects = ['device:d-0', 'device:d-1', 'device:d-2', 'device:d-3']
const firstMs = 1_700_000_000_000

test('a filter by time and anything else finds its rows in order, also where the clock was set back', async () => {
  await using hub = await aHub()
  // a row a second; for a while the clock was an hour and a half behind
  const timeOf = (seq: number) => firstMs + (seq - (seq > 5_000 && seq < 6_000 ? 5_400 : 0)) * 1_000
  await hub.database.write([
    {
      sql: `WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < ${count})
            INSERT INTO audit_log (seq, at, actor, action, subject, hash)
            SELECT seq, ${firstMs} + (seq - iif(seq > 5000 AND seq < 6000, 5400, 0)) * 1000,
              json_extract(?, '$[' || (seq % 3) || ']'), json_extract(?, '$[' || (seq / 3 % 3) || ']'),
              json_extract(?, '$[' || (seq % 4) || ']'), zeroblob(32) FROM n`,
      args: [actors, actions, subjects].map((names) => JSON.stringify(names)),
    },
  ])
  const rows = Array.from({ length: count }, (_, i) => i + 1).map((seq) => ({
    seq,
    at: timeOf(seq),
    actor: actors[seq % 3] ?? '',
    action: actions[Math.floor(seq / 3) % 3] ?? '',
    subject: subjects[seq % 4] ?? '',
  }))
  const time = fc.integer({ min: firstMs - 1_000, max: firstMs + (count + 1) * 1_000 })
  const filter = fc.record(
    {
      actor: fc.constantFrom(...actors, 'nobody'),
      action: fc.constantFrom(...actions, 'device.', 'r'),
      subject: fc.constantFrom(...subjects),
      from: time,
      to: time,
    },
    { requiredKeys: [] },
  )
  const fits = (row: (typeof rows)[number], { actor, action, subject, from, to }: AuditFilter) =>
    (actor ?? row.actor) === row.actor &&
    (subject ?? row.subject) === row.subject &&
    row.action.startsWith(action ?? '') &&
    (from ?? 0) <= row.at &&
    row.at < (to ?? Number.POSITIVE_INFINITY)
  await fc.assert(
    fc.asyncProperty(filter, fc.nat(count + 1), async (wanted, seq) => {
      const found = rows.filter((row) => fits(row, wanted))
      const [latest, after] = [
        await latestChanges(hub.database, wanted, seq, 20),
        await changesAfter(hub.database, wanted, seq, 20),
      ]
      expect(latest.map((row) => row.seq)).toEqual(
        found
          .filter((row) => row.seq < seq)
          .map((row) => row.seq)
          .slice(-20)
          .reverse(),
      )
      expect(after.map((row) => row.seq)).toEqual(
        found
          .filter((row) => row.seq > seq)
          .map((row) => row.seq)
          .slice(0, 20),
      )
    }),
    { seed: 13, numRuns: 150 },
  )
})
