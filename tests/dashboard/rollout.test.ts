// Rollouts in a real browser, in states that need no agents: none yet, a draft, paused with failures, two thousand devices;
// what each session may do, and that doing it does it.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Client, createClient as createHubClient } from '../../hub/cli/client.ts'
import { Member, RolloutDetail } from '../../hub/rollouts/documents.ts'
import { aHubProcess, type HubProcess } from '../builders/hub-process.ts'
import { register } from '../end-to-end/a-fleet.ts'
import { aVersion } from '../end-to-end/versions.ts'
import { aBrowser, aPage, look, signIn } from './a-browser.ts'

const few = 5
const many = 2_000

let folder: string
let hub: HubProcess
let browser: Browser
let operator: Client
let viewer: string
let small: string
let large: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-rollout-page-'))
  const first = await aHubProcess({ folder })
  const adminToken = first.adminToken ?? ''
  await register(createHubClient(first.url, adminToken), aVersion(1))
  await first.stop()
  await inDatabase(`
    INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
      VALUES ('bulk', x'00', '{}', 1, 'test', 0, 1);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${few + many - 1})
    INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at)
      SELECT printf('gateway-%04d', i), json_object('site', CASE WHEN i < ${few} THEN 'lab' ELSE 'plant' END),
             'generic-x64', CAST(printf('%05d', i) AS BLOB), x'00', x'00', 'bulk', 0 FROM n;`)
  ;[hub, browser] = await Promise.all([aHubProcess({ folder }), aBrowser()])
  hub.adminToken = adminToken
  operator = createHubClient(hub.url, adminToken)
  for (const [name, query] of [
    ['lab', 'site = lab'],
    ['plant', 'site = plant'],
  ] as const)
    await operator.send('POST', '/v1/groups', { name, query }, z.unknown())
  const body = { name: 'vera', role: 'viewer' }
  viewer = (await operator.send('POST', '/v1/tokens', body, z.object({ token: z.string() }))).token
}, 120_000)
afterAll(async () => {
  await browser.close()
  await hub.kill()
  rmSync(folder, { recursive: true, force: true })
})

async function inDatabase(sql: string): Promise<void> {
  const client = createClient({ url: `file:${join(folder, 'hub.db')}` })
  await client.executeMultiple(sql)
  client.close()
}

const stages = [
  { name: 'canary', percent: 40, bake: '1h' },
  { name: 'all', percent: 100, bake: '10m' },
]
// what fails here is to be seen, not answered
const gates = [{ metric: 'installation', failuresMax: 10 }]
const started = async (group: string, over: object = {}): Promise<string> => {
  const body = { model: 'scale', version: 1, group, plan: { stages, gates }, ...over }
  return (await operator.send('POST', '/v1/rollouts', body, RolloutDetail)).id
}
const rolloutNow = (id: string) => operator.get(`/v1/rollouts/${id}`, RolloutDetail)
const at = (page: Page, state: string) => page.locator(`a.dot-mark[aria-label*=": ${state}"]`)

