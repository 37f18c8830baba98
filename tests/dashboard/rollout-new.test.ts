// A rollout is planned in a real browser, of ten thousand devices: form and text are one plan, the hub's words stand where
// something is wrong, nothing is lost, and what is started is what was seen.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { RolloutDetail } from '../../hub/rollouts/documents.ts'
import { aHubProcess, type HubProcess } from '../builders/hub-process.ts'
import { aForm } from '../hub/registry/an-upload.ts'
import { aBrowser, aPage, look, signIn } from './a-browser.ts'

const devicesMax = 10_000
const model = 'press-fault'

let folder: string
let hub: HubProcess
let browser: Browser
let admin: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-rollout-new-'))
  const first = await aHubProcess({ folder })
  admin = first.adminToken ?? ''
  const sent = await fetch(`${first.url}/v1/models/${model}/versions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin}` },
    body: aForm(),
  })
  expect(sent.status).toBe(201)
  await first.stop()
  await furnish(join(folder, 'hub.db'))
  ;[hub, browser] = await Promise.all([aHubProcess({ folder }), aBrowser()])
})
afterAll(async () => {
  await browser.close()
  await hub.kill()
  rmSync(folder, { recursive: true, force: true })
})

/** The version as if it had been signed, and devices as if they had been enrolled; some are of a profile it is not for. */
async function furnish(file: string): Promise<void> {
  const client = createClient({ url: `file:${file}` })
  await client.executeMultiple(`
    UPDATE manifests SET envelope = x'00', signed_at = 1790000000000;
    INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
      VALUES ('bulk', x'00', '{}', 1, 'test', 0, 1);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${devicesMax - 1})
    INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at, last_seen_at, agent, stale)
      SELECT printf('gateway-%05d', i), json_object('site', 'site-' || (i % 7)), 'generic-x64',
             CAST(printf('%05d', i) AS BLOB), x'00', x'00', 'bulk', 0, 1790000000000, '0.1.0', 0 FROM n;
    INSERT INTO device_groups (name, query, description, created_by, created_at, changed_at)
      VALUES ('everywhere', 'all', '', 'test', 0, 0);`)
  client.close()
}

const bearer = () => ({ authorization: `Bearer ${admin}` })
const rolloutOf = async (page: Page) => {
  await page.waitForURL(/\/rollouts\/r-/)
  const id = new URL(page.url()).pathname.split('/').at(-1)
  return RolloutDetail.parse(await (await fetch(`${hub.url}/v1/rollouts/${id}`, { headers: bearer() })).json())
}
const textOf = (page: Page) => page.getByLabel('Plan as YAML')
const expectText = (page: Page) => expect.poll(() => textOf(page).inputValue())
/** Until the hub has answered what stands there now. */
const answered = (page: Page) => page.getByText('Nothing is stored by looking.').waitFor()

const own = `# who goes first, by the foreman's wish
stages:
  - { name: laboratory, where: site = site-3, bake: 1h } # they know it
  - name: canary
    percent: 30
    bake: 2h

  - { name: all, percent: 100, bake: 1h }
stageTimeLimit: 2d
`

