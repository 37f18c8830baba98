// Attacks on the audit log in the real database file, by somebody who can write to the database and knows how the
// chain is made, but has not the keys. Every one must be found on the files of the stopped hub.

import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Client, createClient, type InValue } from '@libsql/client'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { writeAudited } from '../../../hub/governance/audit.ts'
import { chainStart, type FaultKind, type Head, linkHash } from '../../../hub/governance/audit-chain.ts'
import { openAuditKeeper } from '../../../hub/governance/audit-keeper.ts'
import { verifyStopped } from '../../../hub/governance/audit-offline.ts'
import { openDatabase, openStopped } from '../../../hub/storage/database.ts'

const seed = 20261125
const log = pino({ level: 'silent' })
const rows = 12
const columns = ['at', 'actor', 'action', 'subject', 'before', 'after', 'request_id'] as const

let folder: string
/** The data folder of a hub that recorded `rows` changes and stopped in order. */
let original: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-audit-'))
  original = join(folder, 'original')
  const { database, close } = await aKeptLog(original)
  for (let i = 1; i <= rows; i += 1) {
    const change = {
      actor: `token:${i}`,
      action: 'group.edit',
      subject: `group:g-${i}`,
      before: { i },
      after: [i],
      requestId: 'r',
    }
    await writeAudited(database, 1_000 * i, [change], [])
  }
  await close()
})
afterAll(() => rmSync(folder, { recursive: true }))

/** A database with the keeper of its head, as a hub has them. The keeper signs when a test says so, and at its end: never by
 *  itself between two of its steps. */
async function aKeptLog(data: string) {
  const stopping = new AbortController()
  mkdirSync(data, { recursive: true })
  const database = await openDatabase(join(data, 'hub.db'), log)
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))
  const keeper = await openAuditKeeper(
    { database, clock: Date.now, random, log, stopping: stopping.signal },
    join(data, 'keys'),
    3_600_000,
  )
  return {
    database,
    keeper,
    close: async () => {
      stopping.abort()
      await keeper.close()
      await database.close()
    },
    /** As a kill leaves it: what was written after the last signature is not signed. */
    kill: async () => {
      await database.close()
      stopping.abort()
    },
  }
}

let copies = 0
async function attacked(attack: (client: Client) => Promise<unknown>, kept: Head[] = []) {
  const data = copyOf(original)
  const client = createClient({ url: pathToFileURL(join(data, 'hub.db')).href })
  await unguarded(client, () => attack(client))
  client.close()
  const found = await verifyStopped(data, kept, log)
  rmSync(data, { recursive: true })
  return found
}

/** Takes the triggers away, and puts them back as they were: the attacker leaves no trace of that kind. */
async function unguarded(client: Client, work: () => Promise<unknown>): Promise<void> {
  const { rows: triggers } = await client.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
  for (const { name } of triggers) await client.execute(`DROP TRIGGER ${String(name)}`)
  await work()
  for (const { sql } of triggers) await client.execute(String(sql))
}

const run =
  (sql: string, ...args: InValue[]) =>
  (client: Client) =>
    client.execute({ sql, args })
const kinds = (found: { faults: { kind: FaultKind }[] }) => found.faults.map(({ kind }) => kind)

/** Computes the hashes anew from row `from` on, as the attacker can. */
async function rechain(client: Client, from: number): Promise<void> {
  const { rows: all } = await client.execute(
    `SELECT seq, at, actor, action, subject, before, after, request_id, hash FROM audit_log ORDER BY seq`,
  )
  let previous: Uint8Array = chainStart.hash
  for (const row of all) {
    const bytes = (name: string) => (row[name] == null ? null : Buffer.from(String(row[name])))
    const link = {
      seq: Buffer.from(String(row.seq)),
      at: bytes('at'),
      actor: bytes('actor'),
      action: bytes('action'),
      subject: bytes('subject'),
      before: bytes('before'),
      after: bytes('after'),
      requestId: bytes('request_id'),
    }
    if (Number(row.seq) >= from) {
      previous = linkHash(previous, link)
      await client.execute({ sql: 'UPDATE audit_log SET hash = ? WHERE seq = ?', args: [previous, Number(row.seq)] })
    } else if (row.hash instanceof ArrayBuffer) previous = new Uint8Array(row.hash)
  }
}

test('the log of a hub that stopped in order is whole', async () => {
  expect(await attacked(async () => undefined)).toMatchObject({ ok: true, rows, unsigned: 0, faultsFound: 0 })
})

