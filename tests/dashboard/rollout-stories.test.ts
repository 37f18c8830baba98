// Rollouts as people watch them in a browser, on a real hub with real agents: a canary passes, a bad version is taken back,
// and a second person approves. The page is opened once, and changes by itself.

import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { RolloutDetail } from '../../hub/rollouts/documents.ts'
import { aModelThatThrows } from '../builders/onnx.ts'
import {
  aFleet,
  type Fleet,
  type Gateway,
  okByVersion,
  ready,
  register,
  untilRuns,
  wish,
} from '../end-to-end/a-fleet.ts'
import { startApplication } from '../end-to-end/an-application.ts'
import { aVersion } from '../end-to-end/versions.ts'
import { until } from '../end-to-end/waiting.ts'
import { aBrowser, aPage, look, signIn } from './a-browser.ts'

const names = ['gateway-1', 'gateway-2', 'gateway-3', 'gateway-4']
/** Short windows, so that there is something to compare with soon. */
const metadata = { window: { rows: 10, seconds: 60 } }
/** A device alone is told from its own past only where that is a good deal longer than what came since. */
const pastInferences = 400

let fleet: Fleet
let browser: Browser
let gateways: Gateway[]
/** Whether the applications ask what the bad version cannot answer. */
let loud = false
const applications: AsyncDisposable[] = []
const tokens: Record<'starter' | 'approver' | 'viewer', string> = { starter: '', approver: '', viewer: '' }

beforeAll(async () => {
  ;[fleet, browser] = await Promise.all([aFleet(), aBrowser()])
  const operator = fleet.operator()
  gateways = await Promise.all(names.map((name) => fleet.enrol(name)))
  await register(operator, aVersion(1), { metadata })
  await register(operator, aVersion(2), { metadata })
  await register(operator, aModelThatThrows(), { metadata })
  await register(operator, aVersion(4), { metadata })
  await operator.send('POST', '/v1/groups', { name: 'hall', query: 'all' }, z.unknown())
  for (const [key, role] of [
    ['starter', 'admin'],
    ['approver', 'approver'],
    ['viewer', 'viewer'],
  ] as const) {
    const body = { name: `${key} ann`, role }
    tokens[key] = (await operator.send('POST', '/v1/tokens', body, z.object({ token: z.string() }))).token
  }
  await Promise.all(gateways.map((gateway) => ready(gateway.start())))
  for (const { name } of gateways) await wish(operator, name, 1)
  await Promise.all(gateways.map(({ name }) => untilRuns(operator, name, 1)))
  for (const { servingUrl } of gateways) {
    const ask = (n: number) => (loud && n % 2 === 0 ? [2, 2] : [(n % 100) / 250, 0.1])
    applications.push(startApplication({ url: servingUrl, connections: 1, pauseMs: 25, ask }))
  }
}, 240_000)
afterAll(async () => {
  for (const application of applications) await application[Symbol.asyncDispose]()
  await browser.close()
  await fleet[Symbol.asyncDispose]()
})

const stages = [
  { name: 'canary', devices: 1, bake: '3s' },
  { name: 'all', percent: 100, bake: '1s' },
]
const gates = [{ metric: 'installation' }, { metric: 'error_rate', margin: 0.05 }]
const plan = { stages, gates, samplesMin: 50, stageTimeLimit: '3m' }

const started = (version: number, over: object = {}) =>
  fleet
    .operator()
    .send('POST', '/v1/rollouts', { model: 'scale', version, group: 'hall', plan, ...over }, RolloutDetail)
const rolloutNow = (id: string) => fleet.operator().get(`/v1/rollouts/${id}`, RolloutDetail)

/** Until each device has answered often with what it runs now. */
const untilKnown = () =>
  until('every device has a past', async () => {
    const counts = await Promise.all(names.map((name) => okByVersion(fleet.operator(), name)))
    return counts.every((byVersion) => (Object.values(byVersion).at(-1) ?? 0) >= pastInferences)
  })

/** A mark in the page that a reload would wipe out. */
const mark = (page: Page) => page.evaluate('window.marked = true')
const isMarked = (page: Page) => page.evaluate('window.marked === true')

