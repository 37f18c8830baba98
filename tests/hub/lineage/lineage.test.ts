// What an auditor asks, over HTTP, of a hub in which something has happened.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { createApp, type Routes } from '../../../hub/app.ts'
import { insertToken, makeToken } from '../../../hub/governance/tokens.ts'
import { DevicesOf, History, Lineage } from '../../../hub/lineage/documents.ts'
import { edgesPerRuleMax } from '../../../hub/lineage/neighbours.ts'
import { lineageRoutes } from '../../../hub/lineage/routes.ts'
import { asStarted, readAs, type TestHub } from '../a-hub.ts'
import { aHistory, device, digestOf, runOf, serves, version } from './a-history.ts'

type Asking = {
  app: Routes
  get(path: string): Promise<Response>
  lineage(node: string, query?: string): Promise<z.infer<typeof Lineage>>
  devices(node: string, query?: string): Promise<z.infer<typeof DevicesOf>>
}

async function asking(hub: TestHub, token?: string): Promise<Asking> {
  const app = createApp(asStarted(hub), [lineageRoutes(hub)])
  const bearer = token ?? (await hub.tokenOf('viewer'))
  const get = async (path: string) => app.request(path, { headers: { authorization: `Bearer ${bearer}` } })
  return {
    app,
    get,
    lineage: (node, query = '') => readAs(Lineage, get(`/v1/lineage?node=${encodeURIComponent(node)}${query}`)),
    devices: (node, query = '') =>
      readAs(DevicesOf, get(`/v1/lineage/devices?node=${encodeURIComponent(node)}${query}`)),
  }
}

const nodesOf = ({ nodes }: z.infer<typeof Lineage>) => nodes.map(({ node }) => node).sort()
const edgesOf = ({ edges }: z.infer<typeof Lineage>) =>
  edges.map(({ from, to, relation }) => `${from} -${relation}-> ${to}`).sort()

const a = `dataset:${digestOf('a')}`
const b = `dataset:${digestOf('b')}`
const c = `dataset:${digestOf('c')}`

/** For what only reads. */
let shared: TestHub
beforeAll(async () => {
  shared = await aHistory()
})
afterAll(() => shared[Symbol.asyncDispose]())

describe('what is on a device', () => {
  test('leads back over the rollout, the approval and the evaluation to the run and the data', async () => {
    const found = await (await asking(shared)).lineage('device:d-1', '&direction=upstream')
    expect(edgesOf(found)).toEqual(
      [
        'version:vibration/1 -ran-> device:d-1',
        'rollout:r-1 -offered-> device:d-1',
        'version:vibration/1 -rolled out-> rollout:r-1',
        'approval:p-1 -let out-> rollout:r-1',
        'version:vibration/1 -put up for-> approval:p-1',
        'evaluation:e-1 -judged in-> approval:p-1',
        'version:vibration/1 -evaluated-> evaluation:e-1',
        `${c} -evaluated on-> evaluation:e-1`,
        `run:${runOf('1')} -produced-> version:vibration/1`,
        `${a} -dataset-> version:vibration/1`,
        `${a} -input-> run:${runOf('1')}`,
        `dataset:weather@abc12345 -input-> run:${runOf('1')}`,
        `dataset:train -snapshot-> ${a}`,
        `dataset:holdout -snapshot-> ${c}`,
      ].sort(),
    )
    expect(found.cut).toEqual([])
    const approval = found.nodes.find(({ node }) => node === 'approval:p-1')
    expect(approval?.facts).toMatchObject({
      state: 'approved',
      gates: 'pass',
      decisions: [{ by: 'token:boss', name: 'The boss', decision: 'approve', comment: 'looks good' }],
    })
    expect(found.nodes.find(({ node }) => node === 'dataset:weather@abc12345')?.known).toBe(false)
    expect(found.nodes.find(({ node }) => node === 'version:vibration/1')?.facts).toMatchObject({
      commit: 'c0ffee',
      variants: [{ variant: 'fp32', manifest: 'vibration-1-fp32', signed: true }, { variant: 'int8' }],
    })
  })

  test('names what serves and what has served, with the variant', async () => {
    const found = await (await asking(shared)).lineage('device:d-2', '&direction=upstream&depth=1')
    const ran = found.edges.filter(({ relation }) => relation === 'ran')
    expect(ran.map(({ from, detail }) => [from, detail?.running, detail?.variant])).toEqual([
      ['version:vibration/1', false, 'fp32'],
      ['version:vibration/2', true, 'int8'],
    ])
    expect(found.cut.map(({ reason }) => reason)).toContain('depth')
  })
})