test('while they are there, the triggers refuse every change but the next row', async () => {
  const { database, close } = await aKeptLog(join(folder, 'guarded'))
  await writeAudited(database, 1, [{ actor: 'a', action: 'a.b', subject: 's' }], [])
  const again = (verb: string, seq: number) =>
    `${verb} INTO audit_log SELECT ${seq}, at, 'b', action, subject, before, after, request_id, hash FROM audit_log`
  for (const sql of [
    "UPDATE audit_log SET actor = 'b'",
    'DELETE FROM audit_log',
    again('INSERT OR REPLACE', 1),
    again('REPLACE', 1),
    again('INSERT', 3),
    again('INSERT OR IGNORE', 3),
    "INSERT INTO audit_log SELECT * FROM audit_log WHERE true ON CONFLICT (seq) DO UPDATE SET actor = 'b'",
  ]) {
    await expect(database.write([{ sql }]), sql).rejects.toThrow(/append-only/)
  }
  await close()
})

describe('an attacker without the keys', () => {
  test.each(columns)(
    'who alters %s of any row is found out at that row, at the end even with the chain computed anew',
    async (column) => {
      for (const seq of [1, 2, rows - 1, rows]) {
        const value = column === 'at' ? 999 : 'x'
        const plain = await attacked(run(`UPDATE audit_log SET ${column} = ? WHERE seq = ?`, value, seq))
        expect(plain.faults).toMatchObject([{ kind: 'altered', seq }])
        const rechained = await attacked(async (client) => {
          await run(`UPDATE audit_log SET ${column} = ? WHERE seq = ?`, value, seq)(client)
          await rechain(client, seq)
        })
        expect(rechained.faults).toMatchObject([{ kind: 'replaced', seq: rows }])
      }
    },
  )

  test.each<[string, (client: Client) => Promise<unknown>, FaultKind]>([
    ['sets a value to NULL', run('UPDATE audit_log SET before = NULL WHERE seq = 5'), 'altered'],
    ['makes NULL of an empty text', run("UPDATE audit_log SET request_id = '' WHERE seq = 5"), 'altered'],
    [
      'moves a byte from one column to the next',
      run("UPDATE audit_log SET actor = 'token:', action = '5group.edit' WHERE seq = 5"),
      'altered',
    ],
    ['alters a hash', run('UPDATE audit_log SET hash = zeroblob(32) WHERE seq = 5'), 'altered'],
    ['alters the hash of the last row', run('UPDATE audit_log SET hash = zeroblob(32) WHERE seq = ?', rows), 'altered'],
    [
      'writes a byte that is no UTF-8',
      run("UPDATE audit_log SET subject = subject || CAST(x'ff' AS TEXT) WHERE seq = 5"),
      'altered',
    ],
    [
      'writes a time that no number of JavaScript holds',
      run('UPDATE audit_log SET at = 9007199254740993 WHERE seq = 5'),
      'altered',
    ],
    ['removes the first row', run('DELETE FROM audit_log WHERE seq = 1'), 'missing'],
    ['removes a row', run('DELETE FROM audit_log WHERE seq = 5'), 'missing'],
    ['removes several rows', run('DELETE FROM audit_log WHERE seq BETWEEN 3 AND 9'), 'missing'],
    ['removes the last row', run('DELETE FROM audit_log WHERE seq = ?', rows), 'cut-off'],
    ['cuts off the tail', run('DELETE FROM audit_log WHERE seq > 4'), 'cut-off'],
    ['empties the log', run('DELETE FROM audit_log'), 'cut-off'],
    ['moves a row to the end', run(`UPDATE audit_log SET seq = ${rows + 1} WHERE seq = 5`), 'missing'],
    [
      'gives a row a number below the first',
      run('UPDATE audit_log SET seq = 9223372036854775807 WHERE seq = ?', rows),
      'out-of-place',
    ],
    [
      'hides a row at a number below 1',
      async (client) => {
        await client.execute('PRAGMA ignore_check_constraints = ON')
        await run(
          `INSERT INTO audit_log SELECT -9223372036854775808, at, actor, action, subject, before, after, request_id, hash FROM audit_log WHERE seq = 1`,
        )(client)
      },
      'out-of-place',
    ],
    [
      'removes a row and closes the gap, with the chain computed anew',
      async (client) => {
        await run('DELETE FROM audit_log WHERE seq = 5')(client)
        for (let seq = 6; seq <= rows; seq += 1)
          await run('UPDATE audit_log SET seq = ? WHERE seq = ?', seq - 1, seq)(client)
        await rechain(client, 5)
      },
      'cut-off',
    ],
    ['appends a forged row', (client) => appendForged(client), 'foreign'],
    [
      'cuts off the tail and forges one of the same length',
      async (client) => {
        await run('DELETE FROM audit_log WHERE seq > ?', rows - 2)(client)
        await appendForged(client)
        await appendForged(client)
      },
      'replaced',
    ],
    [
      'swaps two rows',
      async (client) => {
        for (const [seq, to] of [
          [5, 100],
          [6, 5],
          [100, 6],
        ] as const)
          await run('UPDATE audit_log SET seq = ? WHERE seq = ?', to, seq)(client)
      },
      'altered',
    ],
    [
      'swaps two rows, with the chain computed anew',
      async (client) => {
        for (const [seq, to] of [
          [5, 100],
          [6, 5],
          [100, 6],
        ] as const)
          await run('UPDATE audit_log SET seq = ? WHERE seq = ?', to, seq)(client)
        await rechain(client, 5)
      },
      'replaced',
    ],
    [
      'inserts a row in the middle, with the chain computed anew',
      async (client) => {
        for (let seq = rows; seq > 5; seq -= 1)
          await run('UPDATE audit_log SET seq = ? WHERE seq = ?', seq + 1, seq)(client)
        await run(
          `INSERT INTO audit_log SELECT 6, at, 'token:forged', action, subject, before, after, request_id, hash FROM audit_log WHERE seq = 5`,
        )(client)
        await rechain(client, 6)
      },
      'replaced',
    ],
  ])('who %s is found out', async (_, attack, kind) => {
    const found = await attacked(attack)
    expect(found.ok).toBe(false)
    expect(kinds(found)).toContain(kind)
  })
})

