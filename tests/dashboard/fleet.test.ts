// The fleet in a real browser, of ten thousand devices: counts, a query, states, and a hub that goes and comes back.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { aHubProcess, type HubProcess } from '../builders/hub-process.ts'
import { aBrowser, aPage, look, signIn, violations } from './a-browser.ts'

const devicesMax = 10_000

let folder: string
let hub: HubProcess
let browser: Browser
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-fleet-page-'))
  const first = await aHubProcess({ folder })
  const { adminToken } = first
  await first.stop()
  await furnish(join(folder, 'hub.db'))
  ;[hub, browser] = await Promise.all([aHubProcess({ folder }), aBrowser()])
  hub.adminToken = adminToken
})
afterAll(async () => {
  await browser.close()
  await hub.kill()
  rmSync(folder, { recursive: true, force: true })
})

const ask = async (path: string, init: RequestInit = {}): Promise<unknown> => {
  const headers = { authorization: `Bearer ${hub.adminToken}`, 'content-type': 'application/json' }
  return (await fetch(`${hub.url}${path}`, { ...init, headers })).json()
}

/** Devices as if they had been enrolled: none is connected; a tenth was never seen. A thousand served one version, and
 *  another since. */
async function furnish(file: string): Promise<void> {
  const client = createClient({ url: `file:${file}` })
  await client.executeMultiple(`
    INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
      VALUES ('bulk', x'00', '{}', 1, 'test', 0, 1);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${devicesMax - 1})
    INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at, last_seen_at, hello_at, agent, stale)
      SELECT printf('gateway-%05d', i), json_object('site', 'site-' || (i % 7), 'line', 'line-' || (i % 3)),
             CASE i % 2 WHEN 0 THEN 'raspberry-pi-5' ELSE 'generic-x64' END, CAST(printf('%05d', i) AS BLOB), x'00', x'00', 'bulk', 0,
             CASE WHEN i % 10 = 0 THEN NULL ELSE 1790000000000 - i * 60000 END, NULL, '0.1.0', 0 FROM n;
    INSERT INTO models (name, last_version, last_counter, created_at) VALUES ('vibration', 2, 2, 0);
    WITH RECURSIVE v(i) AS (SELECT 1 UNION ALL SELECT 2 FROM v WHERE i < 2)
    INSERT INTO versions (model, version, description, metrics, created_by, created_at) SELECT 'vibration', i, '', '{}', 'test', 0 FROM v;
    INSERT INTO manifests (digest, model, version, variant, counter, payload, envelope, content, inspection, baseline)
      SELECT printf('%064d', version), model, version, 'fp32', version, x'00', x'00', version, '{}', '{}' FROM versions;`)
  const hourMs = 3_600_000
  for (const [version, hoursAgo] of [
    [1, 20],
    [2, 10],
  ] as const) {
    const at = Date.now() - hoursAgo * hourMs
    const body = { deployment: 'vibration', manifest: String(version).padStart(64, '0'), state: 'succeeded' }
    await client.execute({
      sql: `INSERT INTO device_events (device, at, received_at, event, body)
            SELECT id, CAST(?1 AS INTEGER), CAST(?1 AS INTEGER), 'progress', ?2 FROM devices ORDER BY id LIMIT 1000`,
      args: [at, JSON.stringify(body)],
    })
  }
  client.close()
}

test('ten thousand devices: counts, a label query with completion, a state, and the end of the table', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  const grid = page.getByRole('grid')
  await grid.getByText('gateway-00000').waitFor()
  await expect.poll(() => grid.getAttribute('aria-rowcount')).toBe('10001')
  // only what is in sight is in the document
  await expect.poll(() => grid.getByRole('row').count()).toBeLessThan(60)
  expect(await look(page, 'fleet-ten-thousand')).toEqual([])

  await grid.focus()
  await page.keyboard.press('End')
  await grid.getByText('gateway-09999').waitFor()
  await page.keyboard.press('Home')
  await grid.getByText('gateway-00000').waitFor()

  await page.getByLabel('Label query').fill('si')
  await page.getByRole('option', { name: 'site' }).waitFor()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await page.getByRole('option', { name: 'site-3' }).waitFor()
  await page.keyboard.type('site-3')
  await page.keyboard.press('Enter')
  // one in seven, and the head
  await page.locator(`[role=grid][aria-rowcount="${Math.ceil((devicesMax - 3) / 7) + 1}"]`).waitFor()
  await grid.getByText('gateway-00010').waitFor()
  await grid.getByText('gateway-00000').waitFor({ state: 'detached' })

  await page.getByRole('button', { name: /^Never seen/ }).click()
  await grid.getByText('gateway-00003').waitFor({ state: 'detached' })
  await grid.getByText('gateway-00010').waitFor()
  await expect.poll(() => page.getByRole('button', { name: /^Never seen/ }).getAttribute('aria-pressed')).toBe('true')
  // a link to it shows the same
  await page.reload()
  await grid.getByText('gateway-00010').waitFor()
  await expect.poll(() => new URL(page.url()).search).toBe('?query=site+%3D+site-3&state=waiting')

  await page.getByRole('button', { name: /^Connected/ }).click()
  await page.getByRole('heading', { name: 'No device is so' }).waitFor()
  expect(complaints).toEqual([])
  await context.close()
})

