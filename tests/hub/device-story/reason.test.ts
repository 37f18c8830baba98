// Why a device runs what it runs, as a sentence: for every mix of what is wanted, what runs, and who brought it about.

import { FailureReason, ProgressState } from '@roost/shared/protocol/progress.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Cause, inWords, type ReasonFacts, type RolloutFacts, reasonOf } from '../../../hub/device-story/reason.ts'

const seed = 20_261_126
const at = Date.parse('2026-11-26T09:20:00Z')
const two = { manifest: 'b'.repeat(64), model: 'motes', version: 2 }
const three = { manifest: 'c'.repeat(64), model: 'motes', version: 3 }
const ann = { actor: 'token:AnnAnn11', name: 'Ann' }
const bob = { actor: 'token:BobBob22', name: null }
const rollout = (over: Partial<RolloutFacts> = {}): RolloutFacts => ({
  id: 'r-1',
  model: 'motes',
  version: 2,
  group: 'everywhere',
  state: 'running',
  reason: '',
  startedBy: ann,
  stage: 'canary',
  approvedBy: [],
  ...over,
})
const facts = (over: Partial<ReasonFacts> = {}): ReasonFacts => ({
  runs: { bundle: two, since: at },
  wanted: { bundle: two, at: at - 60_000, cause: { kind: 'rollout', rollout: rollout() } },
  said: null,
  withdrawn: null,
  presence: { connected: true, seenAt: at },
  promotion: null,
  ...over,
})

