// Evaluations as a pipeline asks for them: real models in the hub's scorer process, figures held against sums done here,
// and every way in which a request, a dataset or a model can be wrong.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { EvaluationResult } from '../../../hub/evaluation/result.ts'
import { latestEvaluation } from '../../../hub/evaluation/store.ts'
import { createScorer } from '../../../hub/registry/score.ts'
import type { Score } from '../../../hub/registry/scoring.ts'
import { aModelThatCrashes, aModelThatThrows, aNanModel, aScaleModel } from '../../builders/onnx.ts'
import {
  aContest,
  aLinearModel,
  aLogisticModel,
  aSoftmaxModel,
  type Contest,
  model,
  pathOf,
  problemOf,
} from './a-contest.ts'
import { inThisProcess } from './in-process-score.ts'

/** The same every time: a fault is likely where x[0] is large; x[1] says nothing; site b is measured worse. */
function aTable(rows: number): { csv: string; lines: { a: number; b: number; fault: number; site: string }[] } {
  const lines = Array.from({ length: rows }, (_, i) => {
    const a = Math.sin(i * 12.9898) * 2
    const b = Math.cos(i * 78.233)
    const noise = Math.sin(i * 3.7) * (i % 3 === 0 ? 2 : 0.5)
    return { a: round(a), b: round(b), fault: a + noise > 0 ? 1 : 0, site: i % 3 === 0 ? 'b' : 'a' }
  })
  const csv = ['x[0],x[1],fault,site', ...lines.map(({ a, b, fault, site }) => `${a},${b},${fault},${site}`)].join('\n')
  return { csv, lines }
}
const round = (x: number) => Math.round(x * 1000) / 1000

const task = { kind: 'binary-classification' as const }

function resultOf({ result, reason }: { result: EvaluationResult | null; reason: string | null }): EvaluationResult {
  if (result === null) throw new Error(reason ?? 'no result')
  return result
}

/** One hub for all that need none of their own. */
let contest: Contest
/** Runs the models: a process costs a second, and most of what is tested is not about it. */
let score: Score = inThisProcess
beforeAll(async () => {
  contest = await aContest({ score: (request) => score(request) })
})
afterAll(() => contest[Symbol.asyncDispose]())

/** Within `work` models run as in the hub: each in a process of its own. */
async function inProcesses<T>(work: () => Promise<T>): Promise<T> {
  score = createScorer()
  try {
    return await work()
  } finally {
    score = inThisProcess
  }
}

