// docs/plans.md and the plan of docs/rollouts.md held against the code: examples, fields with defaults, codes, default plans.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { Gate, gateMetrics } from '../../hub/rollouts/metrics/list.ts'
import { defaultPlanFor } from '../../hub/rollouts/plan/default-plan.ts'
import { type Candidate, drawStages } from '../../hub/rollouts/plan/draw.ts'
import { RolloutPlan } from '../../hub/rollouts/plan/plan.ts'
import { parseDuration } from '../../hub/rollouts/plan/spelled-duration.ts'
import { codeIn, readSections } from './document.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const page = read('docs/plans.md')
const rowsUnder = (heading: string, of = page) =>
  readSections(of).find((section) => section.heading === heading)?.tables[0]?.rows ?? []
const examples = ['docs/plans.md', 'docs/rollouts.md'].flatMap((path) =>
  [...read(path).matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text]): [string, string] => [path, text ?? '']),
)

const fleet = Array.from(
  { length: 400 },
  (_, i): Candidate => ({
    device: `d-${i}`,
    profile: i % 3 === 0 ? 'pi' : 'pc',
    labels: { site: i < 4 ? 'lab' : `plant-${i % 5}` },
    standing: 'present',
    replaces: true,
  }),
)

test('there are examples', () => expect(examples.length).toBeGreaterThan(5))

test.each(examples)('an example of %s can be read and met: %s', (_, text) => {
  const plan = RolloutPlan.parse(parse(text))
  expect(Array.isArray(drawStages('r-1', fleet, plan.stages))).toBe(true)
  for (const stage of plan.stages) expect(stage.bakeMs).toBeLessThan(stage.timeLimitMs ?? plan.stageTimeLimitMs)
})

const least = RolloutPlan.parse({
  stages: [
    { name: 'a', percent: 1, bakeMs: 0 },
    { name: 'b', percent: 100, bakeMs: 0 },
  ],
})
/** A default as the page writes it. */
function writtenValue(text: string): unknown {
  const word = text.replaceAll('`', '')
  return parseDuration(word) ?? (/^[\d.]+$/.test(word) ? Number(word) : word === 'false' ? false : word)
}

test('every field of a plan, with its default', () => {
  const rows = rowsUnder('Fields of a plan').map(([field, value]): [string, string] => [
    codeIn(field)[0] ?? '',
    value ?? '',
  ])
  const optional = ['pace', 'failuresMax', 'failuresMaxPercent', 'progressTimeoutMs', 'window']
  expect(rows.map(([field]) => field).sort()).toEqual([...Object.keys(least), ...optional].sort())
  for (const [field, value] of rows) {
    if (field === 'stages' || optional.includes(field)) continue
    if (field === 'gates') expect(codeIn(value)).toEqual(least.gates.map(({ metric }) => metric))
    else expect(writtenValue(value), field).toBe(Object.entries(least).find(([name]) => name === field)?.[1])
  }
})

test('every field of a stage, with its default', () => {
  const rows = rowsUnder('Fields of a stage').map(([field, value]): [string, string] => [
    codeIn(field)[0] ?? '',
    value ?? '',
  ])
  const known = {
    ...least.stages[0],
    devices: 1,
    where: 'all',
    timeLimitMs: 1,
    gates: [],
    onFail: 'pause',
    onUndecided: 'pause',
  }
  expect(rows.map(([field]) => field).sort()).toEqual(Object.keys(known).sort())
  for (const field of ['shadowSample', 'hold', 'approvals'] as const) {
    expect(writtenValue(rows.find(([name]) => name === field)?.[1] ?? ''), field).toBe(least.stages[0]?.[field])
  }
})

test('every gate, with its settings and their defaults', () => {
  const rows = rowsUnder('Gates').map(([metric, settings]): [string, string] => [
    codeIn(metric)[0] ?? '',
    settings ?? '',
  ])
  expect(rows.map(([metric]) => metric)).toEqual([...gateMetrics])
  for (const [metric, settings] of rows) {
    const needed = metric === 'custom' ? { name: 'n', better: 'lower', margin: 1 } : {}
    const gate = Object.entries(Gate.parse({ metric, ...needed })).filter(([name]) => name !== 'metric')
    for (const [name, value] of gate) {
      expect(settings).toContain(`\`${name}\``)
      const [, written] = new RegExp(`\`${name}\` ([^,]+)`).exec(settings) ?? []
      if (!(name in needed)) expect(writtenValue(written ?? ''), `${metric} ${name}`).toBe(value)
    }
  }
})

test('every code of a refusal and of a warning is in the code, and the other way round', () => {
  const files = ['check', 'draw', 'membership', 'misfits', 'preview', 'plan'].map((name) =>
    read(`hub/rollouts/plan/${name}.ts`),
  )
  const others = ['rollouts/start', 'rollouts/approvers', 'fleet/not-released'].map((name) => read(`hub/${name}.ts`))
  const sources = [...files, ...others].join('\n')
  const written = [...rowsUnder('What is refused'), ...rowsUnder('What is warned of')].map(
    ([code]) => codeIn(code)[0] ?? '',
  )
  for (const code of written) if (code !== 'invalid-request') expect(sources).toContain(`'${code}'`)
  const inCode = [
    ...sources.matchAll(/(?:code|refused): '([a-z-]+)'/g),
    ...sources.matchAll(/new Problem\(\s*\d+,\s*'([a-z-]+)'/g),
  ]
  for (const [, code] of inCode) if (code !== 'custom') expect(written).toContain(code)
})

test('the default plans', () => {
  const hoursOf = (devices: number) =>
    defaultPlanFor(devices, devices).stages.reduce((sum, { bakeMs }) => sum + bakeMs, 0) / 3_600_000
  const rows = rowsUnder('The plan', read('docs/rollouts.md'))
  expect(rows.map(([devices]) => devices)).toEqual(['1', '2 to 39', 'from 40 on'])
  expect([1, 39, 40].map((devices) => Math.floor(hoursOf(devices)))).toEqual(
    rows.map(([, , time]) => Number.parseInt(time ?? '', 10)),
  )
  expect(defaultPlanFor(39, 39).stages.map(({ name }) => name)).toEqual(['shadow', 'canary', 'half', 'all'])
  expect(defaultPlanFor(400, 400).stages.map(({ name }) => name)).toEqual(['shadow', 'canary', 'quarter', 'all'])
  expect(defaultPlanFor(400, 0).stages.map(({ name }) => name)).toEqual(['canary', 'quarter', 'all'])
  expect(defaultPlanFor(400, 400).stageTimeLimitMs).toBe(3 * 86_400_000)
})