test('form and text are one plan, and what is started is what was seen', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, admin)
  await page.goto('/rollouts/new')
  await page.getByText('Choose a model, a version, and a group').first().waitFor()

  await page.getByLabel('Model').selectOption(model)
  await page.getByLabel('Version').selectOption('1')
  await page.getByLabel('Group', { exact: true }).selectOption('everywhere')
  await answered(page)
  // the hub's own proposal, until something is changed
  await page.getByText('10,000 devices').first().waitFor()
  await expectText(page).toContain('{ name: canary, devices: 100, bake: 12h }')

  // the text into the form
  await textOf(page).fill(own)
  const second = page.getByRole('listitem', { name: 'Stage 2, canary' })
  await expect.poll(() => second.getByLabel('Percent').inputValue()).toBe('30')
  const fit = page.getByRole('combobox', { name: 'Devices that fit' })
  await expect.poll(() => fit.inputValue()).toBe('site = site-3')
  // the form into the text, where nothing else changes
  await second.getByLabel('Percent').fill('20')
  await expectText(page).toBe(own.replace('percent: 30', 'percent: 20'))
  await second.getByText('Hold, approvals').click()
  await second.getByLabel('Hold until a person releases it').check()
  await second.getByLabel('Watched for').fill('90m')
  await expectText(page).toContain('    percent: 20\n    bake: 90m\n    hold: true\n')
  await page.getByRole('button', { name: 'Change them' }).click()
  await page.getByLabel('Metric of the new gate').selectOption('Silence')
  await page.getByRole('button', { name: 'Add gate' }).click()
  await page.getByText('canaries that say nothing for 1 h is shown').waitFor()
  // by the keyboard, there and back
  const before = await textOf(page).inputValue()
  await second.focus()
  await page.keyboard.press('Alt+ArrowUp')
  await page.getByText('canary is now stage 1 of 3').waitFor()
  await expectText(page).toMatch(/name: canary[\s\S]*laboratory/)
  await page.keyboard.press('Alt+ArrowDown')
  await expectText(page).toBe(before)
  expect(before).toContain("# who goes first, by the foreman's wish")
  expect(before).toContain('# they know it')
  await answered(page)
  await page.getByText(/Waits until a person releases it/).waitFor()

  // a reload loses nothing
  await page.reload()
  await answered(page)
  await expectText(page).toBe(before)

  await page.getByText('Which device is where, and why').click()
  const grid = page.getByRole('grid')
  await grid.getByText('gateway-').first().waitFor()
  await expect.poll(() => grid.getAttribute('aria-rowcount')).toBe('10001')
  await page.getByLabel('Stage', { exact: true }).selectOption('laboratory')
  await page.locator(`[role=grid][aria-rowcount="${Math.ceil((devicesMax - 3) / 7) + 1}"]`).waitFor()
  await page.getByRole('textbox', { name: 'Device', exact: true }).fill('gateway-00010')
  await grid.getByTitle(/laboratory takes those with site = site-3/).waitFor()
  expect(await look(page, 'rollout-new-planned')).toEqual([])

  await page.getByRole('button', { name: 'Start…' }).click()
  await page.getByRole('dialog').getByText('10,000 devices').waitFor()
  expect(await look(page, 'rollout-new-start')).toEqual([])
  await page.getByRole('button', { name: 'Start the rollout' }).click()
  const started = await rolloutOf(page)
  expect(started).toMatchObject({ model, version: 1, group: 'everywhere', state: 'running' })
  expect(started.plan?.stages.map(({ name, percent, bakeMs, hold }) => [name, percent, bakeMs, hold])).toEqual([
    ['laboratory', undefined, 3_600_000, false],
    ['canary', 20, 5_400_000, true],
    ['all', 100, 3_600_000, false],
  ])
  expect(started.plan?.gates.map(({ metric }) => metric)).toEqual(['installation', 'error_rate', 'latency', 'silence'])
  expect(complaints).toEqual([])

  // the draft is done with; another begins from the plan of the one before
  await page.goto(`/rollouts/new?from=${started.id}`)
  await page.getByLabel('Take over devices of other rollouts').check()
  await page.getByText(`which hold some of the devices.`).waitFor()
  await expectText(page).toContain('- { name: canary, percent: 20, bake: 90m, hold: true }')
  await page.getByRole('button', { name: 'Keep as draft…' }).click()
  await page.getByRole('button', { name: 'Make the draft' }).click()
  const draft = await rolloutOf(page)
  expect([draft.id === started.id, draft.state, draft.plan]).toEqual([false, 'draft', started.plan])
  await fetch(`${hub.url}/v1/rollouts/${started.id}/abort`, {
    method: 'POST',
    headers: { ...bearer(), 'content-type': 'application/json' },
    body: '{}',
  })
  await context.close()
})

