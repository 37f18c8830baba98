// The chain as mathematics: no two rows share an encoding, and any change of a chain that is not a change of its end
// is seen without knowing anything else.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chainStart, type Link, linkHash, type StoredLink, walkChain } from '../../../hub/governance/audit-chain.ts'

const seed = 40961
const parameters = { seed, numRuns: 300 }

const bytes = fc.uint8Array({ maxLength: 6 })
const column = fc.option(bytes)
const body = fc.record({
  at: column,
  actor: column,
  action: column,
  subject: column,
  before: column,
  after: column,
  requestId: column,
})
type Body = Omit<Link, 'seq'>
const number = (seq: number) => Buffer.from(String(seq))

function chainOf(bodies: readonly Body[]): StoredLink[] {
  let previous = chainStart.hash
  return bodies.map((body, i) => {
    const link = { ...body, seq: number(i + 1) }
    previous = linkHash(previous, link)
    return { ...link, hash: previous }
  })
}

function walked(rows: readonly StoredLink[]) {
  const walk = walkChain(chainStart, [])
  for (const row of rows) walk.take(row)
  return walk.end()
}

const text = (link: Link) => JSON.stringify(Object.values(link).map((value) => (value === null ? null : [...value])))

test('rows have the same hash only where they are the same', () => {
  fc.assert(
    fc.property(body, body, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), (a, b, i, j) => {
      const [one, other] = [
        { seq: number(i), ...a },
        { seq: number(j), ...b },
      ]
      const same = Buffer.compare(linkHash(chainStart.hash, one), linkHash(chainStart.hash, other)) === 0
      expect(same).toBe(text(one) === text(other))
    }),
    parameters,
  )
})

test('bytes that move from one column to the next, and NULL for nothing, are another row', () => {
  fc.assert(
    fc.property(bytes, bytes, fc.nat(6), (a, b, cut) => {
      const all = Buffer.concat([a, b])
      const at = Math.min(cut, all.length)
      const row = {
        seq: number(1),
        at: null,
        actor: a,
        action: b,
        subject: null,
        before: null,
        after: null,
        requestId: null,
      }
      const moved = { ...row, actor: all.subarray(0, at), action: all.subarray(at) }
      const same = Buffer.compare(linkHash(chainStart.hash, row), linkHash(chainStart.hash, moved)) === 0
      expect(same).toBe(at === a.length)
      const none = { ...row, subject: new Uint8Array() }
      expect(linkHash(chainStart.hash, none)).not.toEqual(linkHash(chainStart.hash, row))
    }),
    parameters,
  )
})

test('a chain that nobody touched has no fault, and ends at its last row', () => {
  fc.assert(
    fc.property(fc.array(body, { maxLength: 20 }), (bodies) => {
      const rows = chainOf(bodies)
      const { faultsFound, head } = walked(rows)
      expect({ faultsFound, seq: head.seq }).toEqual({ faultsFound: 0, seq: rows.length })
    }),
    parameters,
  )
})

const rowsAndPlace = fc
  .array(body, { minLength: 2, maxLength: 20 })
  .chain((bodies) => fc.tuple(fc.constant(chainOf(bodies)), fc.nat(bodies.length - 1)))

test('a row with another content or hash is the first fault', () => {
  const names = ['at', 'actor', 'action', 'subject', 'before', 'after', 'requestId', 'hash'] as const
  fc.assert(
    fc.property(rowsAndPlace, fc.constantFrom(...names), column, ([rows, place], name, value) => {
      const altered = rows.map((row, i) => (i === place ? { ...row, [name]: value } : row))
      fc.pre(JSON.stringify(altered[place]?.[name]) !== JSON.stringify(rows[place]?.[name]))
      expect(walked(altered).faults[0]).toMatchObject({ kind: 'altered', seq: place + 1 })
    }),
    parameters,
  )
})

test('one bit of any byte of any column counts, however long the column is', () => {
  const long = fc.record({ ...bodyOfLong(), before: fc.uint8Array({ minLength: 1, maxLength: 300 }) })
  const name = fc.constantFrom('at', 'actor', 'action', 'subject', 'before', 'after', 'requestId')
  fc.assert(
    fc.property(long, name, fc.nat(), fc.nat(7), (one, column, position, bit) => {
      const row = { seq: number(1), ...one }
      const flipped = row[column].map((byte, i) => (i === position % row[column].length ? byte ^ (1 << bit) : byte))
      expect(linkHash(chainStart.hash, { ...row, [column]: flipped })).not.toEqual(linkHash(chainStart.hash, row))
    }),
    parameters,
  )
})

function bodyOfLong() {
  const some = fc.uint8Array({ minLength: 1, maxLength: 40 })
  return { at: some, actor: some, action: some, subject: some, after: some, requestId: some }
}

test('a row that is not there is missed, unless it was the last', () => {
  fc.assert(
    fc.property(rowsAndPlace, ([rows, place]) => {
      const { faults, head } = walked(rows.filter((_, i) => i !== place))
      const last = place === rows.length - 1
      expect(faults.map(({ kind, seq }) => [kind, seq])).toEqual(last ? [] : [['missing', place + 1]])
      expect(head.seq).toBe(last ? rows.length - 1 : rows.length)
    }),
    parameters,
  )
})

test('rows in another order are a fault, also when they are numbered anew', () => {
  fc.assert(
    fc.property(rowsAndPlace, fc.nat(19), ([rows, place], other) => {
      const to = other % rows.length
      fc.pre(to !== place)
      const moved = rows.toSpliced(place, 1).toSpliced(to, 0, ...rows.slice(place, place + 1))
      expect(walked(moved).faultsFound).toBeGreaterThan(0)
      const renumbered = moved.map((row, i) => ({ ...row, seq: number(i + 1) }))
      expect(walked(renumbered).faultsFound).toBeGreaterThan(0)
    }),
    parameters,
  )
})

test('a head from any time is found again, and missed where the log ends before or has another row there', () => {
  fc.assert(
    fc.property(rowsAndPlace, body, ([rows, place], other) => {
      const kept = { seq: place + 1, hash: rows[place]?.hash ?? new Uint8Array() }
      const against = (log: readonly StoredLink[]) => {
        const walk = walkChain(chainStart, [kept])
        for (const row of log) walk.take(row)
        return walk.end().faults.map(({ kind }) => kind)
      }
      expect(against(rows)).toEqual([])
      expect(against(rows.slice(0, place))).toEqual(['cut-off'])
      const forged = chainOf([...rows.slice(0, place), other, ...rows.slice(place + 1)])
      fc.pre(Buffer.compare(forged[place]?.hash ?? kept.hash, kept.hash) !== 0)
      expect(against(forged)).toEqual(['replaced'])
    }),
    parameters,
  )
})
