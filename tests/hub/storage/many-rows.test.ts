import { expect, test } from 'vitest'
import { z } from 'zod'
import { BooleanColumn } from '../../../hub/storage/database.ts'
import { manyRows } from '../../../hub/storage/many-rows.ts'
import { aHub } from '../a-hub.ts'

const Row = z.object({ key: z.string(), place: z.number(), note: z.string().nullable(), flag: BooleanColumn })

test('many rows are those that the database gives one by one, in their order', async () => {
  await using hub = await aHub()
  const notes = [null, '', '"quoted" \\ ', 'ü\n', '{"a": [1]}', "it's"]
  const rows = Array.from({ length: 2_000 }, (_, i) => ({
    key: `k-${(i * 7919) % 2_000}`,
    place: (i * 104_729) % 2_000,
    note: notes[i % notes.length] ?? null,
    flag: i % 2,
  }))
  const from = `FROM (SELECT value ->> 'key' AS key, value ->> 'place' AS place, value ->> 'note' AS note, value ->> 'flag' AS flag
                FROM json_each(?)) ORDER BY place`
  const args = [JSON.stringify(rows)]
  let others = 0
  const reading = manyRows(hub.database, Row, from, args)
  setImmediate(() => {
    others += 1
  })
  const read = await reading
  // thousands of rows are not checked in one go
  expect(others).toBe(1)
  expect(read).toEqual(await hub.database.all(Row, `SELECT key, place, note, flag ${from}`, args))
  expect(read).toHaveLength(2_000)
  expect(await manyRows(hub.database, Row, `${from.replace('ORDER', 'WHERE 0 ORDER')}`, args)).toEqual([])
})