test('what is wrong is said in the hub’s words where it stands, and nothing is lost', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, admin)
  const asked: string[] = []
  page.on('request', (request) => {
    if (request.url().includes('/v1/rollouts/plan')) asked.push(request.postData() ?? '')
  })
  await page.goto(`/rollouts/new?model=${model}&version=1&group=everywhere`)
  await answered(page)
  asked.length = 0

  // percentages fall: at the line, in the field, and in the dry run
  await textOf(page).fill(own.replace('percent: 30', 'percent: 130'))
  await page.getByText('The hub would not start this.').waitFor()
  await page.locator('.lines .wrong[data-n="5"]').waitFor()
  const canary = page.getByRole('listitem', { name: 'Stage 2, canary' })
  await expect.poll(() => canary.getByLabel('Percent').getAttribute('aria-invalid')).toBe('true')
  const words = (await page.locator('.faults li').first().textContent()) ?? ''
  expect(words).toMatch(/^Line 5.+100/)
  await expect.poll(() => canary.locator('.fault').textContent()).toBe(words.replace(/^Line 5 /, ''))
  await expect.poll(() => page.getByRole('button', { name: 'Start…' }).isDisabled()).toBe(true)
  expect(await look(page, 'rollout-new-refused')).toEqual([])
  // a press leads to it
  await page.getByRole('button', { name: 'Line 5' }).click()
  await expect.poll(() => page.evaluate('document.activeElement.selectionStart')).toBe(own.indexOf('percent: 30'))
  // what only the draw can tell is said at its field, too
  await textOf(page).fill(own.replace('site-3', 'nowhere'))
  await page.locator('.lines .wrong[data-n="3"]').waitFor()

  // what is typed in the form reaches the text as it is
  await textOf(page).fill(own)
  await canary.getByLabel('Watched for').fill('soon')
  await expectText(page).toContain('bake: soon')
  await canary.getByText(/write a duration with its unit/).waitFor()
  await canary.getByLabel('Watched for').fill('3h')
  await answered(page)

  // a text that cannot be read: said where, the form waits, nothing is asked
  asked.length = 0
  const broken = `${own}gates: [ { metric: installation }\n# still typing`
  await textOf(page).fill(broken)
  await page.getByText('The text cannot be read as it is').waitFor()
  await page.locator('.lines .wrong').waitFor()
  await expect.poll(() => canary.getByLabel('Percent').isDisabled()).toBe(true)
  await page.reload()
  await page.getByText('The text cannot be read yet.').first().waitFor()
  await expectText(page).toBe(broken)
  expect(asked).toEqual([])

  // what the form knows nothing of stays, and the hub says what it thinks of it
  await textOf(page).fill(`${own}x-ticket: 4711\n`)
  await page
    .locator('.faults')
    .getByText(/x-ticket/)
    .waitFor()
  await canary.getByLabel('Percent').fill('25')
  await expectText(page).toContain('x-ticket: 4711')

  // typing fast asks once
  await textOf(page).fill(own)
  await answered(page)
  asked.length = 0
  await canary.getByLabel('Percent').evaluate((field: { value: string; dispatchEvent(event: Event): boolean }) => {
    for (const typed of ['30.', '30.1', '30.12', '30.125']) {
      field.value = typed
      field.dispatchEvent(new Event('input', { bubbles: true }))
    }
  })
  await answered(page)
  expect(asked.map((body) => /"percent":(30[.\d]*)/.exec(body)?.[1])).toEqual(['30.125'])
  await context.close()
})

test('a template, taken back; a group by label query; a phone', async () => {
  const { page, context } = await aPage(browser, hub.url, 390)
  await signIn(page, admin)
  await page.goto(`/rollouts/new?model=${model}&version=1`)
  await page.getByRole('button', { name: 'Group by label query…' }).click()
  await page.getByRole('dialog').getByLabel('Name').fill('two-sites')
  await page.getByRole('dialog').getByRole('combobox', { name: 'Label query' }).fill('site in (site-1, site-2)')
  await page.getByRole('dialog').getByText('2,858 devices now').waitFor()
  expect(await look(page, 'rollout-new-group')).toEqual([])
  // away from the field, and its completions with it
  await page.keyboard.press('Tab')
  await page.getByRole('button', { name: 'Make the group' }).click()
  await page.getByText('Group two-sites:').waitFor()
  const Group = z.object({ query: z.string() })
  const made = await fetch(`${hub.url}/v1/groups/two-sites`, { headers: bearer() })
  expect(Group.parse(await made.json()).query).toBe('site in (site-1, site-2)')

  await page.getByLabel('Begin from').selectOption('Friday evening')
  await expect.poll(() => page.getByLabel('Time zone').inputValue()).toBe('Europe/Berlin')
  await page.getByRole('button', { name: 'Text', exact: true }).click()
  await expectText(page).toContain('failuresMaxPercent: 2')
  await expect.poll(() => page.getByLabel('Time zone').isVisible()).toBe(false)
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByRole('button', { name: 'Dry run', exact: true }).click()
  await page.getByText('2,858 devices').first().waitFor()
  await context.close()
})

test('who may not start a rollout may still try a plan', async () => {
  const Made = z.object({ token: z.string() })
  const response = await fetch(`${hub.url}/v1/tokens`, {
    method: 'POST',
    headers: { ...bearer(), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'guest', role: 'viewer' }),
  })
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, Made.parse(await response.json()).token)
  await page.goto(`/rollouts/new?model=${model}&version=1&group=everywhere`)
  await answered(page)
  await page.getByText('10,000 devices').first().waitFor()
  await expect.poll(() => page.getByRole('button', { name: 'Undo' }).isVisible()).toBe(true)
  expect(await page.getByRole('button', { name: /Start…|Keep as draft|Group by label/ }).count()).toBe(0)
  await context.close()
})
