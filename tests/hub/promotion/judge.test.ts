import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Evaluation, type Evidence, type Interval, judgeGates, judgeRule } from '../../../hub/promotion/judge.ts'
import { parseRule } from '../../../hub/promotion/parse-rule.ts'
import type { Rule } from '../../../hub/promotion/rule.ts'

const rule = (text: string): Rule => {
  const parsed = parseRule(text)
  if (!parsed.ok) throw new Error(`${text}: ${parsed.message}`)
  return parsed.rule
}
const interval = (low: number, value: number, high: number): Interval => ({ low, value, high })

const evaluation: Evaluation = {
  id: 'e-1',
  figures: {
    accuracy: interval(0.9, 0.92, 0.94),
    equalised_odds_difference: interval(0.02, 0.08, 0.15),
    'equalised_odds_difference[site]': interval(0.02, 0.07, 0.15),
    latency_p99_ms: interval(10, 12, 30),
  },
  champion: { version: 3, figures: { accuracy: interval(0.89, 0.93, 0.95), latency_p99_ms: interval(9, 10, 11) } },
  difference: { accuracy: interval(-0.009, -0.01, 0.002) },
  slices: [
    {
      column: 'site',
      value: 'north',
      figures: { roc_auc: interval(0.75, 0.82, 0.88) },
      champion: { roc_auc: interval(0.7, 0.8, 0.9) },
      difference: { roc_auc: interval(-0.01, 0.02, 0.05) },
    },
  ],
}
const evidence: Evidence = {
  version: 7,
  measures: { size: 4_000_001, parameters: 1000 },
  metrics: { loss: 0.25, odd: Number.NaN },
  profiles: {
    'raspberry-pi-5': { runs: true, reason: '' },
    'gateway-small': { runs: false, reason: 'needs 300 MB, has 64 MB' },
    other: { runs: null, reason: 'no latency was measured' },
  },
  champion: { version: 3, measures: { size: 4_000_000, parameters: 2000 }, metrics: { loss: 0.3 } },
  variants: [{ variant: 'default', evaluation }],
}
const evaluatedAs = (one: Evaluation | null): Evidence => ({
  ...evidence,
  variants: [{ variant: 'default', evaluation: one }],
})

