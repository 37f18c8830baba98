// P1 and P2 at the agent's door: whatever arrives as an assignment, only the hub's latest wish for this device,
// of manifests a release key signed, gets in; and what was accepted once is never gone behind.

import { counterFloorsMax, type PinnedState, pinFirstRoot } from '@roost/agent/identity/pinned-state.ts'
import { type AssignExpectations, type AssignOutcome, acceptAssign } from '@roost/agent/reconcile/accept.ts'
import { type Manifest, manifestDigest, manifestPayload, signManifest } from '@roost/shared/bundle/manifest.ts'
import type { Profile } from '@roost/shared/profiles/profile.ts'
import { Assign, messageBytesMax } from '@roost/shared/protocol/messages.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import { type Assignment, signAssignment } from '@roost/shared/trust/assignment.ts'
import type { KeyPair } from '@roost/shared/trust/keys.ts'
import { signRoot } from '@roost/shared/trust/root.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  aKeyPair,
  aManifest,
  aNonce,
  anAssignment,
  aRoot,
  assignmentKey,
  releaseKey,
  rootKey,
} from '../../shared/trust/builders.ts'

const seed = 20_261_124
const profile: Profile = {
  name: 'gateway-small',
  description: '',
  memoryBytes: 134_217_728,
  blobBytes: 536_870_912,
  outboxBytes: 33_554_432,
  switch: 'stop-start',
  probationMs: 30_000,
  probationErrorShareMax: 0.05,
}
const expectations: AssignExpectations = {
  device: 'd-42',
  profile,
  nonce: aNonce,
  timeMs: Date.parse('2026-11-24T08:00:00Z'),
}
const fresh = pinFirstRoot(signRoot(aRoot(), [rootKey]))

type Message = {
  assignment?: Partial<Assignment>
  manifests?: readonly Manifest[]
  roots?: readonly Uint8Array[]
  signer?: KeyPair
  releaser?: KeyPair
  sent?: readonly Manifest[]
}

function decodeMessage(bytes: Uint8Array): Assign {
  const decoded = decode(Assign, bytes)
  if (!decoded.ok) throw new Error(decoded.reason)
  return decoded.message
}

const digestOf = (manifest: Manifest) => manifestDigest(manifestPayload(manifest))

/** An assign message that deploys `manifests` on line-1, line-2 …, right unless told otherwise. */
function aMessage({
  assignment,
  manifests = [aManifest()],
  roots = [],
  signer,
  releaser,
  sent,
}: Message = {}): Uint8Array {
  const deployments = manifests.map((manifest, i) => ({
    deployment: `line-${i + 1}`,
    manifest: digestOf(manifest),
    attempt: 1,
  }))
  return encode({
    assignment: signAssignment(anAssignment({ deployments, ...assignment }), [signer ?? assignmentKey]),
    manifests: (sent ?? manifests).map((manifest) => signManifest(manifestPayload(manifest), [releaser ?? releaseKey])),
    roots,
  })
}

const judge = (message: Message, pinned = fresh, expected = expectations): AssignOutcome =>
  acceptAssign(pinned, aMessage(message), expected)
const codeOf = (outcome: AssignOutcome) => outcome.refused?.code ?? 'accepted'
const codesOf = (pinned: PinnedState, messages: Message[]) => messages.map((message) => codeOf(judge(message, pinned)))

describe('the right message', () => {
  test('is accepted, with its manifests, and raises what is pinned', () => {
    const outcome = judge({ assignment: { floors: { vibration: 12, audio: 3 } } })
    expect(outcome.accepted).toMatchObject({ expired: false, root: aRoot() })
    expect(outcome.accepted?.manifests).toEqual(new Map([[digestOf(aManifest()), aManifest()]]))
    expect(outcome.accepted?.bundles).toEqual([
      { deployment: 'line-1', manifest: digestOf(aManifest()), attempt: 1, model: 'vibration', version: 7 },
    ])
    expect(outcome.pinned).toMatchObject({
      generation: 31,
      timeFloorMs: Date.parse('2026-11-24T08:00:00Z'),
      counterFloors: new Map([
        ['vibration', 12],
        ['audio', 3],
      ]),
    })
  })

  test('comes again with another nonce and changes nothing', () => {
    const { pinned } = judge({})
    const nonce = Buffer.alloc(16, 9)
    const again = judge({ assignment: { nonce: nonce.toString('hex') } }, pinned, { ...expectations, nonce })
    expect(codeOf(again)).toBe('accepted')
    expect(again.pinned).toBe(pinned)
  })

  test('may wish for nothing', () => {
    expect(codeOf(judge({ manifests: [] }))).toBe('accepted')
  })

  test('may bring a manifest nobody asked for, which is left out', () => {
    const outcome = judge({ sent: [aManifest(), aManifest({ version: 8 })] })
    expect([...(outcome.accepted?.manifests.keys() ?? [])]).toEqual([digestOf(aManifest())])
  })
})

