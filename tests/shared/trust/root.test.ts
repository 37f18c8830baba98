// P1 and P2, the root: pinned once, then followed one signed step at a time, never back, never by a jump.

import { encodeEnvelope, payloadTypes, signEnvelope } from '@roost/shared/trust/envelope.ts'
import type { KeyPair } from '@roost/shared/trust/keys.ts'
import { advanceRoot, isExpired, makeRoot, type Root, signRoot, verifyRoot } from '@roost/shared/trust/root.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aKeyPair, aRoot, assignmentKey, outcomeOf, releaseKey, rootKey } from './builders.ts'

const seed = 20_261_124
const now = Date.parse('2026-11-24T08:00:00Z')

/** Roots 1 … count, each with a root key of its own; `envelopes[i]` is version i + 1, signed by its predecessor's key too. */
function aChain(count: number): { roots: Root[]; envelopes: Uint8Array[]; keys: KeyPair[] } {
  const keys = Array.from({ length: count }, (_, i) => aKeyPair(`root-${i + 1}`))
  const roots = keys.map((key, i) => aRoot({ version: i + 1, root: { keys: [key], threshold: 1 } }))
  const envelopes = roots.map((root, i) => signRoot(root, keys.slice(Math.max(0, i - 1), i + 1)))
  return { roots, envelopes, keys }
}

describe('a first pin', () => {
  test('is taken when its own root keys signed it', () => {
    expect(verifyRoot(signRoot(aRoot(), [rootKey]))).toEqual(aRoot())
  })

  test.each([
    ['nobody of it', [aKeyPair('stranger')]],
    ['its release key', [releaseKey]],
    ['its assignment key', [assignmentKey]],
  ])('is refused when signed by %s', (_, signers) => {
    expect(outcomeOf(() => verifyRoot(signRoot(aRoot(), signers)))).toBe('threshold')
  })

  test('needs its own threshold', () => {
    const [a, b] = [aKeyPair('a'), aKeyPair('b')]
    const root = aRoot({ root: { keys: [a, b], threshold: 2 } })
    expect(outcomeOf(() => verifyRoot(signRoot(root, [a, a])))).toBe('threshold')
    expect(outcomeOf(() => verifyRoot(signRoot(root, [a, b])))).toBe('accepted')
  })
})

describe('a chain', () => {
  test('of twenty rotations leads from the first key to the last, at once or in pieces', () => {
    const { roots, envelopes } = aChain(21)
    const [first] = roots
    if (first === undefined) throw new Error('no root')
    expect(advanceRoot(first, envelopes.slice(1), now).root).toEqual(roots[20])
    const middle = advanceRoot(first, envelopes.slice(1, 8), now)
    expect(middle.root.version).toBe(8)
    expect(middle.envelope).toBe(envelopes[7])
    expect(advanceRoot(middle.root, envelopes.slice(1), now).root.version).toBe(21)
  })

  test('with any link missing, swapped or signed by one side only is refused', () => {
    const { roots, envelopes, keys } = aChain(21)
    const [first] = roots
    if (first === undefined) throw new Error('no root')
    for (let at = 1; at < 20; at++) {
      const gone = envelopes.slice(1).toSpliced(at - 1, 1)
      const arrived = outcomeOf(() => advanceRoot(first, gone, now))
      expect(arrived, `without version ${at + 1}`).toBe('threshold')
      for (const signer of [keys[at - 1], keys[at]]) {
        const half = envelopes.slice(1)
        half[at - 1] = signRoot(roots[at] ?? first, signer === undefined ? [] : [signer])
        expect(
          outcomeOf(() => advanceRoot(first, half, now)),
          `half-signed version ${at + 1}`,
        ).toBe('threshold')
      }
    }
  })

  test('does not jump, even when all signatures are right', () => {
    const pinned = aRoot()
    for (const version of [3, 4, 1000, Number.MAX_SAFE_INTEGER])
      expect(outcomeOf(() => advanceRoot(pinned, [signRoot(aRoot({ version }), [rootKey])], now))).toBe('root-version')
  })

  test('passes over what is not newer, whoever signed it, and never goes back', () => {
    const { roots, envelopes } = aChain(6)
    const pinned = roots[5]
    if (pinned === undefined) throw new Error('no root')
    const forged = signRoot(aRoot({ version: 6, release: { keys: [aKeyPair('thief')], threshold: 1 } }), [rootKey])
    const property = fc.property(fc.shuffledSubarray([...envelopes, forged]), (replayed) => {
      const advanced = advanceRoot(pinned, replayed, now)
      expect(advanced).toEqual({ root: pinned, envelope: undefined, expired: false })
    })
    fc.assert(property, { seed, numRuns: 100 })
  })

  test('old and new threshold both count: two of three before, two of two after', () => {
    const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map(aKeyPair)
    if (!a || !b || !c || !d || !e) throw new Error('no keys')
    const old = aRoot({ root: { keys: [a, b, c], threshold: 2 } })
    const next = aRoot({ version: 2, root: { keys: [d, e], threshold: 2 } })
    const outcome = (...signers: KeyPair[]) => outcomeOf(() => verifyRoot(signRoot(next, signers), old))
    expect(outcome(a, b, d, e)).toBe('accepted')
    expect(outcome(b, c, e, d)).toBe('accepted')
    for (const signers of [
      [a, d, e],
      [a, a, d, e],
      [a, b, d],
      [a, b, c],
      [d, e],
      [a, b, d, d],
    ])
      expect(outcome(...signers)).toBe('threshold')
  })
})

