// The audit log as those who make changes meet it: what is recorded, with what, and what never gets in.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { auditStatements, writeAudited, writeAuditedIfChanged } from '../../../hub/governance/audit.ts'
import { recordedText, recordedValue, textLengthMax, valueLengthMax } from '../../../hub/governance/audit-values.ts'
import { verifyAudit } from '../../../hub/governance/audit-verify.ts'
import { makeToken } from '../../../hub/governance/tokens.ts'
import { encodePrivateKey, generateKeyPair } from '../../../shared/trust/keys.ts'
import { aHub, type TestHub } from '../a-hub.ts'

const seed = 88172

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
const change = { actor: 'token:Ab3dEf9h', action: 'token.create', subject: 'token:a' }
const aToken = (id: string) => ({
  sql: "INSERT INTO tokens (id, name, role, sha256, created_by, created_at) VALUES (?, 'a', 'ci', x'00', 'x', 1)",
  args: [id],
})
const all = ({ database }: TestHub) => database.all(Row, 'SELECT * FROM audit_log ORDER BY seq')
const isWhole = async ({ database }: TestHub) => (await verifyAudit(database, 'no-head')).faults.map(({ kind }) => kind)

test('a change and its record are one transaction', async () => {
  await using hub = await aHub()
  const { database } = hub
  const described = { ...change, after: { x: 1 }, requestId: 'r-1' }
  expect(await writeAudited(database, 1000, [described], [aToken('a')])).toEqual([1])
  const first = { seq: 1, at: 1000, ...change, before: null, after: '{"x":1}', request_id: 'r-1' }
  expect(await all(hub)).toEqual([first])
  await expect(writeAudited(database, 1000, [change], [aToken('a')])).rejects.toThrow(/UNIQUE/)
  expect(await all(hub)).toEqual([first])
})

test('what changes nothing is not recorded, and what follows the first statement is still done', async () => {
  await using hub = await aHub()
  const { database } = hub
  await database.write([aToken('a'), aToken('b')])
  const rename = (id: string) => ({ sql: "UPDATE tokens SET name = 'new' WHERE id = ?", args: [id] })
  expect(await writeAuditedIfChanged(database, 1, change, [rename('nobody'), rename('a')])).toEqual([0, 1])
  expect(await all(hub)).toEqual([])
  expect(await writeAuditedIfChanged(database, 1, change, [rename('b'), rename('nobody')])).toEqual([1, 0])
  expect((await all(hub)).map(({ seq, action }) => [seq, action])).toEqual([[1, 'token.create']])
})

test('changes that come at once are one chain without a gap', async () => {
  await using hub = await aHub()
  const { database } = hub
  await Promise.all(
    Array.from({ length: 200 }, (_, i) => {
      const one = { ...change, after: i }
      return i % 2 === 0
        ? writeAudited(database, i, [one, one], [])
        : database.exclusively(async (tx) => tx.write(await auditStatements(tx, i, [one])))
    }),
  )
  expect((await all(hub)).map(({ seq }) => seq)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1))
  expect(await isWhole(hub)).toEqual(['no-head'])
})

test('records made twice of one place in the chain are refused, with the change', async () => {
  await using hub = await aHub()
  const { database } = hub
  const twice = database.exclusively(async (tx) => {
    const records = [...(await auditStatements(tx, 1, [change])), ...(await auditStatements(tx, 1, [change]))]
    return tx.write([aToken('a'), ...records])
  })
  await expect(twice).rejects.toThrow(/append-only/)
  expect(await database.all(z.unknown(), 'SELECT * FROM tokens')).toEqual([])
})

test('whatever is recorded comes back from the database as it was hashed', async () => {
  await using hub = await aHub()
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('\ud800', 'a\0b', '\ufeff', '', 'é', '\u{10ffff}', "'", 'x'.repeat(2000)),
  )
  const value = fc.oneof(
    fc.jsonValue(),
    text,
    fc.constantFrom(undefined, Number.NaN, 10n, -0, new Date(0)),
    fc.object({ withBigInt: true, withDate: true, withMap: true }),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(text, text, value, value, fc.option(text, { nil: undefined })), { maxLength: 4 }),
      async (changes) => {
        const described = changes.map(([actor, subject, before, after, requestId]) => ({
          actor,
          action: 'a.b',
          subject,
          before,
          after,
          requestId,
        }))
        await writeAudited(hub.database, 1, described, [])
        expect(await isWhole(hub)).toEqual(['no-head'])
      },
    ),
    { seed, numRuns: 60 },
  )
  expect(await isWhole(hub)).toEqual(['no-head'])
})

describe('a value', () => {
  const { token } = makeToken((length) => new Uint8Array(length).fill(7))
  const claim = `roostclaim_0123456789ab_${'A'.repeat(43)}`
  const pem = encodePrivateKey(generateKeyPair((length) => new Uint8Array(length).fill(7)))

  test.each<[string, unknown]>([
    ['a token', token],
    ['a token in a sentence', `Bearer ${token}!`],
    ['a claim token', { a: [claim] }],
    ['a private key', { note: pem }],
    ['a secret by its name', { nested: { clientSecret: token.slice(0, 20) } }],
    ['a password', { password: token.slice(0, 20) }],
    ['a token by its name', { token: token.slice(0, 20) }],
    ['a token as a name', { [token]: 1 }],
    ['a token far down', JSON.parse(`${'{"a":'.repeat(40)}"${token}"${'}'.repeat(40)}`)],
    ['a token behind a long text', { long: 'x'.repeat(valueLengthMax), token }],
    ['bytes', Buffer.from(token)],
  ])('never holds %s', (_, value) => {
    const recorded = recordedValue(value) ?? ''
    for (const secret of [token, token.slice(0, 20), claim, pem.slice(30, 60)]) expect(recorded).not.toContain(secret)
    expect(recordedText(`x ${token}`)).not.toContain(token)
  })

  test('that is no secret is kept as it is', () => {
    const value = {
      name: 'roost_devices_connected_total',
      tokens: 3,
      tokenId: 'Ab3dEf9h',
      secretExpired: true,
      none: null,
    }
    expect(JSON.parse(recordedValue(value) ?? '')).toEqual(value)
    expect(recordedValue(undefined)).toBeNull()
    expect(recordedValue(null)).toBe('null')
  })

  test('that is long says so, with its start, its length and its hash', () => {
    const long = { text: 'ü'.repeat(valueLengthMax) }
    const recorded = recordedValue(long) ?? ''
    expect(recorded.length).toBeLessThan(valueLengthMax)
    expect(JSON.parse(recorded)).toMatchObject({
      truncated: true,
      length: JSON.stringify(long).length,
      start: expect.stringMatching(/^\{"text":"ü+$/),
    })
    expect(recordedValue({ text: `${'ü'.repeat(valueLengthMax - 1)}u` })).not.toBe(recorded)
    expect(recordedText('a'.repeat(5000))).toHaveLength(textLengthMax)
    expect(recordedText('a'.repeat(5000))).not.toBe(recordedText('a'.repeat(5001)))
  })

  test('is bounded, and JSON, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.object({ maxDepth: 6, withBigInt: true, withDate: true, withTypedArray: true, withNullPrototype: true }),
        (value) => {
          const recorded = recordedValue(value) ?? ''
          expect(recorded.length).toBeLessThanOrEqual(valueLengthMax)
          expect(JSON.stringify(JSON.parse(recorded))).toBe(recorded)
        },
      ),
      { seed, numRuns: 200 },
    )
  })
})