describe('a binary classifier', () => {
  test('is measured with intervals, beside the champion on the same rows, by slice and between groups', async () => {
    const { csv, lines } = aTable(150)
    const dataset = await contest.snapshot(csv)
    const worse = await contest.register(aLogisticModel([0.5, 3]))
    const better = await contest.register(aLogisticModel([3, 0]))
    await contest.champion(worse)
    const asked = { dataset: 'bench/1', label: 'fault', task, slices: ['site'], fairness: ['site'], seed: 7 }
    const found = await inProcesses(() => contest.evaluate(better, asked))
    const result = resultOf(found)
    expect(found).toMatchObject({ state: 'succeeded', dataset, champion: { version: worse }, seed: 7, reason: null })

    const right = lines.filter(({ a, fault }) => (a >= 0 ? 1 : 0) === fault)
    expect(result.rows).toBe(150)
    expect(result.figures.accuracy?.value).toBe(right.length / 150)
    for (const [name, { value, low, high }] of Object.entries(result.figures)) {
      expect(low, name).toBeLessThanOrEqual(value)
      expect(high, name).toBeGreaterThanOrEqual(value)
    }
    const area = result.figures.roc_auc?.value ?? 0
    expect(result.difference.roc_auc?.value).toBe(area - (result.champion?.figures.roc_auc?.value ?? 0))
    expect(result.difference.roc_auc?.low).toBeGreaterThan(0)
    expect(result.confusion?.counts.flat().reduce((a, b) => a + b)).toBe(150)
    expect(result.calibration).toHaveLength(10)

    const [a, b] = ['a', 'b'].map((site) => lines.filter((line) => line.site === site))
    const rightIn = (part: typeof lines = []) => part.filter(({ a, fault }) => (a >= 0 ? 1 : 0) === fault).length
    expect(result.slices.map(({ value, rows, figures }) => [value, rows, figures.accuracy?.value])).toEqual([
      ['a', 100, rightIn(a) / 100],
      ['b', 50, rightIn(b) / 50],
    ])
    const selected = (part: typeof lines = []) => part.filter(({ a }) => a >= 0).length / part.length
    expect(result.figures.demographic_parity_difference?.value).toBeCloseTo(Math.abs(selected(a) - selected(b)), 12)

    expect(result.importance).toMatchObject({ by: 'roc_auc', rows: 150, repeats: 5 })
    const inputs = result.importance !== null && 'inputs' in result.importance ? result.importance.inputs : []
    expect(inputs.map(({ input }) => input)).toEqual(['x[0]', 'x[1]'])
    expect(inputs[0]?.mean).toBeGreaterThan(0.2)
    expect(inputs[1]).toEqual({ input: 'x[1]', mean: 0, deviation: 0 })
    expect(result.latency.at).toBe('hub')
    expect(result.latency.p50Ms?.value).toBeGreaterThan(0)
    expect(result.latency.p99Ms?.value).toBeGreaterThanOrEqual(result.latency.p50Ms?.value ?? Number.NaN)
    expect(contest.finished).toEqual([`${model}/${better}`])
    expect((await latestEvaluation(contest.hub.database, model, better, [dataset]))?.id).toBe(found.id)
    expect(await latestEvaluation(contest.hub.database, model, better, ['0'.repeat(64)])).toBeUndefined()
    expect(await latestEvaluation(contest.hub.database, model, worse)).toBeUndefined()

    const again = resultOf(await contest.evaluate(better, { ...asked, dataset }))
    const steady = ({ figures, difference, slices, importance, ...rest }: EvaluationResult) => ({
      figures: withoutLatency(figures),
      difference: withoutLatency(difference),
      slices: slices.map((slice) => withoutLatency(slice.figures)),
      importance,
      rows: rest.rows,
    })
    expect(steady(again)).toEqual(steady(result))

    const actions = await contest.hub.database.all(
      z.object({ action: z.string(), actor: z.string() }),
      'SELECT action, actor FROM audit_log WHERE subject = ? ORDER BY seq',
      [`evaluation:${found.id}`],
    )
    expect(actions).toEqual([
      { action: 'evaluation.create', actor: expect.stringMatching(/^token:/) },
      { action: 'evaluation.succeed', actor: 'hub' },
    ])
    const listed = await contest.request('GET', `${pathOf(better)}?limit=1`)
    expect(await listed.json()).toMatchObject({
      evaluations: [{ state: 'succeeded', figures: { accuracy: { value: right.length / 150 } } }],
      next: expect.any(String),
    })
  })

  test('with text labels, columns of other names, missing values and rows without a label', async () => {
    const lines = Array.from({ length: 60 }, (_, i) => `${i % 2},0.5,${i < 10 ? '' : i % 2 === 1 ? 'faulty' : 'ok'}`)
    lines[20] = ',0.5,ok'
    const dataset = await contest.snapshot(['level,other,state', ...lines].join('\n'))
    const version = await contest.register(aLogisticModel([4, 0], -2))
    const body = { dataset, label: 'state', columns: { 'x[0]': 'level', 'x[1]': 'other' }, importance: false }
    await contest.hub.database.write([{ sql: 'DELETE FROM aliases' }])
    const missing = await contest.evaluate(version, { ...body, task })
    expect(missing).toMatchObject({
      state: 'failed',
      code: 'positive-needed',
      reason: expect.stringContaining('faulty'),
    })
    const wrong = await contest.evaluate(version, { ...body, task: { ...task, positive: 'broken' } })
    expect(wrong).toMatchObject({ state: 'failed', code: 'positive-unknown' })
    const result = resultOf(await contest.evaluate(version, { ...body, task: { ...task, positive: 'faulty' } }))
    // a row with a missing input has no finite answer: it is left out and counted
    expect(result).toMatchObject({ rows: 49, rowsLeftOut: { unlabelled: 10, unplaced: 0, unanswered: 1 } })
    expect(result.confusion).toEqual({
      classes: ['ok', 'faulty'],
      counts: [
        [24, 0],
        [0, 25],
      ],
    })
    expect(result.champion).toBeNull()
    expect(result.noChampion).toBe(`no version of ${model} is its champion`)
    expect(contest.finished.filter((name) => name === `${model}/${version}`)).toHaveLength(1)
  })

  test('that sees one class only has no ROC AUC, and says why', async () => {
    const dataset = await contest.snapshot(
      ['x[0],x[1],fault', ...Array.from({ length: 40 }, (_, i) => `${i},0,0`)].join('\n'),
    )
    const version = await contest.register(aLogisticModel([0, 0]))
    const result = resultOf(await contest.evaluate(version, { dataset, label: 'fault', task, importance: false }))
    expect(result.unmeasured).toEqual({ roc_auc: expect.stringContaining('class') })
    expect(result.figures.recall).toEqual({ value: 0, low: 0, high: 0 })
    expect(result.figures.log_loss?.value).toBeCloseTo(Math.LN2, 12)
    expect(result.importance).toBeNull()
  })

  test('through feature definitions, rows drawn by machine', async () => {
    const features = {
      key: 'machine',
      time: 'at',
      features: [
        { name: 'level', field: 'raw', transform: { kind: 'last' } },
        { name: 'step', field: 'raw', transform: { kind: 'difference', lag: 1 } },
      ],
      inputs: [{ name: 'x', features: ['level', 'step'] }],
    }
    const lines = Array.from({ length: 80 }, (_, i) => {
      const at = i === 7 ? '' : 1_700_000_000_000 + i * 1000
      return `m${i % 8},${at},${i},${i >= 40}`
    })
    const dataset = await contest.snapshot(['machine,at,raw,late', ...lines].join('\n'))
    const manifestTask = { kind: 'binary-classification', output: 'y', threshold: 0.5 }
    const version = await contest.register(aLogisticModel([1, 0], -39.5), { features, task: manifestTask })
    const result = resultOf(await contest.evaluate(version, { dataset, label: 'late', cluster: 'machine' }))
    // the first row of each machine has no step before it; that of m7 has no time, and what comes after it has a step
    expect(result).toMatchObject({ rows: 72, rowsLeftOut: { unlabelled: 0, unplaced: 1, unanswered: 7 } })
    expect(result.figures.accuracy).toEqual({ value: 1, low: 1, high: 1 })
    expect(result.interval.by).toBe('cluster')
    const inputs = result.importance !== null && 'inputs' in result.importance ? result.importance.inputs : []
    expect(inputs.map(({ input }) => input)).toEqual(['level', 'step'])
  })
})