describe('refused, and nothing is pinned', () => {
  const other = aManifest({ model: 'audio', version: 1 })
  test.each<[string, Message, string]>([
    ['an assignment signed by the release key', { signer: releaseKey }, 'threshold'],
    ['an assignment signed by a stranger', { signer: aKeyPair('stranger') }, 'threshold'],
    ['a manifest signed by the hub', { releaser: assignmentKey }, 'threshold'],
    ['a manifest signed by a stranger', { releaser: aKeyPair('stranger') }, 'threshold'],
    ['another device', { assignment: { device: 'd-43' } }, 'device'],
    ['an answer to another hello', { assignment: { nonce: '0'.repeat(32) } }, 'nonce'],
    ['no manifest', { sent: [] }, 'manifest-missing'],
    ['a manifest of another model in its place', { sent: [other] }, 'manifest-missing'],
    ['a manifest of another version in its place', { sent: [aManifest({ version: 6 })] }, 'manifest-missing'],
    ['one of two manifests', { manifests: [aManifest(), other], sent: [other, other] }, 'manifest-missing'],
    ['a counter below the floor it names itself', { assignment: { floors: { vibration: 13 } } }, 'counter'],
    ['a manifest beside the wished one that is forged', { sent: [aManifest(), aManifest({ files: [] })] }, 'malformed'],
  ])('%s', (_, message, code) => {
    const outcome = judge(message)
    expect(codeOf(outcome)).toBe(code)
    expect(outcome.pinned).toBe(fresh)
  })

  test('every byte of a message changed is refused or means exactly what was signed', () => {
    const message = aMessage()
    const right = acceptAssign(fresh, message, expectations)
    let accepted = 0
    for (let at = 0; at < message.length; at++) {
      const changed = Uint8Array.from(message)
      changed[at] = (message[at] ?? 0) ^ (1 << (at % 8))
      const outcome = acceptAssign(fresh, changed, expectations)
      if (outcome.accepted === undefined) continue
      accepted++
      expect(outcome).toEqual(right)
    }
    expect(accepted).toBe(0)
  })

  test('a message longer than any may be, though all else of it is right', () => {
    const padded = (sizeBytes: number) => encode({ ...decodeMessage(aMessage()), padding: new Uint8Array(sizeBytes) })
    expect(codeOf(acceptAssign(fresh, padded(messageBytesMax), expectations))).toBe('message')
    expect(codeOf(acceptAssign(fresh, padded(100_000), expectations))).toBe('accepted')
  })

  test('anything that is not a message: cut anywhere, random', () => {
    const message = aMessage()
    for (let length = 0; length < message.length; length += 7)
      expect(codeOf(acceptAssign(fresh, message.slice(0, length), expectations))).not.toBe('accepted')
    const property = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(codeOf(acceptAssign(fresh, bytes, expectations))).toBe('message')
    })
    fc.assert(property, { seed, numRuns: 2000 })
  })
})