test('a trigger that is gone, or another of its name, is told', async () => {
  for (const put of [
    '',
    "CREATE TRIGGER audit_log_is_not_deleted BEFORE DELETE ON audit_log BEGIN SELECT 'fine'; END",
  ]) {
    const data = copyOf(original)
    const client = createClient({ url: pathToFileURL(join(data, 'hub.db')).href })
    await client.execute('DROP TRIGGER audit_log_is_not_deleted')
    if (put !== '') await client.execute(put)
    client.close()
    expect(kinds(await verifyStopped(data, [], log))).toEqual(['unguarded'])
  }
})

test('an attack of any kind and place is found out', async () => {
  const attack = fc.oneof(
    fc.record({
      kind: fc.constant('alter' as const),
      seq: fc.integer({ min: 1, max: rows }),
      column: fc.constantFrom(...columns),
      rechained: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant('remove' as const),
      seq: fc.integer({ min: 1, max: rows }),
      count: fc.integer({ min: 1, max: rows }),
    }),
    fc.record({
      kind: fc.constant('swap' as const),
      seq: fc.integer({ min: 1, max: rows - 1 }),
      by: fc.integer({ min: 1, max: 3 }),
      rechained: fc.boolean(),
    }),
  )
  await fc.assert(
    fc.asyncProperty(attack, async (attack) => {
      const found = await attacked(async (client) => {
        if (attack.kind === 'alter') {
          const value = attack.column === 'at' ? 7 : 'forged'
          await run(`UPDATE audit_log SET ${attack.column} = ? WHERE seq = ?`, value, attack.seq)(client)
        } else if (attack.kind === 'remove') {
          await run('DELETE FROM audit_log WHERE seq >= ? AND seq < ?', attack.seq, attack.seq + attack.count)(client)
        } else {
          const other = Math.min(rows, attack.seq + attack.by)
          for (const [seq, to] of [
            [attack.seq, 100],
            [other, attack.seq],
            [100, other],
          ] as const) {
            await run('UPDATE audit_log SET seq = ? WHERE seq = ?', to, seq)(client)
          }
        }
        if ('rechained' in attack && attack.rechained) await rechain(client, attack.seq)
      })
      expect(found.ok).toBe(false)
    }),
    { seed, numRuns: 40 },
  )
})