test('a regressor and a classifier of three classes are measured with their own figures', async () => {
  const lines = Array.from({ length: 90 }, (_, i) => [
    i % 3 === 0 ? 2 : 0,
    i % 3 === 1 ? 2 : 0,
    i % 3 === 2 ? 2 : 0.1,
    i % 3,
    i,
  ])
  const dataset = await contest.snapshot(
    ['x[0],x[1],x[2],kind,wear', ...lines.map((line) => line.join(','))].join('\n'),
  )
  const three = await contest.register(aSoftmaxModel(3))
  const kinds = resultOf(
    await contest.evaluate(three, { dataset, label: 'kind', task: { kind: 'multiclass-classification' } }),
  )
  expect(kinds.figures).toMatchObject({ accuracy: { value: 1 }, f1: { value: 1 }, roc_auc: { value: 1 } })
  expect(kinds.confusion?.classes).toEqual(['0', '1', '2'])
  expect(kinds.figures.log_loss?.value).toBeCloseTo(
    (Math.log(1 + Math.exp(-2) + Math.exp(-1.9)) * 2 + Math.log(1 + 2 * Math.exp(-2))) / 3,
    6,
  )
  const named = await contest.evaluate(three, {
    dataset,
    label: 'kind',
    task: { kind: 'multiclass-classification', classes: [0, 1] },
  })
  expect(named).toMatchObject({ state: 'failed', code: 'unknown-class', reason: expect.stringContaining('"2"') })

  const linear = await contest.register(aLinearModel([0, 0, 0], 40))
  const wear = resultOf(
    await contest.evaluate(linear, {
      dataset,
      label: 'wear',
      task: { kind: 'regression' },
      champion: three,
    }),
  )
  const errors = lines.map(([, , , , wear = 0]) => 40 - wear)
  expect(wear.figures.mae?.value).toBeCloseTo(errors.reduce((sum, error) => sum + Math.abs(error), 0) / 90, 10)
  expect(wear.figures.rmse?.value).toBeCloseTo(Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / 90), 10)
  expect(wear.figures.r2?.value).toBeLessThan(0)
  // the champion answers with three numbers where one is asked for
  expect(wear.champion).toBeNull()
  expect(wear.noChampion).toMatch(/champion cannot be compared: .*3 elements/)
})

