// What an entry of the audit log says on the page: its fields side by side, where its subject is shown, the verdict.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isValid, labelsIn, listed, tokenState } from '../../hub/dashboard/page/access/roles.ts'
import { differences, subjectPath, verdict } from '../../hub/dashboard/page/audit/entry-words.ts'
import { auditAddress, filterIn, placeIn } from '../../hub/dashboard/page/audit/filter.ts'
import { timeLeft } from '../../hub/dashboard/page/settings/lifetimes.ts'

const seed = 20261126

describe('the fields of an entry', () => {
  test('are those that changed first, and by path', () => {
    expect(differences({ a: 1, b: { c: 'x', d: [1] } }, { a: 1, b: { c: 'y', d: [1] }, e: null })).toEqual([
      { field: 'b.c', before: 'x', after: 'y', isChanged: true },
      { field: 'a', before: '1', after: '1', isChanged: false },
      { field: 'b.d', before: '[1]', after: '[1]', isChanged: false },
    ])
    expect(differences(null, 'text')).toEqual([{ field: '', before: undefined, after: 'text', isChanged: true }])
    expect(differences(null, null)).toEqual([])
  })

  test('of any two values: nothing changed between a value and itself, and to and fro is the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (before, after) => {
        expect(differences(before, before).some(({ isChanged }) => isChanged)).toBe(false)
        const names = (rows: ReturnType<typeof differences>) => rows.map(({ field }) => field).sort()
        expect(names(differences(before, after))).toEqual(names(differences(after, before)))
      }),
      { seed, numRuns: 300 },
    )
  })
})

test.each([
  ['device:d-42', '/devices/d-42'],
  ['rollout:r-1', '/rollouts/r-1'],
  ['version:press fault/7', '/models/press%20fault/7'],
  ['version:press', undefined],
  ['model:press', '/models/press'],
  ['token:4kXb9TqL', '/access?token=4kXb9TqL'],
  ['audit:head', undefined],
  ['device:', undefined],
  ['nothing', undefined],
])('%s is shown at %s', (subject, path) => {
  expect(subjectPath(subject)).toBe(path)
})

test('a filter and a place come back from their address, whatever is in them', () => {
  const text = fc.string({ minLength: 1, maxLength: 40 }).filter((value) => value.isWellFormed())
  const filter = fc.record({ actor: text, action: text, subject: text }, { requiredKeys: [] })
  const row = fc.integer({ min: 0, max: 1e12 })
  fc.assert(
    fc.property(filter, fc.record({ before: row, after: row }, { requiredKeys: [] }), (wanted, place) => {
      const address = new URL(auditAddress(wanted, place), 'http://hub.example')
      expect([filterIn(address), placeIn(address)]).toEqual([wanted, place])
    }),
    { seed, numRuns: 300 },
  )
})

test('the verdict says so', () => {
  const whole = { ok: true, rows: 1_234, head: { seq: 1_234, hash: 'ff' }, unsigned: 0, faultsFound: 0 }
  expect(verdict(whole)).toBe(
    'The log is whole: 1,234 entries, each chained to the one before; the hub signed the last one. Entry 1,234 is the head.',
  )
  expect(verdict({ ...whole, ok: false, faultsFound: 1 })).toBe('The log is NOT whole: 1 fault in 1,234 entries.')
})

test('tokens, labels and lifetimes in words', () => {
  const now = Date.parse('2026-11-26T08:00:00Z')
  const token = (days: number | null, revokedAt: string | null = null) => ({
    expiresAt: days === null ? null : new Date(now + days * 86_400_000).toISOString(),
    revokedAt,
  })
  expect(
    [token(null), token(30), token(3), token(-1), token(30, 'x')].map((row) => tokenState(row, now).title),
  ).toEqual(['Valid', 'Valid', 'Expires soon', 'Expired', 'Revoked'])
  expect([isValid(token(3), now), isValid(token(0), now)]).toEqual([true, false])
  expect(listed(' viewer, ci:models  ci:models')).toEqual(['viewer', 'ci:models'])
  expect(listed(' , ')).toBeUndefined()
  expect([labelsIn('site = north, line=3'), labelsIn(''), labelsIn('site')]).toEqual([
    { site: 'north', line: '3' },
    {},
    undefined,
  ])
  const left = (days: number) => timeLeft(new Date(now + days * 86_400_000).toISOString(), 90, now)
  expect([left(-1), left(0.5), left(89), left(3650)]).toEqual([
    { words: 'Expired', tone: 'bad' },
    { words: 'Less than a day left', tone: 'warn' },
    { words: '2 months left', tone: 'warn' },
    { words: '9 years left', tone: 'good' },
  ])
})
