// P2, the assignment: for this device, in answer to this hello, never older, never the same number with other wishes.

import {
  type Assignment,
  type AssignmentExpectations,
  contentDigest,
  signAssignment,
  verifyAssignment,
} from '@roost/shared/trust/assignment.ts'
import { encodeEnvelope, payloadTypes, signEnvelope } from '@roost/shared/trust/envelope.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aNonce, anAssignment, aRoot, assignmentKey, outcomeOf } from './builders.ts'

const seed = 20_261_124
const root = aRoot()
const expected = (changes: Partial<AssignmentExpectations> = {}): AssignmentExpectations => ({
  device: 'd-42',
  nonce: aNonce,
  generation: 30,
  contentDigest: undefined,
  ...changes,
})
const outcome = (assignment: Parameters<typeof anAssignment>[0], expectations = expected()) =>
  outcomeOf(() => verifyAssignment(signAssignment(anAssignment(assignment), [assignmentKey]), root, expectations))

test('what the hub signed for this device and nonce is taken', () => {
  const bytes = signAssignment(anAssignment(), [assignmentKey])
  expect(verifyAssignment(bytes, root, expected())).toEqual(anAssignment())
})

test('assignments swapped between a hundred devices fit none but their own', () => {
  const devices = Array.from({ length: 100 }, (_, i) => `d-${i}`)
  const signed = devices.map((device) => signAssignment(anAssignment({ device }), [assignmentKey]))
  for (const [i, bytes] of signed.entries())
    for (const offset of [0, 1, 17, 50, 99]) {
      const device = devices[(i + offset) % 100] ?? ''
      expect(outcomeOf(() => verifyAssignment(bytes, root, expected({ device })))).toBe(offset ? 'device' : 'accepted')
    }
})