describe('the signed head', () => {
  test('of somebody else, damaged, or gone is told', async () => {
    const other = join(folder, 'other')
    await (await aKeptLog(other)).close()
    for (const [change, kind] of [
      [(keys: string) => cpSync(join(other, 'keys', 'audit-head.json'), join(keys, 'audit-head.json')), 'bad-head'],
      [(keys: string) => writeFileSync(join(keys, 'audit-head.json'), '{"seq":'), 'bad-head'],
      [(keys: string) => rmSync(join(keys, 'audit.pem')), 'bad-head'],
      [(keys: string) => writeFileSync(join(keys, 'audit.pem'), 'nothing'), 'bad-head'],
      [(keys: string) => rmSync(join(keys, 'audit-head.json')), 'no-head'],
    ] as const) {
      const data = copyOf(original)
      change(join(data, 'keys'))
      expect(kinds(await verifyStopped(data, [], log))).toEqual([kind])
    }
  })

  test('kept elsewhere finds out who has the keys as well', async () => {
    const data = copyOf(original)
    const before = await verifyStopped(data, [], log)
    const kept = [{ seq: before.head.seq, hash: Buffer.from(before.head.hash, 'hex') }]
    expect(await verifyStopped(data, kept, log)).toMatchObject({ ok: true })
    const client = createClient({ url: pathToFileURL(join(data, 'hub.db')).href })
    await unguarded(client, () => run('DELETE FROM audit_log WHERE seq > 4')(client))
    client.close()
    rmSync(join(data, 'keys', 'audit-head.json'))
    const forged = await aKeptLog(data)
    await forged.close()
    expect(await verifyStopped(data, [], log)).toMatchObject({ ok: true })
    expect(kinds(await verifyStopped(data, kept, log))).toEqual(['cut-off'])
  })

  test('covers what a killed hub had not signed as soon as the next one starts, which says so', async () => {
    const data = copyOf(original)
    const killed = await aKeptLog(data)
    await writeAudited(killed.database, 1, [aChange], [])
    await killed.kill()
    expect(await verifyStopped(data, [], log)).toMatchObject({ ok: true, rows: rows + 1, unsigned: 1 })
    const next = await aKeptLog(data)
    await next.close()
    const { ok, unsigned } = await verifyStopped(data, [], log)
    expect({ ok, unsigned }).toEqual({ ok: true, unsigned: 0 })
    expect(await lastAction(data)).toBe('audit.take-over')
  })

  test('is not signed any more by a hub that finds rows it did not write, now or after a restart', async () => {
    const data = copyOf(original)
    const running = await aKeptLog(data)
    await writeAudited(running.database, 1, [aChange], [])
    await running.keeper.advance()
    const client = createClient({ url: pathToFileURL(join(data, 'hub.db')).href })
    await unguarded(client, () => appendForged(client))
    client.close()
    await writeAudited(running.database, 2, [aChange], [])
    await running.keeper.advance()
    await running.close()
    for (const state of ['at once', 'after a restart']) {
      const found = await verifyStopped(data, [], log)
      expect(kinds(found), state).toEqual(['head-broken'])
      expect(found.faults[0]).toMatchObject({
        seq: rows + 1,
        detail: expect.stringContaining(`row ${rows + 2} was not written`),
      })
      await (await aKeptLog(data)).close()
    }
  })

  test.each<[string, (client: Client) => Promise<unknown>]>([
    ['a tail that was cut off while it was stopped', run('DELETE FROM audit_log WHERE seq > 4')],
    ['a row that was appended while it was stopped', (client) => appendForged(client)],
    [
      'a chain that was computed anew while it was stopped',
      (client) => run("UPDATE audit_log SET actor = 'x' WHERE seq = 4")(client).then(() => rechain(client, 4)),
    ],
  ])('is not moved over %s', async (_, attack) => {
    const data = copyOf(original)
    const client = createClient({ url: pathToFileURL(join(data, 'hub.db')).href })
    await unguarded(client, () => attack(client))
    client.close()
    const next = await aKeptLog(data)
    await writeAudited(next.database, 1, [aChange], [])
    await next.close()
    const found = await verifyStopped(data, [], log)
    expect(kinds(found)).toContain('head-broken')
    expect(found.signed).toMatchObject({ seq: rows, state: 'broken' })
  })
})

const aChange = { actor: 'token:1', action: 'group.edit', subject: 'group:g' }

function copyOf(data: string): string {
  copies += 1
  const copy = join(folder, `copy-${copies}`)
  cpSync(data, copy, { recursive: true })
  return copy
}

async function lastAction(data: string): Promise<string | undefined> {
  const database = await openStopped(join(data, 'hub.db'), log)
  const row = await database.first(z.object({ action: z.string() }), 'SELECT action FROM audit_log ORDER BY seq DESC')
  await database.close()
  return row?.action
}

async function appendForged(client: Client): Promise<void> {
  await client.execute(
    `INSERT INTO audit_log SELECT max(seq) + 1, at, 'token:forged', action, subject, before, after, request_id, hash FROM audit_log`,
  )
  const {
    rows: [last],
  } = await client.execute('SELECT max(seq) AS seq FROM audit_log')
  await rechain(client, Number(last?.seq))
}
