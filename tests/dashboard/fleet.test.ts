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

/** Devices as if they had been enrolled: none is connected; a tenth was never seen. */
async function furnish(file: string): Promise<void> {
  const client = createClient({ url: `file:${file}` })
  await client.executeMultiple(`
    INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
      VALUES ('bulk', x'00', '{}', 1, 'test', 0, 1);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${devicesMax - 1})
    INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at, last_seen_at, hello_at, agent, stale)
      SELECT printf('gateway-%05d', i), json_object('site', 'site-' || (i % 7), 'line', 'line-' || (i % 3)),
             CASE i % 2 WHEN 0 THEN 'raspberry-pi-5' ELSE 'generic-x64' END, CAST(printf('%05d', i) AS BLOB), x'00', x'00', 'bulk', 0,
             CASE WHEN i % 10 = 0 THEN NULL ELSE 1790000000000 - i * 60000 END, NULL, '0.1.0', 0 FROM n;`)
  client.close()
}

test('ten thousand devices: counts, a label query with completion, a state, and the end of the table', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  const grid = page.getByRole('grid')
  await grid.getByText('gateway-00000').waitFor()
  expect(await grid.getAttribute('aria-rowcount')).toBe('10001')
  // only what is in sight is in the document
  expect(await grid.getByRole('row').count()).toBeLessThan(60)
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
  expect(await page.getByRole('button', { name: /^Never seen/ }).getAttribute('aria-pressed')).toBe('true')
  // a link to it shows the same
  await page.reload()
  await grid.getByText('gateway-00010').waitFor()
  expect(new URL(page.url()).search).toBe('?query=site+%3D+site-3&state=waiting')

  await page.getByRole('button', { name: /^Connected/ }).click()
  await page.getByRole('heading', { name: 'No device is so' }).waitFor()
  expect(complaints).toEqual([])
  await context.close()
})

test('a query that cannot be read is said under it, with the place', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  await page.getByLabel('Label query').fill('site ==')
  await page.getByText(/at character 7/).waitFor()
  expect(await violations(page)).toEqual([])
  await context.close()
})

test('the summary is the table’s, for whoever counts', async () => {
  const Devices = z.object({ devices: z.array(z.object({ id: z.string() })) })
  const Summary = z.object({
    total: z.number(),
    states: z.record(z.string(), z.number()),
    groups: z.array(z.object({ value: z.string().nullable(), total: z.number() })),
  })
  const ask = async (path: string) =>
    (await fetch(`${hub.url}${path}`, { headers: { authorization: `Bearer ${hub.adminToken}` } })).json()
  const summary = Summary.parse(await ask(`/v1/fleet?query=${encodeURIComponent('line = line-1')}`))
  expect(summary.total).toBe(3_333)
  expect(summary.groups.reduce((sum, { total }) => sum + total, 0)).toBe(3_333)
  expect(summary.states).toEqual({ connected: 0, stale: 0, aside: 0, offline: 3_000, waiting: 333 })
  const { devices } = Devices.parse(await ask('/v1/devices?state=waiting&limit=3'))
  expect(devices.map(({ id }) => id)).toEqual(['gateway-00000', 'gateway-00010', 'gateway-00020'])
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