describe('what is wrong with a request is said before anything runs', () => {
  let contest: Contest
  let version: number
  beforeAll(async () => {
    contest = await aContest({ works: false })
    await contest.snapshot(aTable(30).csv)
    version = await contest.register(aLogisticModel([1, 0]))
  })
  afterAll(() => contest[Symbol.asyncDispose]())

  test.each<[string, Record<string, unknown>, number, string, RegExp]>([
    [
      'a label that is no column',
      { label: 'oops' },
      422,
      'unknown-column',
      /no column "oops"; it has x\[0\], x\[1\], fault/,
    ],
    ['a slice that is no column', { slices: ['where'] }, 422, 'unknown-column', /"where"/],
    ['a dataset that is not there', { dataset: 'other/1' }, 404, 'not-found', /other\/1/],
    ['a digest that is not there', { dataset: 'a'.repeat(64) }, 404, 'not-found', /aaaa/],
    ['a champion that is not there', { champion: 9 }, 404, 'not-found', /vibration\/9/],
    ['a variant that is not there', { variant: 'int8' }, 404, 'not-found', /int8/],
    ['no task', { task: undefined }, 422, 'task-needed', /task/],
    ['an output that is not there', { task: { ...task, output: 'z' } }, 422, 'unknown-output', /z; it has y/],
    ['a mapping of what is no input', { columns: { z: 'fault' } }, 422, 'unknown-mapping', /takes x\[0\], x\[1\]/],
    ['an input without a column', { columns: { 'x[0]': 'w' } }, 422, 'unknown-column', /"w"/],
    [
      'fairness of a number',
      { task: { kind: 'regression' }, fairness: ['site'] },
      422,
      'fairness-misfit',
      /two classes/,
    ],
    ['six slice columns', { slices: ['a', 'b', 'c', 'd', 'e', 'f'] }, 422, 'invalid-request', /slices/],
    ['a typo', { labels: 'fault' }, 422, 'invalid-request', /labels/],
    ['a seed that is none', { seed: -1 }, 422, 'invalid-request', /seed/],
  ])('%s', async (_, change, status, code, detail) => {
    const response = await contest.request('POST', pathOf(version), {
      dataset: 'bench/1',
      label: 'fault',
      task,
      ...change,
    })
    expect(await problemOf(response)).toMatchObject({ status, code, detail: expect.stringMatching(detail) })
  })

  test('a version that is not there, a token that may not', async () => {
    const body = { dataset: 'bench/1', label: 'fault', task }
    expect((await contest.request('POST', pathOf(99), body)).status).toBe(404)
    expect((await contest.request('POST', pathOf(version), body, await contest.hub.tokenOf('viewer'))).status).toBe(403)
    expect((await contest.request('GET', pathOf(99))).status).toBe(404)
    expect((await contest.request('GET', `${pathOf(version)}/e-0-00000000`)).status).toBe(404)
    expect((await contest.request('POST', `${pathOf(version)}/e-0-00000000/cancel`)).status).toBe(404)
  })

  test('the OpenAPI document shows what may be asked', async () => {
    const document = z
      .object({ components: z.object({ schemas: z.record(z.string(), z.unknown()) }) })
      .parse(await (await contest.request('GET', '/v1/openapi.json')).json())
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['NewEvaluation', 'EvaluationTask', 'Evaluation', 'EvaluationResult', 'Explanation']),
    )
  })

  test('nothing of it was stored', async () => {
    const rows = await contest.hub.database.all(z.object({ id: z.string() }), 'SELECT id FROM evaluations')
    expect(rows).toEqual([])
  })
})

