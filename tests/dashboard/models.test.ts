// The model pages in a real browser, on a hub where one version waits for approval and another fails its gates.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { aBrowser, aPage, isTooWide, look, signIn, violations, widths } from './a-browser.ts'
import { aModelHub, type ModelHub, model } from './a-model-hub.ts'

let models: ModelHub
let browser: Browser
beforeAll(async () => {
  ;[models, browser] = await Promise.all([aModelHub(), aBrowser()])
})
afterAll(async () => {
  await browser.close()
  await models[Symbol.asyncDispose]()
})

const Version = z.object({ stage: z.string(), aliases: z.array(z.string()) })
const versionOf = async (version: number) =>
  Version.parse(await models.ask(models.admin, 'GET', `/v1/models/${model}/versions/${version}`))

/** Nothing was judged yet, or it was refused: the hub says so with these, and the browser notes them. */
const withoutRefusals = (complaints: readonly string[]) =>
  complaints.filter((text) => !/status of (?:403|404)/.test(text))

/** As `look`, of what is made of parts that were looked at: one theme, and whether it fits a phone. */
async function glance(page: Page): Promise<string[]> {
  const wrong = await violations(page)
  const before = page.viewportSize()
  await page.setViewportSize({ width: widths[1], height: 844 })
  if (await isTooWide(page)) wrong.push('something sticks out at the side')
  if (before !== null) await page.setViewportSize(before)
  return wrong
}

const tab = (page: Page, name: string) => page.getByRole('button', { name, exact: true })

test('the list leads to what waits, and the model says where it runs and what is asked of its versions', async () => {
  const { page, context, complaints } = await aPage(browser, models.hub.url)
  await signIn(page, models.admin)
  await page.getByRole('link', { name: 'Models' }).click()
  await page.getByText('1 promotion waits for approval').waitFor()
  const row = page.getByRole('row', { name: /press-fault/ })
  await row.getByRole('cell', { name: '5', exact: true }).waitFor()
  await expect
    .poll(() => row.getByRole('cell').allTextContents())
    .toEqual([`${model} v1`, `${model} v1`, `${model} v3`, '5', 'v2 for approval', expect.stringMatching(/ago$|now$/)])
  expect(await look(page, 'models')).toEqual([])
  await page.getByLabel('Name').fill('nothing so')
  await page.getByText('No model is called so').waitFor()
  await page.getByLabel('Name').fill('FAULT')

  await page.getByRole('link', { name: model, exact: true }).click()
  await page.getByRole('heading', { name: model }).waitFor()
  await page.getByText('on 5 devices now').waitFor()
  await page.getByText('accuracy >= champion - 0.05 with 95 % confidence').waitFor()
  await page.getByText('Version 2 waits for approval for production: 0 of 1 approval.').waitFor()
  await page.getByLabel('Compare version 1').check()
  await page.getByText('Pick another one to compare version 1 with.').waitFor()
  await page.getByLabel('Compare version 2').check()
  await page.getByText('Both measured on the same rows, in one evaluation.').waitFor()
  const compared = page.getByRole('region', { name: 'Comparison' }).getByRole('row', { name: /^accuracy/ })
  // 0.78 and 0.8675 are what it was when the rows were drawn; the difference is theirs
  await expect.poll(() => compared.getByRole('cell').count()).toBeGreaterThanOrEqual(3)
  const [old = '', young = '', apart = ''] = await compared.getByRole('cell').allInnerTexts()
  expect(Number(young) - Number(old)).toBeCloseTo(Number(apart.split(' ')[0]), 3)
  expect(await look(page, 'model')).toEqual([])
  // a link to it shows the same
  await page.reload()
  await page.getByText('Both measured on the same rows, in one evaluation.').waitFor()
  expect(withoutRefusals(complaints)).toEqual([])
  await context.close()
})

test('an evaluation shows the worst slice first, what is better than the champion, and the groups', async () => {
  const { page, context, complaints } = await aPage(browser, models.hub.url)
  await signIn(page, models.people.vera.token)
  await page.goto(`/models/${model}/2?tab=evaluation`)
  const slices = page.getByRole('region', { name: 'Slices' }).last()
  await slices.getByRole('rowheader').first().waitFor()
  const names = () => slices.getByRole('rowheader').allInnerTexts()
  await expect.poll(async () => (await names())[0]).toBe('site = south')
  const rows = await slices.getByRole('row').allInnerTexts()
  const values = rows.slice(1).map((text) => Number(/0\.\d{4}|1\.0000/.exec(text)?.[0]))
  expect(values).toEqual(values.toSorted((a, b) => a - b))
  await page.getByRole('combobox', { name: /^Figure/ }).selectOption('log_loss')
  await slices.getByRole('columnheader', { name: 'log_loss' }).waitFor()
  await expect.poll(async () => (await names())[0]).toBe('site = south')
  const figures = page.getByRole('region', { name: 'Figures' }).last()
  await expect.poll(() => figures.getByRole('row', { name: /^roc_auc/ }).innerText()).toContain('better')
  await page.getByRole('region', { name: 'Rates of groups' }).getByText('night').waitFor()
  expect(await look(page, 'evaluation')).toEqual([])
  // who only looks is offered nothing
  expect(await page.getByRole('button', { name: /Evaluate|Approve|Move it|Judge/ }).count()).toBe(0)
  await tab(page, 'Gates and approval').click()
  await page.getByText('waits for approval').waitFor()
  expect(await page.getByRole('button', { name: /Approve|Reject|Move it|Judge/ }).count()).toBe(0)
  expect(withoutRefusals(complaints)).toEqual([])
  await context.close()
})