describe('a rule over evidence', () => {
  test.each([
    ['accuracy >= 0.92', 'pass', 'accuracy is 0.92, as wanted >= 0.92'],
    ['accuracy > 0.92', 'fail', 'accuracy is 0.92, not > 0.92'],
    // 0.93 - 0.01 is 0.92 but for rounding
    ['accuracy >= champion - 0.01', 'pass', 'minus that of version 3'],
    ['accuracy >= champion', 'fail', 'accuracy minus that of version 3 is -0.01, not >= 0'],
    ['accuracy >= champion - 0.01 with 95 % confidence', 'pass', 'lies wholly on the wanted side of -0.01'],
    ['accuracy >= champion - 0.005 with 95 % confidence', 'undecided', 'covers -0.005'],
    ['accuracy >= champion + 0.003 with 95 % confidence', 'fail', 'lies wholly beyond 0.003'],
    ['accuracy >= 0.9 with 97.5 % confidence', 'pass', '0.9 to 0.94'],
    ['accuracy > 0.9 with 97.5 % confidence', 'undecided', 'covers 0.9'],
    ['accuracy >= 0.9 with 98 % confidence', 'undecided', 'each end is sure to 97.5 %, which does not tell for 98 %'],
    ['accuracy <= 0.89 with 95 % confidence', 'fail', 'lies wholly beyond 0.89'],
    ['equalised_odds_difference <= 0.1', 'pass', 'is 0.08'],
    ['equalised_odds_difference <= 0.1 with 90 % confidence', 'undecided', 'covers 0.1'],
    ['equalised_odds_difference[site] <= 0.1', 'pass', 'equalised_odds_difference[site] is 0.07'],
    ['equalised_odds_difference[line] <= 0.1', 'undecided', 'has no equalised_odds_difference[line]'],
    ['latency_p99_ms <= champion * 1.2', 'pass', 'is 12 ms, as wanted <= 12 ms'],
    ['latency_p99_ms <= champion + 1', 'fail', 'is 12 ms, not <= 11 ms'],
    ['latency_p99_ms <= 40 with 95 % confidence', 'pass', 'is 12 ms, its interval 10 ms to 30 ms, which lies wholly'],
    ['latency_p99_ms <= champion + 1 with 95 % confidence', 'undecided', 'holds no difference of latency_p99_ms'],
    ['roc_auc[site=north] >= 0.8', 'pass', 'roc_auc[site=north] is 0.82'],
    ['roc_auc[site=north] >= champion with 95 % confidence', 'undecided', 'covers 0'],
    ['roc_auc[site=south] >= 0.8', 'undecided', 'no slice for roc_auc[site=south]'],
    ['f1 >= 0.8', 'undecided', 'the evaluation has no f1'],
    ['constructor >= 0', 'undecided', 'the evaluation has no constructor'],
    ['size <= 4 MB', 'fail', 'size is 3.81 MiB (4,000,001 bytes), not <= 3.81 MiB (4,000,000 bytes)'],
    ['size <= 4 MiB', 'pass', 'as wanted <= 4 MiB (4,194,304 bytes)'],
    ['size <= 1 kB', 'fail', 'not <= 1,000 bytes'],
    ['size <= champion + 1 B', 'pass', 'as wanted <= 3.81 MiB (4,000,001 bytes)'],
    ['size <= champion * 0.5', 'fail', 'not <= 1.91 MiB (2,000,000 bytes)'],
    ['parameters < champion', 'pass', 'is 1000, as wanted < 2000'],
    ['metrics.loss < 0.3', 'pass', 'metrics.loss is 0.25'],
    ['metrics.loss < champion', 'pass', 'as wanted < 0.3'],
    ['metrics.odd < 1', 'undecided', 'brought no metrics.odd'],
    ['metrics.toString < 1', 'undecided', 'brought no metrics.toString'],
    ['runs on raspberry-pi-5', 'pass', 'version 7 runs on'],
    ['runs on gateway-small', 'fail', 'needs 300 MB'],
    ['runs on other', 'undecided', 'no latency was measured'],
    ['runs on unheard-of', 'undecided', 'no profile of this name'],
  ])('%s is a %s', (text, answer, words) => {
    const verdict = judgeRule(rule(text), evidence)
    expect({ answer: verdict.answer, rule: verdict.rule }).toEqual({ answer, rule: text })
    expect(verdict.sentence).toContain(words)
  })

  test('keeps every number it was based on', () => {
    expect(judgeRule(rule('accuracy >= champion - 0.01 with 95 % confidence'), evidence)).toMatchObject({
      value: 0.92,
      low: 0.9,
      high: 0.94,
      bound: 0.93 - 0.01,
      champion: { version: 3, value: 0.93 },
      difference: interval(-0.009, -0.01, 0.002),
    })
    expect(judgeRule(rule('size <= 4 MB'), evidence)).toMatchObject({ value: 4_000_001, bound: 4_000_000, low: null })
  })
})

describe('a comparison with the champion', () => {
  const compare = rule('accuracy >= champion - 0.01 with 95 % confidence')
  test('is undecided where there is none, unless the policy lets that pass', () => {
    const first: Evidence = {
      ...evaluatedAs({ ...evaluation, champion: null, difference: {} }),
      champion: null,
    }
    expect(judgeRule(compare, first)).toMatchObject({
      answer: 'undecided',
      sentence: expect.stringContaining('no champion'),
    })
    expect(judgeRule(compare, first, 'pass')).toMatchObject({
      answer: 'pass',
      sentence: expect.stringContaining('by the policy'),
    })
    expect(judgeRule(rule('accuracy >= 0.95'), first, 'pass').answer).toBe('fail')
    expect(judgeRule(rule('f1 >= champion'), first, 'pass').answer).toBe('undecided')
  })

  test('is undecided where the evaluation knew another champion', () => {
    const moved: Evidence = {
      ...evidence,
      champion: { ...evidence.champion, version: 5, measures: evidence.measures, metrics: {} },
    }
    expect(judgeRule(compare, moved)).toMatchObject({
      answer: 'undecided',
      sentence: 'the evaluation compared with version 3, but the champion is version 5: evaluate again',
    })
    const none = evaluatedAs({ ...evaluation, champion: null })
    expect(judgeRule(compare, none).sentence).toContain('compared with no champion')
  })

  test('with itself is no difference', () => {
    const itself: Evidence = { ...evidence, version: 3 }
    expect(judgeRule(compare, itself)).toMatchObject({ answer: 'pass', difference: interval(0, 0, 0) })
    expect(judgeRule(rule('accuracy > champion'), itself).answer).toBe('fail')
  })
})