describe('what goes wrong while it runs is its end, with the reason', () => {
  const labelled = (rows: number, value: (i: number) => string) =>
    ['x[0],x[1],fault,many', ...Array.from({ length: rows }, (_, i) => `${value(i)},0,${i % 2},v${i}`)].join('\n')
  const lastElement = { ...task, reads: 'score', element: 0 }

  test('a model that throws on row 7 is named with it, and so is one whose process dies', async () => {
    const dataset = await contest.snapshot(labelled(40, (i) => (i === 7 ? '1' : '0.5')))
    const asked = { dataset, label: 'fault', task: lastElement, importance: false }
    const before = contest.finished.length
    const throws = await contest.register(aModelThatThrows())
    const found = await inProcesses(() => contest.evaluate(throws, asked))
    expect(found).toMatchObject({
      state: 'failed',
      code: 'inference-failed',
      reason: expect.stringContaining('inference 8'),
    })
    expect(found.result).toBeNull()
    if (process.arch !== 'x64') return
    const crashes = await contest.register(aModelThatCrashes())
    const died = await inProcesses(() => contest.evaluate(crashes, asked))
    expect(died).toMatchObject({ state: 'failed', code: 'crashed', reason: expect.stringContaining('SIGFPE') })
    // and the next one runs; of a champion that dies the candidate is measured all the same
    const well = await contest.register(aScaleModel({ factor: 3 }))
    const beside = resultOf(await inProcesses(() => contest.evaluate(well, { ...asked, champion: crashes })))
    expect(beside.champion).toBeNull()
    expect(beside.noChampion).toContain('SIGFPE')
    expect(contest.finished.slice(before)).toEqual([`${model}/${well}`])
  })

  test('answers that are not finite, or no probabilities', async () => {
    const dataset = await contest.snapshot(labelled(40, () => '3'))
    const nan = await contest.register(aNanModel())
    const scale = await contest.register(aScaleModel())
    expect(await contest.evaluate(nan, { dataset, label: 'fault', task })).toMatchObject({
      state: 'failed',
      code: 'not-finite',
      reason: expect.stringMatching(/not finite on 40 of 40 rows .* first on row 0/),
    })
    expect(await contest.evaluate(scale, { dataset, label: 'fault', task: { ...task, element: 0 } })).toMatchObject({
      state: 'failed',
      code: 'not-probabilities',
      reason: expect.stringContaining('is 6'),
    })
    expect(await contest.evaluate(scale, { dataset, label: 'fault', task: { ...task, element: 5 } })).toMatchObject({
      state: 'failed',
      code: 'output-misfit',
    })
    expect(await contest.evaluate(scale, { dataset, label: 'many', task: { kind: 'regression' } })).toMatchObject({
      state: 'failed',
      code: 'label-unreadable',
    })
  })

  test('a column of two thousand values gives twenty slices and says what is left out; as groups it is refused', async () => {
    const dataset = await contest.snapshot(
      [
        'x[0],x[1],fault,many',
        ...Array.from({ length: 2_040 }, (_, i) => `1,0,${i % 2},${i < 40 ? 'often' : `v${i}`}`),
      ].join('\n'),
    )
    const version = await contest.register(aLogisticModel([0.1, 0]))
    const body = { dataset, label: 'fault', task, importance: false }
    const result = resultOf(await contest.evaluate(version, { ...body, slices: ['many'] }))
    expect(result.slices).toHaveLength(20)
    expect(result.slices[0]).toMatchObject({ value: 'often', rows: 40, tooSmall: null })
    expect(result.slices[1]).toMatchObject({ rows: 1, tooSmall: '1 rows; 30 are needed', figures: {} })
    expect(result.slicesLeftOut).toEqual({ many: { rows: 2_000 - 19 } })
    expect(await contest.evaluate(version, { ...body, fairness: ['many'] })).toMatchObject({
      state: 'failed',
      code: 'too-many-groups',
    })
  })

  test('a dataset beyond the bound is refused, with what to do', async () => {
    const dataset = await contest.snapshot('x[0],x[1],fault\n7,0,1\n')
    await contest.hub.database.write([
      { sql: 'UPDATE dataset_snapshots SET row_count = 100001 WHERE digest = ?', args: [dataset] },
    ])
    const version = await contest.register(aLogisticModel([7, 0]))
    const response = await contest.request('POST', pathOf(version), { dataset, label: 'fault', task })
    expect(await problemOf(response)).toMatchObject({ status: 413, code: 'dataset-too-large', detail: /draw a sample/ })
  })
})

/** y = 0.5, in this process. */
const halves: Score = async function* ({ vectors }) {
  for (const { x } of vectors) {
    if (x !== undefined) yield { y: { ...x, data: x.data.map(() => 0.5) } }
  }
}