test('an evaluation is asked for, filled in as the one before, and its figures come by themselves', async () => {
  const { page, context, complaints } = await aPage(browser, models.hub.url)
  await signIn(page, models.people.olaf.token)
  await page.goto(`/models/${model}/1?tab=evaluation`)
  await page.getByText('Not evaluated yet').waitFor()
  await page.getByRole('button', { name: 'Evaluate…' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Column that holds what was true').selectOption('fault')
  await dialog
    .getByRole('group', { name: /Measured apart/ })
    .getByLabel('site')
    .check()
  expect(await violations(page)).toEqual([])
  await dialog.getByRole('button', { name: 'Evaluate', exact: true }).click()
  await page.getByText('The evaluation waits for its turn').waitFor()
  await page.getByRole('heading', { name: 'Figures' }).waitFor()
  await page.getByRole('rowheader', { name: 'site = south' }).waitFor()
  const { evaluations } = z
    .object({
      evaluations: z.array(z.object({ state: z.string(), request: z.object({ slices: z.array(z.string()) }) })),
    })
    .parse(await models.ask(models.admin, 'GET', `/v1/models/${model}/versions/1/evaluations`))
  expect(evaluations).toMatchObject([{ state: 'succeeded', request: { slices: ['site'] } }])
  expect(withoutRefusals(complaints)).toEqual([])
  await context.close()
})

test('a promotion is approved by a second person, not by who could be the first, and taken back', async () => {
  const first = await aPage(browser, models.hub.url)
  await signIn(first.page, models.admin)
  await first.page.goto(`/models/${model}/3?tab=gates`)
  await first.page.getByText('2 of 3 gates do not pass').waitFor()
  const failing = first.page.getByRole('row', { name: /fails roc_auc/ })
  await expect.poll(() => failing.innerText()).toMatch(/0\.\d{4}\s+0\.8000/)
  expect(await look(first.page, 'gates-failing')).toEqual([])
  await first.page.goto(`/models/${model}/2?tab=gates`)
  await first.page.getByRole('button', { name: 'Approve…' }).click()
  await first.page.getByRole('dialog').getByRole('button', { name: 'Approve' }).click()
  // whoever made the token of who registered it has seen it
  const refusal = first.page.getByRole('dialog').getByRole('alert')
  await refusal.waitFor()
  await expect.poll(() => refusal.innerText()).toMatch(/registered|asked/)
  expect(await violations(first.page)).toEqual([])
  await first.page.getByRole('button', { name: 'Cancel' }).click()
  expect(await versionOf(2)).toMatchObject({ stage: 'staging' })

  const second = await aPage(browser, models.hub.url)
  await signIn(second.page, models.people.cy.token)
  await second.page.goto(`/models/${model}/2?tab=gates`)
  await second.page.getByRole('button', { name: 'Approve…' }).click()
  const dialog = second.page.getByRole('dialog')
  await dialog.getByLabel('Comment').fill('seen with the north hall')
  await dialog.getByRole('button', { name: 'Approve' }).click()
  await second.page.getByText(`${model} v2 is approved and in production.`).waitFor()
  expect(await versionOf(2)).toEqual({ stage: 'production', aliases: ['champion'] })
  // who looks on sees it without asking
  // of whatever script it is, it does not turn the sentence around it
  await first.page.locator('bdi', { hasText: 'seen with the north hall' }).waitFor()
  await expect.poll(() => first.page.getByRole('button', { name: 'Approve…' }).count()).toBe(0)
  expect(await glance(first.page)).toEqual([])

  await second.page.getByRole('button', { name: 'Revoke…' }).click()
  const revoke = second.page.getByRole('dialog')
  await revoke.getByLabel('Reason').fill('the rows were those of last year')
  await revoke.getByRole('button', { name: 'Revoke it' }).click()
  await second.page.getByText('The approval of Cy Approver is revoked.').waitFor()
  await second.page.getByText('An approval was revoked').first().waitFor()
  expect(await versionOf(2)).toMatchObject({ stage: 'staging' })
  expect(withoutRefusals([...first.complaints, ...second.complaints])).toEqual([])
  await Promise.all([first.context.close(), second.context.close()])
})

test('who shipped what: three clicks from the models to the record in the audit log', async () => {
  // Cy took the approval back, so Dee gives one for a request of its own, and Olaf rolls it out
  const { ask, admin, people } = models
  await ask(people.olaf.token, 'POST', `/v1/models/${model}/versions/2/promotion`, {
    to: 'production',
    comment: 'again',
  })
  const { requests } = z
    .object({ requests: z.array(z.object({ id: z.string() })) })
    .parse(await ask(admin, 'GET', `/v1/promotion-requests?model=${model}&state=open`))
  const request = requests[0]?.id ?? ''
  await ask(people.dee.token, 'POST', `/v1/promotion-requests/${request}/approvals`, { decision: 'approve' })
  await ask(people.olaf.token, 'POST', '/v1/groups', { name: 'north', query: 'site = north' })
  await ask(people.olaf.token, 'POST', '/v1/rollouts', { model, version: 2, group: 'north' })

  const { page, context, complaints } = await aPage(browser, models.hub.url)
  await signIn(page, admin)
  await page.goto('/models')
  await page.getByRole('link', { name: model, exact: true }).click()
  await page.getByRole('link', { name: 'v2', exact: true }).first().click()
  await page
    .getByText(
      /Ada Pipeline.*registered it.*Olaf Operator.*evaluated it.*Dee Approver.*approved it for production.*and Olaf Operator.*began to roll it out to north, which goes on/,
    )
    .waitFor()
  expect(await look(page, 'version')).toEqual([])
  await page.getByRole('link', { name: 'approved it for production' }).click()
  await page.waitForURL(`/audit?subject=${encodeURIComponent(`promotion-request:${request}`)}`)
  await page.getByText('Dee Approver').first().waitFor()
  expect(withoutRefusals(complaints)).toEqual([])
  await context.close()
})

test('the lineage leads from a version to its data by keyboard, as a graph and as a list', async () => {
  const { page, context, complaints } = await aPage(browser, models.hub.url)
  await signIn(page, models.people.vera.token)
  await page.goto(`/models/${model}/1?tab=lineage`)
  const graph = page.getByRole('region', { name: /^Lineage/ })
  await graph.getByText('5 run it now').waitFor()
  expect(await look(page, 'lineage')).toEqual([])
  await tab(page, 'List').click()
  await page.getByRole('row', { name: /^dataset bench\/1/ }).waitFor()
  expect(await violations(page)).toEqual([])
  await tab(page, 'Graph').click()
  await graph.getByRole('link', { name: /^bench\/1/ }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Columns of bench/1' }).waitFor()
  await expect.poll(() => new URL(page.url()).pathname).toBe('/datasets/bench')
  await page.getByRole('rowheader', { name: 'shift' }).waitFor()
  expect(await glance(page)).toEqual([])
  expect(withoutRefusals(complaints)).toEqual([])
  await context.close()
})

test('files come as the manifest names them, and the card is shown as text', async () => {
  const { page, context, complaints } = await aPage(browser, models.hub.url)
  await signIn(page, models.people.vera.token)
  await page.goto(`/models/${model}/1?tab=files`)
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download model of variant fp32' }).click(),
  ])
  const bytes = readFileSync(await download.path())
  const digest = createHash('sha256').update(bytes).digest('hex')
  await page.getByText(digest).waitFor()
  expect(await glance(page)).toEqual([])
  await tab(page, 'Model card').click()
  await page.getByRole('heading', { name: 'Intended use' }).waitFor()
  expect(await glance(page)).toEqual([])
  expect(withoutRefusals(complaints)).toEqual([])
  await context.close()
})

test('what may be changed of a model is asked about first and then said', async () => {
  const { page, context, complaints } = await aPage(browser, models.hub.url)
  await signIn(page, models.admin)
  await page.goto(`/models/${model}`)
  await page.getByRole('button', { name: 'Move an alias…' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('combobox', { name: 'Alias' }).fill('candidate')
  await dialog.getByLabel('Points at').selectOption('3')
  expect(await violations(page)).toEqual([])
  await dialog.getByRole('button', { name: 'Point it there' }).click()
  await page.getByText('@candidate points at version 3.').waitFor()
  expect(await versionOf(3)).toMatchObject({ aliases: ['candidate'] })
  await page.getByRole('button', { name: 'Seal new versions…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Seal them' }).click()
  await page.getByText('new versions are sealed: only their devices can read them').waitFor()
  await page.getByRole('button', { name: 'Raise the floor…' }).click()
  await page
    .getByRole('dialog')
    .getByLabel(/Oldest version/)
    .selectOption('1')
  await page.getByRole('dialog').getByRole('button', { name: 'Raise it' }).click()
  await page.getByText('devices install nothing older than v1').waitFor()
  expect(await models.ask(models.admin, 'GET', `/v1/models/${model}/floor`)).toMatchObject({ version: 1 })
  expect(withoutRefusals(complaints)).toEqual([])
  await context.close()
})