describe('gates', () => {
  test('pass where all rules do, fail where one does, else are undecided', () => {
    const judge = (...texts: string[]) => judgeGates(texts.map(rule), evidence, 'undecided').answer
    expect(judge()).toBe('pass')
    expect(judge('accuracy >= 0.9', 'size <= 5 MB')).toBe('pass')
    expect(judge('accuracy >= 0.9', 'f1 >= 0.9')).toBe('undecided')
    expect(judge('f1 >= 0.9', 'size <= 1 MB', 'accuracy >= 0.9')).toBe('fail')
  })

  test('are undecided before there is an evaluation', () => {
    const none = evaluatedAs(null)
    expect(judgeGates([rule('accuracy >= 0')], none, 'pass')).toMatchObject({
      answer: 'undecided',
      rules: [{ sentence: 'version 7 has not been evaluated' }],
    })
  })
})

describe('of several variants', () => {
  const better: Evaluation = { ...evaluation, id: 'e-2', figures: { accuracy: interval(0.94, 0.95, 0.96) } }
  const of = (...found: (Evaluation | null)[]): Evidence => ({
    ...evidence,
    variants: found.map((one, i) => ({ variant: ['fp32', 'int8', 'int4'][i] ?? '', evaluation: one })),
  })

  test('one that was not evaluated leaves a rule undecided, and is named', () => {
    expect(judgeRule(rule('accuracy >= 0.9'), of(evaluation, null))).toMatchObject({
      answer: 'undecided',
      variant: 'int8',
      value: null,
      sentence: 'fp32: accuracy is 0.92, as wanted >= 0.9; int8: version 7 has not been evaluated',
    })
    expect(judgeRule(rule('accuracy >= 0.9'), of(null, null)).sentence).toContain('int8: version 7 has not been')
  })

  test('all must pass, and one that fails decides', () => {
    const judge = (bound: number, ...found: (Evaluation | null)[]) => {
      const { answer, variant, value } = judgeRule(rule(`accuracy >= ${bound}`), of(...found))
      return { answer, variant, value }
    }
    expect(judge(0.9, better, evaluation)).toEqual({ answer: 'pass', variant: 'fp32', value: 0.95 })
    expect(judge(0.93, better, evaluation)).toEqual({ answer: 'fail', variant: 'int8', value: 0.92 })
    expect(judge(0.93, null, better, evaluation)).toEqual({ answer: 'fail', variant: 'int4', value: 0.92 })
  })

  test('what is no figure of an evaluation is asked of the version', () => {
    expect(judgeRule(rule('size <= 5 MB'), of(evaluation, null))).toMatchObject({ answer: 'pass', variant: null })
    expect(judgeRule(rule('accuracy >= 0.9'), of(evaluation))).toMatchObject({ answer: 'pass', variant: null })
  })
})

const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true })
const anInterval = fc.tuple(finite, finite, finite).map((three) => {
  const [low = 0, value = 0, high = 0] = three.sort((a, b) => a - b)
  return interval(low, value, high)
})
const fuzz = { seed: 20261125, numRuns: 3_000 }

describe('confidence', () => {
  const judged = (text: string, accuracy: Interval) =>
    judgeRule(rule(text), evaluatedAs({ ...evaluation, figures: { accuracy } })).answer

  test('never turns a pass into a fail or the other way, and only narrows what is decided', () => {
    fc.assert(
      fc.property(anInterval, finite, fc.constantFrom('>=', '<=', '>', '<'), (accuracy, bound, comparator) => {
        const plain = judged(`accuracy ${comparator} ${bound}`, accuracy)
        const sure = judged(`accuracy ${comparator} ${bound} with 95 % confidence`, accuracy)
        expect(plain).not.toBe('undecided')
        expect([plain, 'undecided']).toContain(sure)
        if (accuracy.low > bound + 1e-3) expect(sure).toBe(comparator.startsWith('>') ? 'pass' : 'fail')
        if (accuracy.high < bound - 1e-3) expect(sure).toBe(comparator.startsWith('<') ? 'pass' : 'fail')
      }),
      fuzz,
    )
  })

  test('is not claimed beyond what the interval carries', () => {
    fc.assert(
      fc.property(anInterval, finite, fc.double({ min: 97.6, max: 99.99, noNaN: true }), (accuracy, bound, percent) => {
        expect(judged(`accuracy >= ${bound} with ${percent} % confidence`, accuracy)).toBe('undecided')
      }),
      { ...fuzz, numRuns: 300 },
    )
  })

  test('decides nothing on figures that are no numbers', () => {
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(judged('accuracy >= 0', interval(wrong, 1, 1))).toBe('undecided')
      expect(judged('accuracy >= 0', interval(0, wrong, 1))).toBe('undecided')
    }
  })
})