describe('never back', () => {
  test('older generations are refused in whatever order they are replayed, across nonces', () => {
    const property = fc.property(fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 8 }), (generations) => {
      let pinned = fresh
      for (const generation of generations) {
        const before = pinned.generation
        const outcome = judge({ assignment: { generation } }, pinned)
        expect(codeOf(outcome)).toBe(generation > before ? 'accepted' : 'generation-old')
        pinned = outcome.pinned
        expect(pinned.generation).toBe(Math.max(before, generation))
      }
    })
    fc.assert(property, { seed, numRuns: 30 })
  })

  test('the same generation cannot come to mean something else', () => {
    const { pinned } = judge({})
    expect(
      codesOf(pinned, [
        {},
        { manifests: [aManifest({ version: 8 })] },
        { manifests: [] },
        { assignment: { floors: {} } },
        { assignment: { floors: { vibration: 12 } } },
        { manifests: [aManifest({ version: 8 })], assignment: { generation: 32 } },
      ]),
    ).toEqual([
      'accepted',
      'generation-content',
      'generation-content',
      'generation-content',
      'generation-content',
      'accepted',
    ])
  })

  test('a floor once named holds though later assignments leave it out or name a lower one', () => {
    const { pinned } = judge({ assignment: { floors: { vibration: 12 } } })
    const old = aManifest({ version: 6, counter: 11 })
    expect(
      codesOf(pinned, [
        { manifests: [old], assignment: { generation: 32, floors: {} } },
        { manifests: [old], assignment: { generation: 32, floors: { vibration: 1 } } },
        { manifests: [aManifest()], assignment: { generation: 32, floors: {} } },
      ]),
    ).toEqual(['counter', 'counter', 'accepted'])
    expect(judge({ assignment: { generation: 32, floors: { vibration: 1 } } }, pinned).pinned.counterFloors).toEqual(
      new Map([['vibration', 12]]),
    )
  })

  test('a roll-back to a version at or above the floor is taken, as a new generation', () => {
    const { pinned } = judge({ assignment: { floors: { vibration: 11 } } })
    const earlier = aManifest({ version: 6, counter: 11 })
    expect(codeOf(judge({ manifests: [earlier], assignment: { generation: 32 } }, pinned))).toBe('accepted')
  })

  test('a model called like a property of every object has a floor like any other', () => {
    const named = aManifest({ model: 'constructor', counter: 4 })
    const { pinned } = judge({ manifests: [named], assignment: { floors: Object.fromEntries([['constructor', 4]]) } })
    expect(pinned.counterFloors.get('constructor')).toBe(4)
    const lower = aManifest({ model: 'constructor', counter: 3 })
    expect(codesOf(pinned, [{ manifests: [lower], assignment: { generation: 32, floors: {} } }])).toEqual(['counter'])
    expect(codesOf(fresh, [{ manifests: [lower], assignment: { floors: {} } }])).toEqual(['accepted'])
  })

  test('floors of more models than can be remembered are refused', () => {
    const counterFloors = new Map(Array.from({ length: counterFloorsMax }, (_, i) => [`m-${i}`, 1]))
    const full = { ...fresh, counterFloors }
    expect(codesOf(full, [{ assignment: { floors: {} } }, { assignment: { floors: { 'm-1': 9 } } }, {}])).toEqual([
      'accepted',
      'accepted',
      'floors',
    ])
  })
})