test('a hub without rollouts says so; one that is written down appears by itself, and is started, paused and aborted', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  await page.getByRole('link', { name: 'Rollouts' }).click()
  await page.getByRole('heading', { name: 'No rollouts yet' }).waitFor()
  expect(await look(page, 'rollouts-empty')).toEqual([])

  small = await started('lab', { draft: true })
  await page.getByRole('link', { name: 'scale 1 to lab' }).waitFor()
  expect(await look(page, 'rollouts-draft')).toEqual([])
  await page.getByRole('link', { name: 'scale 1 to lab' }).click()
  await page.getByRole('button', { name: 'Start' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Start' }).click()
  await page.locator('.title .dot', { hasText: 'Running' }).waitFor()
  await at(page, 'planned')
    .nth(few - 1)
    .waitFor()

  await page.getByRole('button', { name: 'Pause' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('No further device is offered it until somebody resumes.').waitFor()
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  expect((await rolloutNow(small)).state).toBe('running')
  await page.getByRole('button', { name: 'Pause' }).click()
  await dialog.getByLabel('Reason').fill('the hall is being cleaned')
  await dialog.getByRole('button', { name: 'Pause' }).click()
  await page.getByText('Pause: the hall is being cleaned.').waitFor()
  expect(await rolloutNow(small)).toMatchObject({ state: 'paused', pausedBy: 'operator' })

  const other = await started('plant', { draft: true })
  await page.goto(`/rollouts/${other}`)
  await page.getByRole('button', { name: 'Abort' }).click()
  await dialog.getByText('It cannot be taken up again.').waitFor()
  await dialog.getByRole('button', { name: 'Abort' }).click()
  await page.locator('.title .dot', { hasText: 'Aborted' }).waitFor()
  // over, so nothing is left to be done to it
  await page.getByRole('group', { name: 'What may be done' }).waitFor({ state: 'detached' })

  await page.goto('/rollouts?state=person')
  await page.getByRole('link', { name: 'scale 1 to lab' }).waitFor()
  await expect.poll(() => page.getByRole('article').count()).toBe(1)
  await page.getByLabel('Model').fill('nothing-like-it')
  await page.getByRole('heading', { name: 'No rollout is so' }).waitFor()
  expect(complaints).toEqual([])
  await context.close()
})

describe('as devices have got on', () => {
  beforeAll(async () => {
    large = await started('plant')
    await operator.send('POST', `/v1/rollouts/${large}/pause`, { reason: '' }, z.unknown())
    const adminToken = hub.adminToken ?? ''
    await hub.stop()
    await inDatabase(`
      UPDATE rollout_devices SET state = 'succeeded', attempt = 1, offered_at = 1790000000000
        WHERE stage = 0 AND rank < 0.9;
      UPDATE rollout_devices SET state = 'failed', reason = 'no_space', attempt = 1, offered_at = 1790000000000
        WHERE rowid IN (SELECT min(rowid) FROM rollout_devices WHERE stage = 0 GROUP BY rollout);`)
    hub = await aHubProcess({ folder })
    hub.adminToken = adminToken
    operator = createHubClient(hub.url, adminToken)
  }, 60_000)

  test('each device is a dot that says what it is, with the arrow keys too, and leads to it; a table has the same', async () => {
    const { page, context, complaints } = await aPage(browser, hub.url)
    await signIn(page, hub.adminToken)
    await page.goto(`/rollouts/${small}`)
    await at(page, 'failed').waitFor()
    const { devices } = await operator.get(`/v1/rollouts/${small}/devices`, z.object({ devices: z.array(Member) }))
    const count = (state: string) => devices.filter((member) => member.state === state).length
    expect(count('failed')).toBe(1)
    for (const state of ['failed', 'succeeded', 'planned'])
      await expect.poll(() => at(page, state).count()).toBe(count(state))
    expect(await look(page, 'rollout-paused')).toEqual([])

    const dots = page.getByRole('group', { name: /^Devices of stage canary/ }).locator('a')
    await dots.first().focus()
    await page.keyboard.press('ArrowRight')
    const second = (await dots.nth(1).getAttribute('aria-label')) ?? ''
    await page.locator('.track-caption', { hasText: second }).waitFor()

    await page.getByRole('button', { name: 'Retry failed devices' }).click()
    await page
      .getByRole('dialog')
      .getByText('Of 1 device, those that failed or refused scale 1 are offered it again')
      .waitFor()
    await page.keyboard.press('Escape')

    await page.getByRole('link', { name: 'All of them as a table' }).click()
    const grid = page.getByRole('grid')
    await grid.getByText('gateway-0000').waitFor()
    await page.getByLabel('State').selectOption('failed')
    await page.locator('[role=grid][aria-rowcount="2"]').waitFor()
    await grid.getByText('no space').waitFor()
    expect(await look(page, 'rollout-devices')).toEqual([])

    await page.getByRole('button', { name: 'History' }).click()
    await page.getByText(/asked for pause: the hall is being cleaned/).waitFor()
    await page.getByRole('button', { name: 'Plan' }).click()
    await page.getByText('- { name: canary, percent: 40, bake: 1h }').waitFor()
    expect(await look(page, 'rollout-plan')).toEqual([])
    await page.getByRole('button', { name: 'Record' }).click()
    await page.getByRole('link', { name: 'Audit log' }).waitFor()

    await page.getByRole('button', { name: 'Gates' }).click()
    await at(page, 'failed').click()
    const failed = devices.find(({ state }) => state === 'failed')?.device
    await expect.poll(() => new URL(page.url()).pathname).toBe(`/devices/${failed}`)
    expect(complaints).toEqual([])
    await context.close()
  })

  test('two thousand are counted instead, in bars and in a table that holds only what is in sight', async () => {
    const { page, context, complaints } = await aPage(browser, hub.url)
    await signIn(page, viewer)
    await page.goto(`/rollouts/${large}`)
    await page.getByText('Stages · 2,000 devices').waitFor()
    const succeeded = (await rolloutNow(large)).stages[0]?.devices.succeeded ?? 0
    await page.getByRole('img', { name: new RegExp(`${succeeded} running it, 1 failed or back`) }).waitFor()
    expect(await page.locator('a.dot-mark').count()).toBe(0)
    // who may only look is offered nothing
    expect(await page.getByRole('group', { name: 'What may be done' }).count()).toBe(0)
    expect(await look(page, 'rollout-two-thousand')).toEqual([])

    await page.getByRole('button', { name: 'Devices' }).click()
    await page.locator(`[role=grid][aria-rowcount="${many + 1}"]`).waitFor()
    await expect.poll(() => page.getByRole('row').count()).toBeLessThan(60)
    await page.getByRole('grid').focus()
    await page.keyboard.press('End')
    const { devices } = await operator.get(`/v1/rollouts/${large}/devices`, z.object({ devices: z.array(Member) }))
    await page
      .getByRole('grid')
      .getByText(devices.at(-1)?.device ?? '')
      .waitFor()
    await page.getByLabel('Device', { exact: true }).fill('gateway-0123')
    await page.locator('[role=grid][aria-rowcount="2"]').waitFor()
    expect(complaints).toEqual([])
    await context.close()
  })
})

test('a rollout that is not there is said to be none', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, viewer)
  await page.goto('/rollouts/no id at all')
  await page.getByRole('heading', { name: 'Not found' }).waitFor()
  await page.goto('/rollouts/r-nobody')
  await page.getByText('there is no rollout').waitFor()
  expect(await look(page, 'rollout-not-found')).toEqual([])
  await context.close()
})

test('lists by state and page by page, as whoever scripts it asks', async () => {
  const Page = z.object({ devices: z.array(Member), total: z.number(), next: z.string().nullable() })
  const seen: string[] = []
  for (let cursor = ''; ; ) {
    const { devices, total, next } = await operator.get(
      `/v1/rollouts/${large}/devices?stage=all&limit=200${cursor}`,
      Page,
    )
    seen.push(...devices.map(({ device }) => device))
    expect(total).toBe(many * 0.6)
    if (next === null) break
    cursor = `&cursor=${encodeURIComponent(next)}`
  }
  expect(new Set(seen).size).toBe(many * 0.6)
  const Listed = z.object({ rollouts: z.array(z.object({ id: z.string(), state: z.string() })) })
  const { rollouts } = await operator.get('/v1/rollouts?state=paused,running&model=scale', Listed)
  expect(rollouts.map(({ id }) => id)).toEqual([large, small])
  await expect(operator.get('/v1/rollouts?state=asleep', Listed)).rejects.toThrow(/state/)
})