describe('the queue', () => {
  const body = { dataset: 'bench/1', label: 'fault', task, importance: false }

  /** A model that answers when it is let; tells that it was begun. */
  function heldScore() {
    const begun: (() => void)[] = []
    let free = true
    const hold = () => {
      free = false
    }
    const score: Score = async function* (request) {
      for await (const outputs of halves(request)) {
        while (!free) {
          for (const wake of begun.splice(0)) wake()
          await sleep(5)
        }
        yield outputs
      }
    }
    return {
      score,
      hold,
      release: () => {
        free = true
      },
      begins: () => new Promise<void>((resolve) => begun.push(resolve)),
    }
  }

  test('runs one after the other, holds so many and no more, and forgets what is cancelled', async () => {
    const held = heldScore()
    await using contest = await aContest({ score: held.score })
    await contest.snapshot(aTable(40).csv)
    const version = await contest.register(aScaleModel())
    const ask = async () => {
      const response = await contest.request('POST', pathOf(version), body)
      return { status: response.status, location: response.headers.get('location') ?? '', response }
    }
    held.hold()
    const begins = held.begins()
    const first = await ask()
    await begins
    const asked = []
    for (let i = 0; i < 32; i++) asked.push(await ask())
    expect(asked.map(({ status }) => status)).toEqual(asked.map(() => 202))
    const tooMany = await ask()
    expect(tooMany.status).toBe(503)
    expect(tooMany.response.headers.get('retry-after')).toBe('60')
    const states = async () => {
      const rows = await contest.hub.database.all(
        z.object({ state: z.string() }),
        'SELECT state FROM evaluations ORDER BY id',
      )
      return Map.groupBy(rows, ({ state }) => state)
    }
    expect((await states()).get('running')).toHaveLength(1)
    // one that runs and one that waits
    for (const { location } of [first, asked[2]].filter((one) => one !== undefined)) {
      expect(await (await contest.request('POST', `${location}/cancel`)).json()).toMatchObject({
        state: 'cancelled',
        code: 'cancelled',
      })
      const again = await contest.request('POST', `${location}/cancel`)
      expect(await problemOf(again)).toMatchObject({ status: 409, code: 'evaluation-ended' })
    }
    for (const { location } of asked.slice(3)) await contest.request('POST', `${location}/cancel`)
    held.release()
    for (const { location } of asked.slice(0, 2)) {
      expect(await contest.ended(location.split('/').at(-1) ?? '', version)).toMatchObject({ state: 'succeeded' })
    }
    expect((await states()).get('cancelled')).toHaveLength(31)
    expect(contest.finished).toHaveLength(2)
  })

  test('goes on after a stop where it was, and ends as failed what the hub died in', async () => {
    const held = heldScore()
    await using contest = await aContest({ score: held.score })
    await contest.snapshot(aTable(40).csv)
    const version = await contest.register(aScaleModel())
    held.hold()
    const begins = held.begins()
    const asked = await contest.request('POST', pathOf(version), body)
    const id = asked.headers.get('location')?.split('/').at(-1) ?? ''
    await begins
    const stopped = contest.stop()
    held.release()
    await stopped
    expect(await contest.hub.database.first(z.object({ state: z.string() }), 'SELECT state FROM evaluations')).toEqual({
      state: 'queued',
    })
    {
      await using next = await aContest({ score: halves, folder: contest.hub.folder })
      expect(await next.ended(id, version)).toMatchObject({ state: 'succeeded' })
      expect(next.finished).toEqual([`${model}/${version}`])
      await next.hub.database.write([{ sql: "UPDATE evaluations SET state = 'running', result = NULL" }])
    }
    await using after = await aContest({ score: halves, folder: contest.hub.folder })
    expect(await after.ended(id, version)).toMatchObject({ state: 'failed', code: 'interrupted' })
    expect(after.finished).toEqual([])
  })

  test('answers the same key once', async () => {
    await using contest = await aContest({ score: halves, works: false })
    await contest.snapshot(aTable(40).csv)
    const version = await contest.register(aScaleModel())
    const ask = () =>
      contest.app.request(pathOf(version), {
        method: 'POST',
        headers: {
          authorization: `Bearer ${contest.token}`,
          'content-type': 'application/json',
          'idempotency-key': 'once',
        },
        body: JSON.stringify(body),
      })
    const answers = [await ask(), await ask()]
    expect(answers.map((answer) => answer.headers.get('location'))[0]).toBe(answers[1]?.headers.get('location'))
    expect(await contest.hub.database.all(z.object({ id: z.string() }), 'SELECT id FROM evaluations')).toHaveLength(1)
  })
})

function withoutLatency(figures: EvaluationResult['figures']): EvaluationResult['figures'] {
  return Object.fromEntries(Object.entries(figures).filter(([name]) => !name.startsWith('latency')))
}
