// The card of a version that was registered, evaluated and approved, over HTTP.

import { expect, test } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../hub/app.ts'
import type { EvaluationResult } from '../../../hub/evaluation/result.ts'
import { modelCardRoutes } from '../../../hub/model-card/routes.ts'
import { createRegistrar } from '../../../hub/registry/registrar.ts'
import { registryRoutes } from '../../../hub/registry/routes.ts'
import { setTags } from '../../../hub/registry/tags.ts'
import { aHub, type TestHub } from '../a-hub.ts'
import { approval, digestOf, run, runOf, snapshot } from '../lineage/a-history.ts'
import { aForm, doubling, post } from '../registry/an-upload.ts'
import { bomFault } from './cyclonedx-schema.ts'

const figure = { value: 0.91, low: 0.88, high: 0.94 }
const result: EvaluationResult = {
  rows: 400,
  rowsLeftOut: { unlabelled: 0, unplaced: 0, unanswered: 0 },
  task: { kind: 'binary-classification', reads: 'probability' },
  figures: {
    accuracy: figure,
    'demographic_parity_difference[site]': { value: 0.25, low: 0.1, high: 0.4 },
    'equalised_odds_difference[site]': { value: 0.2, low: 0, high: 0.5 },
  },
  champion: null,
  noChampion: 'there is none',
  difference: {},
  unmeasured: {},
  slices: [
    {
      column: 'site',
      value: 'north | south',
      rows: 40,
      tooSmall: null,
      figures: { accuracy: { value: 0.8, low: 0.7, high: 0.9 } },
      champion: null,
      difference: {},
      unmeasured: {},
    },
  ],
  slicesLeftOut: {},
  confusion: null,
  calibration: null,
  fairness: [
    {
      column: 'site',
      groups: [
        { value: 'north', rows: 300, selectionRate: 0.5, truePositiveRate: 0.8, falsePositiveRate: 0.1 },
        { value: 'south', rows: 100, selectionRate: 0.25, truePositiveRate: 0.6, falsePositiveRate: 0.1 },
      ],
    },
  ],
  importance: null,
  latency: { at: 'hub', p50Ms: null, p99Ms: null },
  interval: { method: 'percentile bootstrap', level: 0.95, resamples: 1_000, by: 'row' },
}

async function aRegistered(hub: TestHub) {
  const routes = [registryRoutes(hub, createRegistrar(hub, doubling)), modelCardRoutes(hub)]
  const app = createApp(hub, routes)
  await hub.database.write([
    ...snapshot('train', 1, digestOf('a')),
    ...snapshot('holdout', 1, digestOf('c')),
    ...run(runOf('1'), [{ name: 'train', digest: digestOf('a') }]),
    { sql: `INSERT INTO run_keys (id, key) VALUES (1, 'learning_rate')` },
    { sql: `INSERT INTO run_params (run, key, value) SELECT number, 1, '0.01' FROM runs` },
  ])
  const metadata = {
    description: 'Doubles.\n\n# Not a heading <b>',
    metrics: { loss: 0.2 },
    run: runOf('1'),
    commit: 'c0ffee',
    datasets: [{ digest: digestOf('a'), role: 'training' }],
    tags: { 'card.intended_use': '- doubling\n- nothing else', 'card.license': 'Apache-2.0' },
  }
  const response = await post(app, await hub.tokenOf('ci'), aForm({ metadata }))
  expect(response.status).toBe(201)
  const Version = z.looseObject({ files: z.array(z.looseObject({ sha256: z.string() })) })
  const version = Version.parse(await response.json())
  await hub.database.write([
    ...setTags({ model: 'scale' }, { 'card.limitations': 'numbers below 1e38' }),
    {
      sql: `INSERT INTO evaluations (id, model, version, state, request, dataset, manifest, code_version, created_by,
              created_at, ended_at, result)
            VALUES ('e-1', 'scale', 1, 'succeeded', ?, ?, ?, '1', 'token:ci', 300, 310, ?)`,
      args: [
        JSON.stringify({ dataset: digestOf('c'), label: 'y', task: result.task }),
        digestOf('c'),
        digestOf('d'),
        JSON.stringify(result),
      ],
    },
    ...approval('p-1', 'scale', 1, { evaluation: 'e-1', state: 'approved' }),
  ])
  const viewer = await hub.tokenOf('viewer')
  const get = async (query: string, accept?: string, path = '/v1/models/scale/versions/1/card') =>
    app.request(`${path}${query}`, {
      headers: { authorization: `Bearer ${viewer}`, ...(accept === undefined ? {} : { accept }) },
    })
  return { get, sha256: version.files[0]?.sha256 ?? '' }
}