test('who is away the longest comes first, whatever the page; a row leads to its device', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  const grid = page.getByRole('grid')
  const rowAt = (n: number) => grid.locator(`[role=row][aria-rowindex="${n + 2}"]`)
  await page.getByRole('button', { name: 'Last seen' }).click()
  // the last of them was seen first; each tenth never, and those come last
  await rowAt(0).getByText('gateway-09999').waitFor()
  await rowAt(1).getByText('gateway-09998').waitFor()
  await rowAt(9).getByText('gateway-09989').waitFor()
  // the other way round
  await page.getByRole('button', { name: 'Last seen' }).click()
  await rowAt(0).getByText('gateway-09990').waitFor()
  await rowAt(0).getByText('never', { exact: true }).waitFor()
  await expect.poll(() => new URL(page.url()).search).toBe('?sort=-lastSeenAt')
  await page.reload()
  await grid.getByRole('link', { name: 'gateway-09980' }).click()
  await page.getByRole('heading', { name: 'gateway-09980' }).waitFor()
  await page.getByText('it enrolled, and has not connected since').waitFor()
  await page.getByText('Nothing is wanted on it, and nothing serves.').waitFor()
  expect(complaints).toEqual([])
  await context.close()
})

test('versions over time: what served when is told at the place one points at', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  const picture = page.getByRole('img', { name: /^Devices on which each version served/ })
  await expect
    .poll(() => picture.getAttribute('aria-label'))
    .toMatch(/vibration v1 from 1,000 to 0; vibration v2 from 0 to 1,000$/)
  const legend = page.locator('.areas-legend')
  await legend.getByText('Now').waitFor()
  const { width = 0, height = 0 } = (await picture.boundingBox()) ?? {}
  await picture.hover({ position: { x: width / 3, y: height / 2 } })
  await legend.locator('li', { hasText: 'vibration v1' }).getByText('1,000').waitFor()
  await legend.locator('li', { hasText: 'vibration v2' }).getByText('0', { exact: true }).waitFor()
  expect(complaints).toEqual([])
  await context.close()
})

test('the summary is the table’s, for whoever counts', async () => {
  const Devices = z.object({ devices: z.array(z.object({ id: z.string() })) })
  const Summary = z.object({
    total: z.number(),
    states: z.record(z.string(), z.number()),
    groups: z.array(z.object({ value: z.string().nullable(), total: z.number() })),
  })
  const summary = Summary.parse(await ask(`/v1/fleet?query=${encodeURIComponent('line = line-1')}`))
  expect(summary.total).toBe(3_333)
  expect(summary.groups.reduce((sum, { total }) => sum + total, 0)).toBe(3_333)
  expect(summary.states).toEqual({ connected: 0, stale: 0, aside: 0, offline: 3_000, waiting: 333 })
  const { devices } = Devices.parse(await ask('/v1/devices?state=waiting&limit=3'))
  expect(devices.map(({ id }) => id)).toEqual(['gateway-00000', 'gateway-00010', 'gateway-00020'])
})