test('every other nonce is refused: each bit, an empty one, a longer one', () => {
  for (let bit = 0; bit < 128; bit++) {
    const nonce = Uint8Array.from(aNonce)
    nonce[bit >> 3] = (nonce[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    expect(outcome({}, expected({ nonce }))).toBe('nonce')
  }
  expect(outcome({}, expected({ nonce: new Uint8Array() }))).toBe('nonce')
  expect(outcome({}, expected({ nonce: Buffer.concat([aNonce, Buffer.alloc(1)]) }))).toBe('nonce')
})

describe('generations', () => {
  test('all older ones are refused, in whatever order they are replayed', () => {
    const generations = fc.shuffledSubarray(
      Array.from({ length: 30 }, (_, i) => i + 1),
      { minLength: 30 },
    )
    const property = fc.property(generations, (replayed) => {
      let latest = 0
      let digest: string | undefined
      for (const generation of replayed) {
        const got = outcome({ generation }, expected({ generation: latest, contentDigest: digest }))
        expect(got).toBe(generation > latest ? 'accepted' : 'generation-old')
        if (got === 'accepted') {
          latest = generation
          digest = contentDigest(anAssignment({ generation }))
        }
      }
    })
    fc.assert(property, { seed, numRuns: 20 })
  })

  test('the same generation is taken again with the same wishes, whatever order they are written in', () => {
    const deployments: Assignment['deployments'] = ['a', 'b', 'c'].map((name, i) => ({
      deployment: name,
      manifest: '0'.repeat(64),
      attempt: i + 1,
    }))
    deployments.splice(1, 0, { deployment: 'a', manifest: '1'.repeat(64), attempt: 1, role: 'shadow', sample: 0.5 })
    const floors = { x: 1, y: 2, '1': 3 }
    const before = contentDigest({ deployments, floors })
    const same = expected({ generation: 31, contentDigest: before })
    expect(outcome({ deployments, floors }, same)).toBe('accepted')
    expect(outcome({ deployments: deployments.toReversed(), floors: { y: 2, '1': 3, x: 1 } }, same)).toBe('accepted')
    expect(outcome({ deployments, floors, issued: '2026-11-24T09:00:00Z' }, same)).toBe('accepted')
  })

  test.each([
    ['another manifest', { deployments: [{ deployment: 'line-1', manifest: 'ce'.repeat(32), attempt: 1 }] }],
    ['another attempt', { deployments: [{ deployment: 'line-1', manifest: 'cd'.repeat(32), attempt: 2 }] }],
    ['another deployment', { deployments: [{ deployment: 'line-2', manifest: 'cd'.repeat(32), attempt: 1 }] }],
    ['a deployment less', { deployments: [] }],
    [
      'a shadow in place of the primary',
      { deployments: [{ deployment: 'line-1', manifest: 'cd'.repeat(32), attempt: 1, role: 'shadow' as const }] },
    ],
    ['another floor', { floors: { vibration: 9 } }],
    ['a floor less', { floors: {} }],
    ['a floor of another model', { floors: { vibrations: 10 } }],
  ])('the same generation with %s is refused', (_, changes) => {
    const same = expected({ generation: 31, contentDigest: contentDigest(anAssignment()) })
    expect(outcome({}, same)).toBe('accepted')
    expect(outcome(changes, same)).toBe('generation-content')
    expect(outcome({ ...changes, generation: 32 }, same)).toBe('accepted')
  })

  test('the same generation with another sample of its shadow is refused', () => {
    const shadow = { deployment: 'line-1', manifest: 'ce'.repeat(32), attempt: 1, role: 'shadow' as const }
    const withSample = (sample: number | undefined) => ({
      deployments: [...anAssignment().deployments, { ...shadow, ...(sample === undefined ? {} : { sample }) }],
    })
    const same = expected({ generation: 31, contentDigest: contentDigest(anAssignment(withSample(0.1))) })
    expect(outcome(withSample(0.1), same)).toBe('accepted')
    for (const sample of [0.2, 0, undefined]) expect(outcome(withSample(sample), same)).toBe('generation-content')
    for (const sample of [-0.1, 1.1]) expect(outcome(withSample(sample), same)).toBe('malformed')
  })

  test('the digest of wishes without a shadow is what it was before there were any', () => {
    expect(contentDigest(anAssignment())).toBe('230adec718d4e5177185f918daf67bebd3a60851b61f06974c8cfc01b19f8edc')
  })

  test('a generation whose wishes were lost is not taken on trust', () => {
    expect(outcome({}, expected({ generation: 31, contentDigest: undefined }))).toBe('generation-content')
  })
})

test.each([
  [
    'a deployment twice',
    { deployments: [1, 2].map((attempt) => ({ deployment: 'a', manifest: '0'.repeat(64), attempt })) },
  ],
  [
    'a shadow twice',
    {
      deployments: [1, 2].map((attempt) => ({
        deployment: 'a',
        manifest: '0'.repeat(64),
        attempt,
        role: 'shadow' as const,
      })),
    },
  ],
  ['a path for a deployment', { deployments: [{ deployment: '../x', manifest: '0'.repeat(64), attempt: 1 }] }],
  ['a digest in upper case', { deployments: [{ deployment: 'a', manifest: 'A'.repeat(64), attempt: 1 }] }],
  ['generation zero', { generation: 0 }],
  ['a generation beyond safe integers', { generation: 2 ** 53 }],
  ['a model name out of a prototype', { floors: JSON.parse('{"__proto__":5}') }],
  ['a negative floor', { floors: { vibration: -1 } }],
  ['no date', { issued: 'now' }],
])('%s is refused though it is signed', (_, changes) => {
  const bytes = encodeEnvelope(
    signEnvelope(payloadTypes.assignment, Buffer.from(JSON.stringify({ ...anAssignment(), ...changes })), [
      assignmentKey,
    ]),
  )
  expect(outcomeOf(() => verifyAssignment(bytes, root, expected()))).toBe('malformed')
})
