// Audit, access and settings in a real browser on a real hub: find who shipped what, verify the chain, make a token and
// end one, and see nothing of it as a viewer.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient as createDatabase } from '@libsql/client'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { AuditEntry } from '../../hub/governance/audit-routes.ts'
import { aHubProcess, type HubProcess } from '../builders/hub-process.ts'
import { aScaleModel } from '../builders/onnx.ts'
import { anEnrolment } from '../hub/fleet/a-fleet.ts'
import { aBrowser, aPage, look, signIn } from './a-browser.ts'

let folder: string
let hub: HubProcess
let browser: Browser
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-governance-page-'))
  ;[hub, browser] = await Promise.all([aHubProcess({ folder }), aBrowser()])
  await furnish()
})
afterAll(async () => {
  await browser.close()
  await hub.kill()
  rmSync(folder, { recursive: true, force: true })
})

const Made = z.looseObject({ id: z.string(), token: z.string() })
let ci: z.infer<typeof Made>
let operator: z.infer<typeof Made>
let viewer: z.infer<typeof Made>

async function ask(token: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const isForm = body instanceof FormData
  const response = await fetch(`${hub.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(isForm ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}
const admin = () => hub.adminToken ?? ''
const log = async (query = '') =>
  z.object({ changes: z.array(AuditEntry) }).parse(await ask(admin(), 'GET', `/v1/audit?limit=200${query}`)).changes

/** A pipeline registers a version, an operator has a device run it; and more entries than fit a page. */
async function furnish(): Promise<void> {
  const person = async (name: string, role: string) =>
    Made.parse(await ask(admin(), 'POST', '/v1/tokens', { name, role, expiresInDays: 90 }))
  ci = await person('Ada’s pipeline', 'ci')
  operator = await person('Olaf', 'operator')
  viewer = await person('Vera', 'viewer')
  const form = new FormData()
  form.set('metadata', new Blob(['{}']), 'metadata.json')
  form.set('model', new Blob([Uint8Array.from(aScaleModel())]), 'model.onnx')
  await ask(ci.token, 'POST', '/v1/models/vibration/versions', form)
  const claim = Made.parse(await ask(operator.token, 'POST', '/v1/claims', { uses: 2, labels: { site: 'north' } }))
  await ask('', 'POST', '/v1/enrol', anEnrolment(claim.token, { device: 'd-1' }))
  await ask(operator.token, 'PUT', '/v1/devices/d-1/desired/vibration', { model: 'vibration', version: 1 })
  for (let n = 0; n < 60; n++) {
    await ask(operator.token, 'POST', '/v1/groups', { name: `line-${n}`, query: `line = l${n}` })
  }
}

test('find who shipped what: from the log to the version, its pipeline, and all that it did', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, admin())
  await page.getByRole('link', { name: 'Audit', exact: true }).click()
  const entries = page.getByRole('list', { name: 'Entries of the log' })
  await entries.getByText('session.begin').first().waitFor()
  await expect.poll(() => entries.getByRole('listitem').count()).toBe(50)

  // what was shipped to d-1?
  await page.getByLabel('Subject', { exact: true }).fill('device:d-1')
  await page.keyboard.press('Enter')
  await entries.getByText('device.desire').waitFor()
  await expect.poll(() => new URL(page.url()).search).toBe('?subject=device%3Ad-1')
  const shipped = entries.getByRole('listitem').filter({ hasText: 'device.desire' })
  // names come after the entries they stand in
  await shipped.locator('.who').getByText('Olaf', { exact: true }).waitFor()
  await shipped.getByRole('button').click()
  const fields = page.getByRole('region', { name: /^Fields of entry/ })
  await fields.getByText('version').waitFor()
  expect(await look(page, 'audit-entry')).toEqual([])

  // who made that version?
  await page.goto('/audit?subject=version:vibration/1')
  await entries.getByText('version.register').waitFor()
  const registered = entries.getByRole('listitem').filter({ hasText: 'version.register' })
  await registered.locator('.who').getByText('Ada’s pipeline', { exact: true }).waitFor()
  await registered.locator('.who a').click()
  await page.waitForURL(`**/audit?actor=token%3A${ci.id}&subject=*`)
  await page.goto(`/access?token=${ci.id}`)
  await page.getByRole('heading', { name: 'Ada’s pipeline' }).waitFor()
  await page.getByRole('link', { name: 'What it did' }).click()
  await entries.getByText('version.register').waitFor()
  await entries.locator('.who').last().getByText('Ada’s pipeline').waitFor()
  const actors = await entries.locator('.who').allInnerTexts()
  expect([...new Set(actors)]).toEqual(['Ada’s pipeline'])
  expect(actors).toHaveLength((await log(`&actor=token:${ci.id}`)).length)
  expect(complaints).toEqual([])
  await context.close()
})

test('the log is read both ways, by time too, and every place has an address', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, admin())
  await page.goto('/audit?action=group.')
  const numbers = async () =>
    (await page.locator('.entry .number').allInnerTexts()).map((text) => Number(text.replaceAll(/\D/g, '')))
  await page.locator('.entry').first().waitFor()
  const first = await numbers()
  await page.getByRole('link', { name: 'Older', exact: true }).click()
  await page.getByRole('link', { name: 'Newer', exact: true }).waitFor()
  const second = await numbers()
  const all = (await log('&action=group.')).map(({ seq }) => seq)
  expect([...first, ...second]).toEqual(all)
  await page.getByRole('link', { name: 'Newer', exact: true }).click()
  await page.waitForURL('**/audit?action=group.&after=*')
  await page.locator(`.entry:first-child:has-text("${first[0]?.toLocaleString('en')}")`).waitFor()
  await expect.poll(() => numbers()).toEqual(first)
  await page.goBack()
  await page.waitForURL('**/audit?action=group.&before=*')
  await page.reload()
  await page.locator('.entry').first().waitFor()
  await expect.poll(() => numbers()).toEqual(second)
  // before anything was, in the viewer's zone
  await page.goto('/audit?to=2020-01-01T00:00')
  await page.getByRole('heading', { name: 'No entry is so' }).waitFor()
  await expect.poll(() => page.getByLabel('Before', { exact: true }).inputValue()).toBe('2020-01-01T00:00')
  expect(await look(page, 'audit-none')).toEqual([])
  await context.close()
})

test('the chain is verified in a sentence with its head, and exported as it is filtered', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, admin())
  await page.goto('/audit?action=claim.')
  await page.getByRole('button', { name: 'Verify the chain' }).click()
  await page.getByText(/The log is whole: \d+ entries/).waitFor()
  const [head] = await log()
  await expect.poll(() => page.locator('.head .mono').innerText()).toBe(`${head?.seq}:${head?.hash}`)
  expect(await look(page, 'audit-whole')).toEqual([])
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Export these entries' }).click(),
  ])
  const chunks: Buffer[] = []
  for await (const chunk of await download.createReadStream()) chunks.push(Buffer.from(chunk))
  const lines = Buffer.concat(chunks).toString().trimEnd().split('\n')
  expect(lines.map((line) => AuditEntry.parse(JSON.parse(line)))).toEqual((await log('&action=claim.')).toReversed())
  await context.close()
})

test('a token is made in words, shown once, works, and revoked ends another browser at once', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, admin())
  await page.goto('/access')
  await page.getByRole('button', { name: 'New token' }).click()
  await page.getByLabel('For whom or what').fill('Guest')
  await page.getByRole('radio', { name: /^operator/ }).check()
  await page.getByLabel('Expires').selectOption('7')
  await page.getByText('Narrow it further').click()
  await page.getByLabel('Only these scopes').fill('viewer admin')
  expect(await look(page, 'access-new-token')).toEqual([])
  await page.getByRole('button', { name: 'Make the token' }).click()
  await page.getByText('operator has no admin').waitFor()
  await page.getByLabel('Only these scopes').fill('viewer, operator:groups')
  await page.getByLabel('Only these models').fill('vibration, press-*')
  await page.getByRole('button', { name: 'Make the token' }).click()
  const secret = await page.getByLabel('Secret').inputValue()
  expect(secret).toMatch(/^roost_[0-9A-Za-z]{57}$/)
  expect(await look(page, 'access-secret')).toEqual([])
  // a secret that is shown once is not lost by a stray key
  await page.keyboard.press('Escape')
  await expect.poll(() => page.getByLabel('Secret').inputValue()).toBe(secret)
  await page.getByRole('button', { name: 'I have it' }).click()
  await page.getByLabel('Secret').waitFor({ state: 'detached' })
  expect(await page.content()).not.toContain(secret)
  const Tokens = z.object({ tokens: z.array(z.looseObject({ id: z.string(), name: z.string() })) })
  const { tokens } = Tokens.parse(await ask(admin(), 'GET', '/v1/tokens'))
  expect(tokens.find(({ name }) => name === 'Guest')).toMatchObject({
    role: 'operator',
    scopes: ['viewer', 'operator:groups'],
    models: ['vibration', 'press-*'],
  })

  const other = await aPage(browser, hub.url)
  await signIn(other.page, secret)
  await page.getByRole('button', { name: 'Revoke Guest' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
  await page.getByText('“Guest” is revoked').waitFor()
  // without a touch: its live stream has ended with the session, and what it then asks is refused
  await other.page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await other.page.getByText('You were signed out: the session ended').waitFor()
  await other.context.close()
  await page.getByRole('button', { name: 'Revoke Guest' }).waitFor({ state: 'detached' })
  await page.getByLabel('Show them').check()
  await page.getByRole('grid').getByText('Revoked').waitFor()
  expect(await look(page, 'access-tokens')).toEqual([])
  // nor can one saw off the branch one sits on
  await expect.poll(() => page.getByRole('button', { name: 'Revoke first admin' }).isDisabled()).toBe(true)
  expect(complaints).toEqual([expect.stringContaining('422')])
  await context.close()
})

test('a claim is made, enrols a device, and is revoked; an operator sees no tokens', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, operator.token)
  await page.getByRole('link', { name: 'Access', exact: true }).click()
  await page.getByRole('button', { name: 'New claim' }).click()
  expect(await page.getByRole('button', { name: 'Tokens' }).count()).toBe(0)
  await page.getByLabel('Devices that may enrol with it').fill('2')
  await page.getByLabel('Labels of every device').fill('site = south, line')
  await page.getByRole('button', { name: 'Make the claim' }).click()
  await page.getByText('give them as key = value').waitFor()
  await page.getByLabel('Labels of every device').fill('site = south, line = 3')
  await page.getByRole('button', { name: 'Make the claim' }).click()
  const token = await page.getByLabel('Secret').inputValue()
  await ask('', 'POST', '/v1/enrol', anEnrolment(token, { device: 'd-2' }))
  expect(await ask(admin(), 'GET', '/v1/devices/d-2')).toMatchObject({ labels: { site: 'south', line: '3' } })
  await page.getByRole('button', { name: 'I have it' }).click()
  const [, id = ''] = token.split('_')
  // its own row: another claim is at 1 of 2 as well
  const row = page.getByRole('row').filter({ hasText: id })
  await row.getByText('1 of 2').waitFor()
  expect(await look(page, 'access-claims')).toEqual([])
  await page.getByRole('button', { name: `Revoke ${id}` }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
  // the dialog says nearly the same before
  await page.getByText('The claim is revoked').waitFor()
  await expect(ask('', 'POST', '/v1/enrol', anEnrolment(token, { device: 'd-3' }))).rejects.toThrow(/revoked/)
  await context.close()
})

test('one’s other browser is signed out from here', async () => {
  const here = await aPage(browser, hub.url)
  const there = await aPage(browser, hub.url)
  await signIn(here.page, operator.token)
  await signIn(there.page, operator.token)
  await here.page.goto('/access?tab=sessions')
  await here.page.getByText('this browser').waitFor()
  expect(await look(here.page, 'access-sessions')).toEqual([])
  // the first is the newest: the other one
  await here.page.locator('.sessions').getByRole('button', { name: 'Sign out' }).first().click()
  await here.page.getByRole('dialog').getByRole('button', { name: 'Sign it out' }).click()
  await here.page.getByText('is signed out').waitFor()
  await there.page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await here.page.getByRole('button', { name: 'Sign out' }).first().waitFor()
  await there.context.close()
  await here.context.close()
})

test('the settings tell of keys, certificate, disk and configuration, and of no secret', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, admin())
  await page.getByRole('link', { name: 'Settings', exact: true }).click()
  const keys = page.getByRole('region', { name: 'Keys: In use' })
  await keys.getByText('Assignment').waitFor()
  const { keys: told } = z
    .object({ keys: z.array(z.object({ id: z.string().nullable(), purpose: z.string() })) })
    .parse(await ask(admin(), 'GET', '/v1/keys'))
  for (const { id } of told) if (id !== null) await keys.getByTitle(id).waitFor()
  await keys.getByText('move keys/release.pem to a safe place').waitFor()
  await page.getByText('9 years left').waitFor()
  await page.getByText(hub.folder, { exact: true }).first().waitFor()
  await page.getByText('Exchange a key').click()
  await page.getByText('roost keys rotate --root-key root.pem --assignment').waitFor()
  expect(await look(page, 'settings')).toEqual([])
  expect(complaints).toEqual([])
  await context.close()
})

test('a viewer sees none of these pages, and cannot reach them', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, viewer.token)
  const links = page.getByRole('navigation', { name: 'Pages', exact: true }).getByRole('link')
  await expect.poll(() => links.allInnerTexts()).toEqual(['Fleet', 'Rollouts', 'Models', 'Runs', 'Drift'])
  for (const path of ['/audit', '/access', '/settings']) {
    await page.goto(path)
    await page.getByRole('heading', { name: 'Not allowed' }).waitFor()
  }
  await expect.poll(() => page.locator('main').innerText()).toContain('it needs the scope operator:settings')
  await context.close()
})

test('an auditor, whose token is for the audit log alone, comes to it and is shown no way elsewhere', async () => {
  const auditor = Made.parse(
    await ask(admin(), 'POST', '/v1/tokens', { name: 'auditor', role: 'admin', scopes: ['admin:audit'] }),
  )
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, auditor.token)
  await page.getByRole('heading', { name: 'Audit', level: 1 }).waitFor()
  const pages = page.getByRole('navigation', { name: 'Pages', exact: true })
  await expect.poll(() => pages.getByRole('link').allInnerTexts()).toEqual(['Audit'])
  // who it was, by name, and the news of the log
  const [live] = await Promise.all([
    page.waitForResponse((response) => response.url().includes('/v1/live')),
    page.goto('/audit?action=claim&from=never'),
  ])
  await page.getByText('“never” is no date, and is left out').waitFor()
  await page.getByRole('list', { name: 'Entries of the log' }).getByText('Olaf').first().waitFor()
  expect(live.status()).toBe(200)
  expect(await page.getByText('No connection to the hub').count()).toBe(0)
  await page.getByRole('link', { name: 'HTTP reference' }).click()
  await page.getByText(/^\d+ routes, as this hub has them/).waitFor()
  await page.goto('/devices/d-1')
  await page.getByRole('heading', { name: 'Not allowed' }).waitFor()
  expect(complaints).toEqual([])
  await context.close()
})

test('a chain that was broken behind the hub’s back is said to be, with the entry', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, admin())
  await hub.stop()
  const database = createDatabase({ url: `file:${join(folder, 'hub.db')}` })
  await database.executeMultiple(`DROP TRIGGER audit_log_is_not_updated;
    UPDATE audit_log SET actor = 'token:aaaaaaaa' WHERE seq = 9;`)
  database.close()
  const { adminToken } = hub
  hub = Object.assign(await aHubProcess({ folder }), { adminToken })
  await context.close()
  const again = await aPage(browser, hub.url)
  await signIn(again.page, admin())
  await again.page.goto('/audit')
  await again.page.getByRole('button', { name: 'Verify the chain' }).click()
  await again.page.getByText(/The log is NOT whole: 2 faults/).waitFor()
  await again.page.getByText('unguarded').waitFor()
  await again.page.getByRole('link', { name: '9', exact: true }).click()
  await again.page.waitForURL('**/audit?before=10&entry=9')
  await again.page.getByRole('button', { name: 'Entry 9' }).waitFor()
  expect(await look(again.page, 'audit-broken')).toEqual([])
  await again.context.close()
})