test('many at once: those that are meant, and only while they are as many; the log has it once', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  await page.goto(`/fleet?query=${encodeURIComponent('site = site-3 and line = line-1')}&state=waiting`)
  await page.locator('[role=grid][aria-rowcount="49"]').waitFor()
  await page.getByRole('button', { name: 'Labels…' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('48 devices', { exact: true }).waitFor()
  await dialog.getByText(/^gateway-00010, .* and 40 more$/).waitFor()
  await dialog.getByRole('textbox').fill('campaign = spring\n-line')
  await dialog.getByText('This sets campaign = spring, takes line away on each of them.').waitFor()
  expect(await look(page, 'fleet-bulk')).toEqual([])
  // somebody else has changed one of them meanwhile: nothing is done
  const change = (labels: Record<string, string>) =>
    ask('/v1/devices/gateway-00010', { method: 'PATCH', body: JSON.stringify({ labels }) })
  await change({ line: 'line-9' })
  await dialog.getByRole('button', { name: 'Change 48 devices' }).click()
  await dialog
    .getByRole('alert')
    .getByText(/47 devices are so now, and 48 were expected/)
    .waitFor()
  await change({ line: 'line-1' })
  await dialog.getByRole('button', { name: 'Change 48 devices' }).click()
  await page.getByText('Labels are changed on 48 devices.').waitFor()
  // by their labels they are no longer what is looked at
  await page.getByRole('heading', { name: 'No device is so' }).waitFor()
  const Devices = z.object({ devices: z.array(z.object({ labels: z.record(z.string(), z.string()) })) })
  const { devices } = Devices.parse(await ask(`/v1/devices?limit=200&query=${encodeURIComponent('campaign = spring')}`))
  expect(devices).toHaveLength(48)
  expect(devices.every(({ labels }) => labels.line === undefined && labels.site === 'site-3')).toBe(true)
  const { changes } = z
    .object({ changes: z.array(z.object({ action: z.string(), subject: z.string() })) })
    .parse(await ask('/v1/audit?action=devices'))
  expect(changes).toEqual([{ action: 'devices.label', subject: 'devices:site = site-3 and line = line-1' }])
  expect(complaints.filter((what) => !what.includes('409'))).toEqual([])
  await context.close()
})

test('a query that cannot be read is said under it, with the place', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  // a blank at the end is not asked for, and stays where the next word is to be typed
  await page.getByLabel('Label query').fill('site == ')
  await page.getByText(/at character 7/).waitFor()
  await expect.poll(() => page.getByLabel('Label query').inputValue()).toBe('site == ')
  expect(await violations(page)).toEqual([])
  await context.close()
})

test('an order chosen while the list is still on its way begins at its own beginning', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  const grid = page.getByRole('grid')
  await grid.getByText('gateway-00000').waitFor()
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  await page.route(/\/v1\/devices\?.*cursor=/, async (route) => {
    await released
    await route.continue()
  })
  const isOnItsWay = page.waitForRequest(/\/v1\/devices\?.*sort=id.*cursor=/)
  await grid.focus()
  await page.keyboard.press('End')
  await isOnItsWay
  const first = page.waitForRequest(/\/v1\/devices\?.*sort=lastSeenAt/)
  await page.getByRole('button', { name: 'Last seen' }).click()
  expect(new URL((await first).url()).searchParams.get('cursor')).toBeNull()
  release()
  await grid.focus()
  await page.keyboard.press('Home')
  await grid.locator('[role=row][aria-rowindex="2"]').getByText('gateway-09999').waitFor()
  expect(complaints).toEqual([])
  await context.close()
})

test('a list that got no answer is asked for again, though nothing changes in the fleet', async () => {
  const { page, context } = await aPage(browser, hub.url)
  const list = /\/v1\/devices\?/
  await page.route(list, (route) => route.abort())
  await signIn(page, hub.adminToken)
  await page.getByText('This page tries again.').waitFor()
  await page.unroute(list)
  await page.getByRole('grid').getByText('gateway-00000').waitFor()
  await context.close()
})

test('what is stopped is said to be away, and comes back by itself', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  await page.getByRole('grid').getByText('gateway-00000').waitFor()
  const port = new URL(hub.url).port
  const { adminToken } = hub
  await hub.stop()
  await page.getByText('No connection to the hub.').waitFor()
  expect(await look(page, 'fleet-offline')).toEqual([])
  hub = await aHubProcess({ folder, environment: { ROOST_HTTP_PORT: port } })
  hub.adminToken = adminToken
  await page.getByText('No connection to the hub.').waitFor({ state: 'detached' })
  // the session is still good, and what is asked for is answered
  await page.getByRole('button', { name: /^Offline/ }).click()
  await page.getByRole('grid').getByText('gateway-00001').waitFor()
  await context.close()
})
