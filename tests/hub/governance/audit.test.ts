// The audit log as those who make changes meet it: what is recorded, with what, and what never gets in.

import { expect, test } from 'vitest'
import { z } from 'zod'
import { writeAudited } from '../../../hub/governance/audit.ts'
import { aHub } from '../a-hub.ts'

const Row = z.object({
  seq: z.number(),
  at: z.number(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  before: z.string().nullable(),
  after: z.string().nullable(),
  request_id: z.string().nullable(),
})
const change = { actor: 'token:Ab3dEf9h', action: 'group.create', subject: 'group:a' }

test('a change and its record are one transaction', async () => {
  await using hub = await aHub()
  const { database } = hub
  const all = () => database.all(Row, 'SELECT * FROM audit_log ORDER BY seq')
  const made = await writeAudited(
    database,
    1000,
    [{ ...change, after: { x: 1 }, requestId: 'r-1' }],
    [
      {
        sql: "INSERT INTO tokens (id, name, role, sha256, created_by, created_at) VALUES ('a', 'a', 'ci', x'00', 'x', 1)",
      },
    ],
  )
  expect(made).toEqual([1])
  expect(await all()).toEqual([{ seq: 1, at: 1000, ...change, before: null, after: '{"x":1}', request_id: 'r-1' }])
  const again = writeAudited(
    database,
    1000,
    [change],
    [
      {
        sql: "INSERT INTO tokens (id, name, role, sha256, created_by, created_at) VALUES ('a', 'a', 'ci', x'00', 'x', 1)",
      },
    ],
  )
  await expect(again).rejects.toThrow(/UNIQUE/)
  expect(await all()).toHaveLength(1)
})