/** Keeps what dots say from now on, in the page: what passes between two looks of a slow test is kept, too. */
const keepWords = (page: Page) =>
  page.evaluate(`
    window.said = new Set()
    new MutationObserver(() => {
      for (const dot of document.querySelectorAll('a.dot-mark')) said.add(dot.getAttribute('aria-label'))
    }).observe(document.body, { subtree: true, childList: true, attributeFilter: ['aria-label'] })`)
const keptWords = async (page: Page, device: string) =>
  z
    .array(z.string())
    .parse(await page.evaluate('[...said]'))
    .filter((words) => words.startsWith(`${device}: `))

test('watch a canary pass: a draft is started in the browser, dots and gates move by themselves, until it has completed', async () => {
  // beside so few devices it is its own past that the canary is held against
  await untilKnown()
  const { id } = await started(2, { draft: true })
  const { page, context, complaints } = await aPage(browser, fleet.hub().url)
  await signIn(page, fleet.adminToken)
  await page.getByRole('link', { name: 'Rollouts' }).click()
  await page.getByRole('link', { name: 'scale 2 to hall' }).click()
  await page.getByText('It waits for somebody to start it.').waitFor()
  await mark(page)
  await keepWords(page)
  expect(await look(page, 'rollout-draft')).toEqual([])

  await page.getByRole('button', { name: 'Start' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('The members of the group are frozen now').waitFor()
  await dialog.getByRole('button', { name: 'Start' }).click()
  await page.getByText('Done: the rollout is running').waitFor()

  // the one that was drawn goes first; the others wait for it
  let canary = ''
  await until('the canary runs it, and its gates have been looked at', async () => {
    const { devices } = await fleet
      .operator()
      .get(`/v1/rollouts/${id}/devices?stage=canary`, z.object({ devices: z.array(z.object({ device: z.string() })) }))
    canary = devices[0]?.device ?? ''
    const kept = await keptWords(page, canary)
    return kept.includes(`${canary}: succeeded`) && (await page.getByRole('article').count()) === 2
  })
  await page.getByRole('article', { name: /^Gate error rate/ }).waitFor()
  expect(await look(page, 'rollout-canary')).toEqual([])

  await page.locator('.title .dot', { hasText: 'Completed' }).waitFor()
  await page.getByText('Every stage passed; 4 of 4 devices had it at the end.').waitFor()
  for (const name of names) await page.locator(`a.dot-mark[aria-label="${name}: succeeded"]`).waitFor()
  await expect.poll(() => isMarked(page)).toBe(true)
  expect((await rolloutNow(id)).state).toBe('completed')
  // more than its beginning and its end was seen
  expect((await keptWords(page, canary)).length).toBeGreaterThan(1)

  // the canary's gates are still there to be read, with the draws behind them
  await page.getByRole('button', { name: /^canary/ }).click()
  const gate = page.getByRole('article', { name: 'Gate error rate: passes' })
  await gate.getByRole('img', { name: /^Interval of error rate at each of \d+ looks?/ }).waitFor()
  await gate.getByRole('img', { name: /^Of [\d,]+ other .* look as bad as the real one/ }).waitFor()
  expect(await look(page, 'rollout-completed')).toEqual([])
  expect(complaints).toEqual([])
  await context.close()
}, 240_000)

test('watch a bad one be taken back: the gate that failed says why, and every device is where it was', async () => {
  await untilKnown()
  // from the first moment on: what the version before answers, the new one cannot
  loud = true
  const { id } = await started(3)
  const { page, context, complaints } = await aPage(browser, fleet.hub().url)
  await signIn(page, tokens.viewer)
  await page.goto(`/rollouts/${id}`)
  await page.getByRole('heading', { name: 'scale 3 to hall' }).waitFor()
  await mark(page)
  // who may only look is offered nothing
  expect(await page.getByRole('group', { name: 'What may be done' }).count()).toBe(0)

  await page.locator('.title .dot', { hasText: 'Rolled back' }).waitFor()
  loud = false
  const rollout = await rolloutNow(id)
  // the device takes it back itself while it is on probation, or the comparison with the others does
  expect(rollout.reason).toMatch(/^stage canary failed: (installation|error_rate): /)
  expect(rollout.stages[0]).toMatchObject({ state: 'failed' })
  await page
    .getByText(rollout.reason?.slice(1, 60) ?? '')
    .first()
    .waitFor()
  const gate = page.getByRole('article', { name: /^Gate .*: fails$/ })
  await gate.first().waitFor()
  await page.locator('a.dot-mark[aria-label*="rolled back"], a.dot-mark[aria-label*="failed"]').first().waitFor()
  await expect.poll(() => page.locator('a.dot-mark[aria-label$=": planned"]').count()).toBe(3)
  await expect.poll(() => isMarked(page)).toBe(true)
  expect(await look(page, 'rollout-rolled-back')).toEqual([])
  const running = async () =>
    (await fleet.operator().get('/v1/fleet?model=scale&version=3', z.object({ total: z.number() }))).total
  await expect.poll(running).toBe(0)

  await page.getByRole('button', { name: 'History' }).click()
  await page.getByText('What it followed from, device by device').last().click()
  expect(await look(page, 'rollout-history')).toEqual([])
  expect(complaints).toEqual([])
  await context.close()
}, 240_000)

test('approve: not who started it, but a second person in a browser of their own, and the stage begins', async () => {
  const held = {
    ...plan,
    stages: [
      { name: 'first', devices: 1, bake: '0s' },
      { name: 'all', percent: 100, bake: '0s', approvals: 1 },
    ],
    gates: [{ metric: 'installation' }],
  }
  const body = { model: 'scale', version: 4, group: 'hall', plan: held }
  const response = await fetch(`${fleet.hub().url}/v1/rollouts`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokens.starter}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const { id } = RolloutDetail.parse(await response.json())
  const one = await aPage(browser, fleet.hub().url)
  await signIn(one.page, tokens.starter)
  await one.page.goto(`/rollouts/${id}`)
  await one.page.getByText('It waits for approvals of stage all: 0 of 1 given.').waitFor()
  await mark(one.page)
  await one.page.getByRole('button', { name: 'Approve stage all' }).click()
  const dialog = one.page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Approve stage all' }).click()
  await dialog.getByRole('alert').waitFor()
  await expect
    .poll(() => dialog.getByRole('alert').textContent())
    .toMatch(/^Somebody else must approve: .*and that is you.*approver ann/)
  expect(await look(one.page, 'rollout-own-approval')).toEqual([])
  await dialog.getByRole('button', { name: 'Cancel' }).click()

  const two = await aPage(browser, fleet.hub().url)
  await signIn(two.page, tokens.approver)
  await two.page.goto(`/rollouts/${id}`)
  await two.page.getByRole('button', { name: 'Approve stage all' }).click()
  // an approver operates nothing
  expect(await two.page.getByRole('button', { name: 'Pause' }).count()).toBe(0)
  const asked = two.page.getByRole('dialog')
  await asked.getByText('It is the last of 1 approval: the stage begins.').waitFor()
  await asked.getByText('3 devices of stage all are offered scale 4.').waitFor()
  await asked.getByLabel('Comment').fill('read the report')
  expect(await look(two.page, 'rollout-approve')).toEqual([])
  await asked.getByRole('button', { name: 'Approve stage all' }).click()
  await two.page.getByText(/^Done: the rollout is /).waitFor()

  // who started it sees it go on, with the name of who approved
  await one.page.getByText('approved stage all').waitFor()
  await one.page.getByText(/: read the report/).waitFor()
  await one.page.locator('.title .dot', { hasText: 'Completed' }).waitFor()
  await expect.poll(() => isMarked(one.page)).toBe(true)
  const { state, approvals } = await rolloutNow(id)
  expect({ state, approvals }).toMatchObject({
    state: 'completed',
    approvals: [{ name: 'approver ann', decision: 'approve', comment: 'read the report' }],
  })
  // the refusal itself, which the browser notes
  expect(one.complaints).toEqual([expect.stringContaining('403')])
  expect(two.complaints).toEqual([])
  await one.context.close()
  await two.context.close()
}, 240_000)
