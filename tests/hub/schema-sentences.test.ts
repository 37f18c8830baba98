// What a caller reads of data that does not fit: our words, what was given, what may be.

import { z } from '@hono/zod-openapi'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { invalidRequest } from '../../hub/problem.ts'

const sentenceOf = (schema: z.ZodType, input: unknown): string => {
  const { error } = schema.safeParse(input)
  return error === undefined ? 'fits' : invalidRequest(error).detail
}

const Kinds = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('circle'), radius: z.number() }),
  z.strictObject({ kind: z.literal('square') }),
])

describe('a sentence of ours', () => {
  test.each<[z.ZodType, unknown, string]>([
    [z.string(), undefined, 'missing; give text'],
    [z.number(), '7', 'must be a number, not "7"'],
    [z.int(), 1.5, 'must be a whole number, not 1.5'],
    [z.boolean(), null, 'must be true or false, not null'],
    [z.array(z.number()), {}, 'must be a list, not an object'],
    [z.object({ a: z.object({ b: z.array(z.string()) }) }), { a: { b: ['x', 2] } }, 'a.b.1: must be text, not 2'],
    [z.number().min(1), 0, 'must be at least 1, not 0'],
    [z.number().positive(), 0, 'must be more than 0, not 0'],
    [z.number().max(5), 6, 'must be at most 5, not 6'],
    [z.number().lt(1), 1, 'must be less than 1, not 1'],
    [z.number().multipleOf(5), 7, 'must be a multiple of 5, not 7'],
    [z.string().min(1), '', 'must have at least 1 character, but is empty'],
    [z.string().max(3), 'four', 'must have at most 3 characters, but has 4'],
    [z.string().length(3), 'four', 'must have exactly 3 characters, but has 4'],
    [z.array(z.int()).min(2), [1], 'must have at least 2 entries, but has 1'],
    [z.array(z.int()).min(1), [], 'must have at least 1 entry, but is empty'],
    [z.string().regex(/^r-\d$/), 'x', 'must be text that fits /^r-\\d$/, not "x"'],
    [z.iso.datetime(), 'today', 'must be a time such as 2026-11-24T08:15:02Z, not "today"'],
    [z.url(), 'x', 'must be a URL, not "x"'],
    [z.string().max(100), 'x'.repeat(101), 'must have at most 100 characters, but has 101'],
    [z.literal('a'), 'b', 'must be "a", not "b"'],
    [z.enum(['pause', 'rollback']), 'rolback', 'must be one of pause, rollback, not "rolback"; did you mean rollback?'],
    [z.enum(['pause', 'rollback']), 'jump', 'must be one of pause, rollback, not "jump"'],
    [z.union([z.string(), z.boolean()]), 1, 'must be text, not 1; or must be true or false, not 1'],
    [z.enum(['x', 'y']), undefined, 'missing; give one of x, y'],
    [Kinds, { kind: 'sqare' }, 'kind: must be one of circle, square, not "sqare"; did you mean square?'],
    [Kinds, {}, 'kind: missing; give one of circle, square'],
    [Kinds, { kind: 'circle', radius: 'x' }, 'radius: must be a number, not "x"'],
    [
      z.strictObject({ bake: z.string().optional(), hold: z.boolean().optional() }),
      { bakee: '1h', colour: 'red' },
      'unknown fields "bakee" (did you mean bake?), "colour"; there may be bake, hold',
    ],
    [z.strictObject({}), { a: 1 }, 'unknown field "a"; there may be none'],
    [
      z.record(z.string().max(2), z.number()),
      { long: 1 },
      'long: has a name that may not be: must have at most 2 characters, but has 4',
    ],
    [z.string().min(1, 'say who'), '', 'say who'],
  ])('%#', (schema, input, sentence) => {
    expect(sentenceOf(schema, input)).toBe(sentence)
  })

  test('repeats no secret, and nothing that is long', () => {
    const schema = z.object({ token: z.string().regex(/^x$/), note: z.string().regex(/^x$/) })
    expect(sentenceOf(schema, { token: 'roost_abc', note: 'n'.repeat(1_000) })).toBe(
      'token: must be text that fits /^x$/, not this text of 9 characters; note: must be text that fits /^x$/, not this text of 1,000 characters',
    )
  })

  test('names a hundred wrong fields, and counts the others', () => {
    const problem = invalidRequest(z.array(z.int()).safeParse(new Array(5_000).fill('x')).error ?? { issues: [] })
    expect(problem.members.errors).toHaveLength(100)
    expect(problem.detail).toMatch(/; and 4900 more$/)
  })

  test('stands wherever a schema has none of its own, whatever is given', () => {
    const schema = z.strictObject({
      a: z.int().min(3).max(9),
      b: z.array(Kinds).max(2).optional(),
      c: z.union([z.string().max(3), z.null(), z.strictObject({ d: z.enum(['x', 'y']) })]),
      e: z.record(z.enum(['p', 'q']), z.number()).optional(),
      f: z.tuple([z.number(), z.string()]).optional(),
    })
    const near = fc.record(
      {
        a: fc.oneof(fc.integer(), fc.double(), fc.string()),
        b: fc.oneof(fc.array(fc.record({ kind: fc.constantFrom('circle', 'oval', 3) })), fc.anything()),
        c: fc.oneof(fc.string(), fc.record({ d: fc.string() }), fc.anything()),
        e: fc.dictionary(fc.string(), fc.anything()),
        f: fc.array(fc.anything()),
        g: fc.anything(),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.oneof(near, fc.anything()), (input) => {
        expect(sentenceOf(schema, input)).not.toMatch(
          /Invalid (input|option|key|element|string)|Unrecognized key|Too (small|big)|undefined|\[object/,
        )
      }),
      { seed: 5, numRuns: 2_000 },
    )
  })
})