describe('expiry', () => {
  test('is told of the root arrived at, not of those on the way, and blocks nothing here', () => {
    const past = new Date('2026-01-01T00:00:00Z')
    const second = signRoot(aRoot({ version: 2, expires: past }), [rootKey])
    const third = signRoot(aRoot({ version: 3 }), [rootKey])
    expect(advanceRoot(aRoot(), [second, third], now).expired).toBe(false)
    expect(advanceRoot(aRoot(), [second], now)).toMatchObject({ root: { version: 2 }, expired: true })
  })

  test('begins after the moment it names', () => {
    const at = Date.parse('2027-01-01T00:00:00.000Z')
    const root = aRoot({ expires: new Date(at) })
    expect([at - 1, at, at + 1].map((time) => isExpired(root, time))).toEqual([false, false, true])
  })
})

describe('a root that must not be', () => {
  const weak = new Uint8Array(32)
  const roleOf = (publicKeys: Uint8Array[], threshold = 1) => ({ publicKeys, threshold })
  const good = {
    root: roleOf([rootKey.publicKey]),
    release: roleOf([releaseKey.publicKey]),
    assignment: roleOf([assignmentKey.publicKey]),
  }
  const make = (roles: Partial<typeof good>) => () =>
    makeRoot({ version: 1, expires: new Date(now), roles: { ...good, ...roles } })

  test.each([
    ['one key in two roles', { release: roleOf([assignmentKey.publicKey]) }, 'key'],
    ['one key twice in a role', { release: roleOf([releaseKey.publicKey, releaseKey.publicKey], 2) }, 'key'],
    ['a weak key', { release: roleOf([weak]) }, 'key'],
    ['a key of another length', { release: roleOf([releaseKey.publicKey.slice(1)]) }, 'key'],
    ['a threshold no signatures can meet', { release: roleOf([releaseKey.publicKey], 2) }, 'malformed'],
    ['a threshold of zero', { release: roleOf([releaseKey.publicKey], 0) }, 'malformed'],
    ['a role without keys', { release: roleOf([], 1) }, 'malformed'],
  ])('%s cannot be made', (_, roles, code) => {
    expect(outcomeOf(make(roles))).toBe(code)
  })

  // As bytes, signed well: what somebody with a root key and an editor could send.
  const written = (edit: (root: Root) => unknown) =>
    encodeEnvelope(signEnvelope(payloadTypes.root, Buffer.from(JSON.stringify(edit(aRoot()))), [rootKey]))

  test.each<[string, (root: Root) => unknown, string]>([
    ['a key under another name', (root) => renamed(root), 'key'],
    ['a role that names a key that is missing', (root) => ({ ...root, keys: withoutRelease(root) }), 'key'],
    ['version zero', (root) => ({ ...root, version: 0 }), 'malformed'],
    ['a broken version', (root) => ({ ...root, version: 1.5 }), 'malformed'],
    ['a format to come', (root) => ({ ...root, formatVersion: 2 }), 'malformed'],
    ['an expiry that is no date', (root) => ({ ...root, expires: '2026-13-45T00:00:00Z' }), 'malformed'],
    ['an expiry in local time', (root) => ({ ...root, expires: '2030-01-01T00:00:00' }), 'malformed'],
    ['another type', (root) => ({ ...root, type: 'manifest' }), 'malformed'],
    ['a role too few', ({ roles: { root, release }, ...rest }) => ({ ...rest, roles: { root, release } }), 'malformed'],
  ])('%s is refused on arrival', (_, edit, code) => {
    expect(outcomeOf(() => verifyRoot(written((root) => root)))).toBe('accepted')
    expect(outcomeOf(() => verifyRoot(written(edit)))).toBe(code)
  })

  function withoutRelease(root: Root): Root['keys'] {
    return Object.fromEntries(Object.entries(root.keys).filter(([keyid]) => keyid !== releaseKey.keyid))
  }

  /** The release role's key id, but another key behind it. */
  function renamed(root: Root): Root {
    const stranger = { scheme: 'ed25519' as const, public: Buffer.from(aKeyPair('x').publicKey).toString('base64') }
    return { ...root, keys: { ...root.keys, [releaseKey.keyid]: stranger } }
  }
})