describe('a dataset', () => {
  test('leads to everything that was made of it, and to nothing it was only beside', async () => {
    const found = await (await asking(shared)).lineage(a, '&direction=downstream')
    expect(nodesOf(found)).toEqual(
      [
        a,
        `run:${runOf('1')}`,
        'version:vibration/1',
        'version:acoustic/1',
        'evaluation:e-1',
        'approval:p-1',
        'rollout:r-1',
      ].sort(),
    )
    expect(found.nodes.find(({ node }) => node === 'version:vibration/1')?.devices).toEqual({ running: 1, ever: 2 })
    expect(found.nodes.find(({ node }) => node === 'rollout:r-1')?.devices).toEqual({ running: 1, ever: 2 })
  })

  test.each([
    [a, '', ['acoustic/1', 'vibration/1'], ['d-1', 'd-3']],
    [a, '&state=ever', ['acoustic/1', 'vibration/1'], ['d-1', 'd-2', 'd-3']],
    ['dataset:train/2', '', ['vibration/2'], ['d-2']],
    ['dataset:train', '', ['acoustic/1', 'vibration/1', 'vibration/2'], ['d-1', 'd-2', 'd-3']],
    ['dataset:weather@abc12345', '', ['vibration/1'], ['d-1']],
    // evaluated on, tested on: not trained on
    [c, '', ['vibration/2'], ['d-2']],
    [c, '&role=training', [], []],
    [`run:${runOf('1')}`, '', ['vibration/1'], ['d-1']],
    ['rollout:r-1', '&state=ever', ['vibration/1'], ['d-1', 'd-2']],
    ['approval:p-1', '', ['vibration/1'], ['d-1']],
    ['evaluation:e-1', '', ['vibration/1'], ['d-1']],
    ['manifest:vibration-2-int8', '', ['vibration/2'], ['d-2']],
    ['dataset:some folder of Ann', '', ['thermal/1'], []],
    ['run:elsewhere 7', '', ['thermal/1'], []],
  ])('%s%s leads to versions %j on devices %j', async (node, query, versions, devices) => {
    const found = await (await asking(shared)).devices(node, query)
    expect(found.versions.toSorted()).toEqual(versions)
    expect(found.devices.map(({ device }) => device)).toEqual(devices)
    expect(query.includes('ever') ? found.counts.ever : found.counts.running).toBe(devices.length)
  })
})

test('ten thousand devices come in pages, each once', async () => {
  await using hub = await aHistory()
  const many = Array.from({ length: 10_000 }, (_, i) => `m-${String(i).padStart(5, '0')}`)
  await hub.database.write(many.map((name) => device(name)))
  await hub.database.write(many.map((name, i) => serves(name, 'vibration', 2, { running: i % 2 === 0 })))
  const { devices, lineage } = await asking(hub)
  const seen: string[] = []
  for (let cursor = ''; ; ) {
    const page = await devices(b, `&limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`)
    seen.push(...page.devices.map(({ device }) => device))
    expect(page.counts).toEqual({ running: 5_001, ever: 10_001 })
    if (page.next === null) break
    cursor = page.next
  }
  expect(seen).toHaveLength(5_001)
  expect(new Set(seen).size).toBe(5_001)
  const found = await lineage(b)
  expect(found.nodes.length).toBeLessThan(10)
  expect(found.nodes.find(({ node }) => node === 'version:vibration/2')?.devices).toEqual({
    running: 5_001,
    ever: 10_001,
  })
})

test('more versions of a dataset than are looked at are said to be cut', async () => {
  await using hub = await aHistory()
  const made = Array.from({ length: edgesPerRuleMax + 5 }, (_, i) => version('many', i + 1, { dataset: digestOf('b') }))
  await hub.database.write(made.flat())
  const { lineage, devices } = await asking(hub)
  const few = await lineage(b, '&direction=downstream&nodes=10')
  expect(few.nodes).toHaveLength(10)
  expect(few.cut).toContainEqual({ node: b, reason: 'neighbours' })
  expect((await devices(b)).versionsCut).toBe(true)
})

describe('a token for one model', () => {
  const restricted = async (hub: TestHub) => {
    const made = makeToken(hub.random)
    const row = { name: 'acoustics', role: 'viewer' as const, createdBy: 'test', createdAt: 0, expiresAt: undefined }
    await hub.database.write([insertToken(made, { ...row, scopes: null, models: ['acoustic'] })])
    return asking(hub, made.token)
  }
  test('sees nothing of another, from wherever it asks', async () => {
    const { lineage, devices, get } = await restricted(shared)
    expect(nodesOf(await lineage(a, '&direction=downstream'))).toEqual(
      [a, `run:${runOf('1')}`, 'version:acoustic/1'].sort(),
    )
    expect(nodesOf(await lineage('device:d-1'))).toEqual(['device:d-1'])
    expect((await devices(a)).devices.map(({ device }) => device)).toEqual(['d-3'])
    expect((await readAs(History, get('/v1/lineage/devices/d-1/history'))).services).toEqual([])
    for (const node of [
      'version:vibration/1',
      'rollout:r-1',
      'approval:p-1',
      'evaluation:e-1',
      'manifest:vibration-1-fp32',
    ]) {
      expect((await get(`/v1/lineage?node=${node}`)).status, node).toBe(403)
      expect((await get(`/v1/lineage/devices?node=${node}`)).status, node).toBe(403)
    }
  })
})

test.each([
  ['version:vibration/9', 404],
  ['version:vibration@champion', 404],
  ['version:vibration', 422],
  ['version:vibration/01', 422],
  [`version:x'; DROP TABLE versions; --/1`, 422],
  ['manifest:nothing', 404],
  ['dataset:nothing', 404],
  ['device:nobody', 404],
  ['planet:earth', 422],
  ['device:', 422],
  [':::', 422],
  ['rollout:\u0000', 404],
])('asked for %j it answers %i', async (node, status) => {
  const { get } = await asking(shared)
  const response = await get(`/v1/lineage?node=${encodeURIComponent(node)}`)
  expect(response.status).toBe(status)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
})