test('the card of a version tells what is known of it, in each form', async () => {
  await using hub = await aHub()
  const { get, sha256 } = await aRegistered(hub)

  const markdown = await (await get('')).text()
  expect(markdown).toContain('# scale 1\n\nDoubles.\n\n\\# Not a heading \\<b\\>')
  expect(markdown).toContain('- doubling\n- nothing else')
  expect(markdown).toContain('## Limitations\n\n- numbers below 1e38')
  expect(markdown).toContain('## Trade-offs\n\n_Nothing is written about it._')
  expect(markdown).toContain(
    `| input, training | train/1 | ${digestOf('a')} | 4 | temperature number, broken number |  |`,
  )
  expect(markdown).toContain('| all | accuracy | 0.91 | 0.88 to 0.94 | 400 |')
  expect(markdown).toContain('| site = north \\| south | accuracy | 0.8 | 0.7 to 0.9 | 40 |')
  expect(markdown).toContain('| site = south | 0.25 | 0.6 | 0.1 | 100 |')
  expect(markdown).toContain('| learning\\_rate | 0.01 |')
  expect(markdown).toContain('| production | approved | pass | approve | token:boss |')
  expect(markdown).toContain(sha256)

  const json = z.looseObject({}).parse(await (await get('?format=json')).json())
  expect(json).toMatchObject({
    schema_version: '0.0.2',
    model_details: { name: 'scale', version: { name: '1' }, licenses: [{ custom_text: 'Apache-2.0' }] },
    considerations: { use_cases: [{ description: 'doubling' }, { description: 'nothing else' }] },
    roost: {
      run: { parameters: { learning_rate: '0.01' } },
      approvals: [{ id: 'p-1', state: 'approved' }],
      evaluation: { fairness: result.fairness, variant: null },
    },
  })

  expect(json.quantitative_analysis).toMatchObject({
    performance_metrics: expect.arrayContaining([
      { type: 'selection_rate', value: '0.25', slice: 'site = south' },
      { type: 'true_positive_rate', value: '0.8', slice: 'site = north' },
    ]),
  })

  const bom: unknown = await (await get('?format=cyclonedx')).json()
  expect(bomFault()(bom)).toBeUndefined()
  expect(bom).toMatchObject({
    specVersion: '1.6',
    metadata: {
      component: {
        type: 'machine-learning-model',
        hashes: [{ alg: 'SHA-256', content: sha256 }],
        modelCard: {
          modelParameters: { task: 'binary-classification', datasets: [{ ref: 'model:scale/1/dataset/1' }] },
          quantitativeAnalysis: {
            performanceMetrics: [
              { type: 'accuracy', value: '0.91', confidenceInterval: { lowerBound: '0.88', upperBound: '0.94' } },
              { type: 'demographic_parity_difference[site]' },
              { type: 'equalised_odds_difference[site]' },
              { type: 'accuracy', slice: 'site = north | south' },
              { type: 'loss (reported)', value: '0.2' },
            ],
          },
          considerations: {
            useCases: ['doubling', 'nothing else'],
            technicalLimitations: ['numbers below 1e38'],
            fairnessAssessments: [
              { groupAtRisk: 'site = north' },
              {
                groupAtRisk: 'site = south',
                harms: expect.stringMatching(
                  /^measured on 100 rows of holdout\/1 .*: predicted positive 0.25; true positive rate 0.6; .* demographic_parity_difference 0.25 \(95 % interval 0.1 to 0.4\), equalised_odds_difference 0.2/,
                ),
              },
            ],
          },
        },
      },
    },
  })
  expect(await (await get('?format=cyclonedx')).json()).toEqual(bom)
})

test('the form is the one asked for: by name, else by Accept, else Markdown', async () => {
  await using hub = await aHub()
  const { get } = await aRegistered(hub)
  const type = async (query: string, accept?: string) => (await get(query, accept)).headers.get('content-type')
  const [markdown, json, bom] = ['text/markdown', 'application/json', 'application/vnd.cyclonedx+json'].map(
    (name) => `${name}; charset=utf-8`,
  )
  expect(await type('')).toBe(markdown)
  expect(await type('', '*/*')).toBe(markdown)
  expect(await type('', 'text/html')).toBe(markdown)
  expect(await type('', 'application/json')).toBe(json)
  expect(await type('', 'application/json;q=0.5, application/vnd.cyclonedx+json')).toBe(bom)
  expect(await type('?format=cyclonedx', 'application/json')).toBe(bom)
  expect((await get('?format=pdf')).status).toBe(422)
  expect((await get('', undefined, '/v1/models/scale/versions/2/card')).status).toBe(404)
})