describe('the sentence', () => {
  test.each<[string, Partial<ReasonFacts>, string]>([
    [
      'a rollout brought it',
      {},
      'It serves motes v2 since 2026-11-26 09:20 UTC because rollout r-1 brought it at 2026-11-26 09:19 UTC in stage canary, to group everywhere; Ann started it.',
    ],
    [
      'approved, and decided',
      {
        runs: { bundle: two, since: null },
        wanted: {
          bundle: two,
          at,
          cause: {
            kind: 'rollout',
            rollout: rollout({ approvedBy: [ann, bob], state: 'completed', reason: 'every stage passed' }),
          },
        },
        promotion: { request: 'p-7', stage: 'production', approvedBy: [ann] },
      },
      'It serves motes v2 because rollout r-1 brought it at 2026-11-26 09:20 UTC in stage canary, to group everywhere; Ann started it, Ann and token:BobBob22 approved the stage; it is completed: every stage passed; the version was promoted to production by request p-7, which Ann approved.',
    ],
    [
      'another was taken back',
      {
        runs: { bundle: two, since: null },
        wanted: {
          bundle: two,
          at,
          cause: {
            kind: 'taken-back',
            rollout: rollout({ id: 'r-2', version: 3, reason: 'latency' }),
            before: { kind: 'person', did: 'assigned', by: ann, before: null },
          },
        },
      },
      'It serves motes v2 because rollout r-2 of motes v3 was taken back at 2026-11-26 09:20 UTC (latency); it was here since Ann assigned it by hand.',
    ],
    [
      'it failed there',
      {
        runs: { bundle: two, since: null },
        wanted: { bundle: three, at, cause: { kind: 'person', did: 'assigned', by: bob, before: null } },
        said: { state: 'rolled_back', reason: 'golden_mismatch', detail: 'row 3' },
      },
      'It serves motes v2, and not motes v3, which is wanted because token:BobBob22 assigned it by hand at 2026-11-26 09:20 UTC: the device says that it ended as rolled back (golden mismatch, row 3).',
    ],
    [
      'it has not heard of it',
      {
        runs: null,
        wanted: { bundle: three, at, cause: { kind: 'unknown', by: 'test' } },
        presence: { connected: false, seenAt: at },
      },
      'Nothing serves here yet: motes v3 is wanted because test wanted it at 2026-11-26 09:20 UTC, and the device is offline since 2026-11-26 09:20 UTC.',
    ],
    [
      'it was withdrawn',
      {
        runs: { bundle: { manifest: 'd'.repeat(64), model: null, version: null }, since: null },
        wanted: null,
        withdrawn: { by: ann, at },
      },
      'It serves a bundle that this hub does not know (dddddddddddd) although nothing is wanted here any more: Ann withdrew it at 2026-11-26 09:20 UTC, and the device has not answered yet.',
    ],
    ['nothing', { runs: null, wanted: null }, 'Nothing is wanted here, and nothing serves.'],
  ])('where %s', (_, over, sentence) => {
    expect(inWords(reasonOf(facts(over)))).toBe(sentence)
  })

  test('is one sentence that names what runs and what is wanted, and links everything that it names', () => {
    const actor = fc.constantFrom(ann, bob, { actor: 'device:d-1', name: null })
    const bundle = fc.constantFrom(two, three, { manifest: 'e'.repeat(64), model: null, version: null })
    const rollouts = fc.record({
      id: fc.constantFrom('r-1', 'r-2'),
      model: fc.constant('motes'),
      version: fc.integer({ min: 1, max: 9 }),
      group: fc.constant('g'),
      state: fc.constantFrom('running', 'completed', 'rolled_back'),
      reason: fc.constantFrom('', 'so it was'),
      startedBy: fc.option(actor),
      stage: fc.constant('canary'),
      approvedBy: fc.array(actor, { maxLength: 3 }),
    })
    const first: fc.Arbitrary<Cause> = fc.oneof(
      rollouts.map((rollout): Cause => ({ kind: 'rollout', rollout })),
      actor.map((by): Cause => ({ kind: 'person', did: 'assigned', by, before: null })),
    )
    const cause: fc.Arbitrary<Cause> = fc.oneof(
      first,
      fc.record({ kind: fc.constant('taken-back' as const), rollout: rollouts, before: fc.option(first) }),
      fc.record({
        kind: fc.constant('person' as const),
        did: fc.constant('retried' as const),
        by: actor,
        before: fc.option(first),
      }),
      fc.record({ kind: fc.constant('unknown' as const), by: fc.constant('somebody') }),
    )
    const moment = fc.integer({ min: 0, max: 4_000_000_000_000 })
    const any: fc.Arbitrary<ReasonFacts> = fc.record({
      runs: fc.option(fc.record({ bundle, since: fc.option(moment) })),
      wanted: fc.option(fc.record({ bundle, at: moment, cause })),
      said: fc.option(
        fc.record({
          state: fc.constantFrom(...ProgressState.options),
          reason: fc.option(fc.constantFrom(...FailureReason.options)),
          detail: fc.option(fc.constant('why')),
        }),
      ),
      withdrawn: fc.option(fc.record({ by: actor, at: moment })),
      presence: fc.record({ connected: fc.boolean(), seenAt: fc.option(moment) }),
      promotion: fc.option(
        fc.record({ request: fc.constant('p-1'), stage: fc.constant('production'), approvedBy: fc.array(actor) }),
      ),
    })
    fc.assert(
      fc.property(any, (given) => {
        const parts = reasonOf(given)
        const words = inWords(parts)
        expect(words).toMatch(/^[A-Z].*[^.]\.$/)
        expect(words).not.toMatch(/ {2}|undefined|null|\. [a-z]| ,/)
        const linked = parts.flatMap(({ link }) => (link === undefined ? [] : [`${link.kind}:${link.name}`]))
        for (const bundle of [given.runs?.bundle, given.wanted?.bundle]) {
          if (bundle?.model == null) continue
          expect(linked).toContain(`version:${bundle.model}/${bundle.version}`)
        }
        if (given.wanted?.cause.kind === 'rollout') expect(linked).toContain(`rollout:${given.wanted.cause.rollout.id}`)
        // every piece says something, and plain ones are joined
        expect(parts.every(({ text }) => text !== '')).toBe(true)
      }),
      { seed },
    )
  })
})
