// The form of a plan held against the schema and the documents: it knows every field and every gate, and its templates are
// those that people read about.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { gateForms, gateSentence, newGate } from '../../../hub/dashboard/page/rollout-new/gate-words.ts'
import { answerForms, paceForms, stageForms } from '../../../hub/dashboard/page/rollout-new/option-forms.ts'
import { templates } from '../../../hub/dashboard/page/rollout-new/templates.ts'
import { Gate, gateMetrics } from '../../../hub/rollouts/metrics/list.ts'
import { OnFail, OnUndecided } from '../../../hub/rollouts/plan/gate-answers.ts'
import { RolloutPlan } from '../../../hub/rollouts/plan/plan.ts'
import { aGate } from '../../builders/plans.ts'

const names = (forms: readonly { name: string }[]) => forms.map(({ name }) => name)
const answers = ['onFail', 'onUndecided']

test('every gate, with all that can be set of it', () => {
  expect(Object.keys(gateForms)).toEqual(gateMetrics)
  const shapes = Gate.options.map(({ shape }): [string, string[]] => [shape.metric.value, Object.keys(shape)])
  for (const [metric, keys] of shapes) {
    const form = Object.entries(gateForms).find(([name]) => name === metric)?.[1]
    expect(names(form?.fields ?? []), metric).toEqual(keys.filter((key) => !['metric', ...answers].includes(key)))
  }
})

test('a gate that is added can be read', () => {
  for (const metric of gateMetrics) expect(Gate.safeParse(newGate(metric)).success, metric).toBe(true)
})

test('every field of a plan and of a stage', () => {
  const input = z.toJSONSchema(RolloutPlan, { io: 'input', unrepresentable: 'any' })
  const Shape = z.looseObject({ properties: z.record(z.string(), z.unknown()) })
  const plan = Shape.parse(input).properties
  const { items } = z.looseObject({ items: Shape }).parse(plan.stages)
  // what the form says otherwise: a list each, a window, a pace, and which version of the format it is
  const elsewhere = ['version', 'stages', 'gates', 'pace', 'window', 'dynamic']
  expect(
    names([...paceForms, ...answerForms])
      .concat(elsewhere)
      .sort(),
  ).toEqual(Object.keys(plan).sort())
  const inRow = ['name', 'devices', 'percent', 'where', 'mode', 'shadowSample', 'bakeMs', 'gates']
  expect(
    names([...stageForms, ...answerForms])
      .concat(inRow)
      .sort(),
  ).toEqual(Object.keys(items.properties).sort())
  expect(answerForms.map(({ kind }) => (typeof kind === 'object' ? kind.choices : []))).toEqual([
    OnFail.options,
    OnUndecided.options,
  ])
})

test('every gate is said in a sentence, with its own figures', () => {
  fc.assert(
    fc.property(aGate(), (gate) => {
      expect(gateSentence(gate)).toMatch(/^(In shadow: f|F)ails when .+\.$/)
      expect(gateSentence(gate)).not.toMatch(/NaN|undefined|object/)
    }),
    { seed: 1613, numRuns: 200 },
  )
  expect(gateSentence({ metric: 'error_rate', margin: 0.025 })).toContain('2.5 percentage points')
  expect(gateSentence({ metric: 'silence', silent: '2h' })).toContain('say nothing for 2h')
  expect([gateSentence({ metric: 'error_rate', margin: 'much' }), gateSentence({ metric: 'luck' })]).toEqual([
    undefined,
    undefined,
  ])
})

test('the templates are the examples of the page about plans', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/plans.md'), 'utf8')
  const examples = [...page.matchAll(/^## (.*?)\n[^#]*?^```yaml\n(.*?)^```/gms)].map(([, title, text]) => ({
    title,
    text,
  }))
  expect(examples.length).toBeGreaterThan(3)
  expect(templates).toEqual(examples)
})