describe('roots', () => {
  const [nextRoot, nextRelease, nextAssignment] = [aKeyPair('root-2'), aKeyPair('release-2'), aKeyPair('assignment-2')]
  const keysOf = (key: KeyPair) => ({ keys: [key], threshold: 1 })
  const rotated = aRoot({ version: 2, root: keysOf(nextRoot), release: keysOf(nextRelease) })
  const rotation = signRoot(rotated, [rootKey, nextRoot])

  test('a rotation in the same message counts for the rest of it', () => {
    const outcome = judge({ roots: [rotation], releaser: nextRelease })
    expect(codeOf(outcome)).toBe('accepted')
    expect(outcome.pinned).toMatchObject({ rootVersion: 2, rootEnvelope: rotation })
    expect(codesOf(fresh, [{ roots: [rotation], releaser: releaseKey }, { releaser: nextRelease }])).toEqual([
      'threshold',
      'threshold',
    ])
  })

  test('a rotation is kept though what came with it is refused, so that a stolen key ends at once', () => {
    const outcome = judge({ roots: [rotation], signer: aKeyPair('stranger') })
    expect(outcome).toMatchObject({ refused: { code: 'threshold' }, pinned: { rootVersion: 2, generation: 0 } })
    expect(codesOf(outcome.pinned, [{ releaser: releaseKey }, { releaser: nextRelease }])).toEqual([
      'threshold',
      'accepted',
    ])
  })

  test('no message takes the root back', () => {
    const { pinned } = judge({ roots: [rotation], releaser: nextRelease })
    const again = judge({ roots: [signRoot(aRoot(), [rootKey])], assignment: { generation: 32 } }, pinned)
    expect(again).toMatchObject({ refused: { code: 'threshold' }, pinned: { rootVersion: 2 } })
  })

  test('a root that skips a version or is half-signed stops everything', () => {
    const skipping = signRoot(aRoot({ version: 3 }), [rootKey])
    const halves = [rootKey, nextRoot].map((key) => signRoot(rotated, [key]))
    for (const root of [skipping, ...halves]) {
      const outcome = judge({ roots: [root] })
      expect(['root-version', 'threshold']).toContain(codeOf(outcome))
      expect(outcome.pinned).toBe(fresh)
    }
  })

  describe('after the assignment key was stolen', () => {
    const farAhead = Number.MAX_SAFE_INTEGER
    const poison = { generation: farAhead, floors: { vibration: farAhead }, issued: '9999-01-01T00:00:00Z' }
    const { pinned: poisoned } = judge({ assignment: poison, manifests: [] })
    const replaced = aRoot({ version: 2, assignment: keysOf(nextAssignment) })

    test('the device is stuck until the key is replaced, and free when it is', () => {
      expect(poisoned.generation).toBe(farAhead)
      expect(codesOf(poisoned, [{ assignment: { generation: 32 } }])).toEqual(['generation-old'])
      const freed = judge({ roots: [signRoot(replaced, [rootKey])], signer: nextAssignment }, poisoned)
      expect(freed).toMatchObject({ accepted: { expired: false }, pinned: { generation: 31, rootVersion: 2 } })
    })

    test('nothing the old key ever signed comes back by that', () => {
      const { pinned } = judge({ roots: [signRoot(replaced, [rootKey])] }, poisoned)
      expect(pinned.generation).toBe(0)
      expect(codesOf(pinned, [{}, { assignment: { generation: 1 } }, { assignment: poison }])).toEqual([
        'threshold',
        'threshold',
        'threshold',
      ])
    })

    test('a root that keeps the key, or changes others only, forgets nothing', () => {
      const both = aRoot({ version: 2, assignment: { keys: [assignmentKey, nextAssignment], threshold: 1 } })
      for (const next of [both, aRoot({ version: 2 }), aRoot({ version: 2, release: keysOf(nextRelease) })]) {
        const { pinned } = judge({ roots: [signRoot(next, [rootKey])] }, poisoned)
        expect(pinned).toMatchObject({ rootVersion: 2, generation: farAhead, timeFloorMs: poisoned.timeFloorMs })
        expect(pinned.counterFloors).toEqual(poisoned.counterFloors)
      }
    })
  })
})

describe('time', () => {
  test('moves forward with signed times and never back', () => {
    const { pinned: later } = judge({ assignment: { issued: '2027-05-01T00:00:00Z' } })
    expect(later.timeFloorMs).toBe(Date.parse('2027-05-01T00:00:00Z'))
    const { pinned: earlier } = judge({ assignment: { issued: '2026-01-01T00:00:00Z', generation: 32 } }, later)
    expect(earlier).toMatchObject({ generation: 32, timeFloorMs: later.timeFloorMs })
  })

  test.each<[string, Message, number, boolean]>([
    ['within its time', {}, 0, false],
    ['past its time by the time it names itself', { assignment: { issued: '2026-12-25T00:00:00Z' } }, 0, true],
    ["past its time by the device's own count", {}, Date.parse('2026-12-25T00:00:00Z'), true],
    ['with a device clock in 1970', {}, -1e12, false],
  ])('an assignment %s is accepted, and says whether it has expired', (_, message, timeMs, expired) => {
    expect(judge(message, fresh, { ...expectations, timeMs }).accepted?.expired).toBe(expired)
  })

  test('an expired root is followed and serves, and allows no install', () => {
    const past = signRoot(aRoot({ version: 2, expires: new Date('2026-01-01T00:00:00Z') }), [rootKey])
    expect(judge({ roots: [past] })).toMatchObject({ accepted: { expired: true }, pinned: { rootVersion: 2 } })
  })
})

describe('what does not fit this device', () => {
  test.each<[string, Partial<Manifest>]>([
    ['another profile', { profiles: ['raspberry-pi-5', 'generic-x64'] }],
    ['more memory', { limits: { memoryBytes: profile.memoryBytes + 1, trialMs: 1, inferenceMs: 1 } }],
  ])('%s is told for its deployment and does not hold up the others', (_, changes) => {
    const outcome = judge({ manifests: [aManifest(changes), aManifest({ version: 8 })] })
    expect(outcome.accepted?.bundles.map(({ misfit }) => misfit === undefined)).toEqual([false, true])
  })
})
