// What names a verdict: a request is about one, and its approvals are worth something as long as it stays the same.

import { expect, test } from 'vitest'
import type { RuleVerdict } from '../../../hub/promotion/judge.ts'
import { keepVerdict, type NewVerdict, verdictRow } from '../../../hub/promotion/verdicts.ts'
import { aPipeline } from './a-pipeline.ts'

const rule: RuleVerdict = {
  rule: 'accuracy >= champion - 0.01',
  answer: 'pass',
  variant: null,
  value: 0.95,
  low: 0.94,
  high: 0.96,
  bound: 0.93,
  champion: { version: 2, value: 0.94 },
  difference: { value: 0.01, low: 0, high: 0.02 },
  sentence: 'accuracy minus that of version 2 is 0.01, as wanted >= -0.01',
}

test('a verdict that is only worded otherwise is the same one; any figure, answer or rule makes another', async () => {
  await using pipeline = await aPipeline()
  const version = await pipeline.register(pipeline.admin)
  const { database } = pipeline.hub
  let made = 0
  const judged = (rules: readonly RuleVerdict[], over: Partial<NewVerdict> = {}) =>
    verdictRow(
      database,
      {
        model: 'scale',
        version,
        to_stage: 'production',
        policy_revision: 1,
        manifests: ['a'.repeat(64)],
        evidence: { variants: [], champion: null },
        verdict: { answer: 'pass', rules: [...rules] },
        ...over,
      },
      () => `g-${++made}`,
      1_800_000_000_000,
    )
  const first = await judged([rule])
  await database.write([keepVerdict(first)])

  const reworded = await judged([{ ...rule, sentence: 'accuracy is 1 % better than that of version 2' }])
  expect(reworded).toEqual(first)

  const others = await Promise.all([
    judged([{ ...rule, rule: 'accuracy >= champion - 0.02' }]),
    judged([{ ...rule, answer: 'undecided' }]),
    judged([{ ...rule, variant: 'int8' }]),
    judged([{ ...rule, value: 0.951 }]),
    judged([{ ...rule, low: null }]),
    judged([{ ...rule, high: 0.961 }]),
    judged([{ ...rule, bound: 0.931 }]),
    judged([{ ...rule, champion: { version: 3, value: 0.94 } }]),
    judged([{ ...rule, difference: null }]),
    judged([rule, rule]),
    judged([]),
    judged([rule], { verdict: { answer: 'fail', rules: [rule] } }),
    judged([rule], { policy_revision: 2 }),
    judged([rule], { manifests: ['b'.repeat(64)] }),
    judged([rule], { evidence: { variants: [{ variant: 'fp32', evaluation: null }], champion: null } }),
  ])
  expect(new Set([first, ...others].map(({ id }) => id)).size).toBe(1 + others.length)
  expect(new Set([first, ...others].map(({ basis }) => basis)).size).toBe(1 + others.length)
})
