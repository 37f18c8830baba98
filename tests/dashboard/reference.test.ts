// The HTTP reference that the hub serves: every route of its own document, found by a word, with a command that works.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { aHubProcess, type HubProcess } from '../builders/hub-process.ts'
import { aBrowser, aPage, look, signIn } from './a-browser.ts'

let hub: HubProcess
let browser: Browser
beforeAll(async () => {
  ;[hub, browser] = await Promise.all([aHubProcess(), aBrowser()])
})
afterAll(async () => {
  await browser.close()
  await hub[Symbol.asyncDispose]()
})

test('routes are found by a word, said with what they take, and tried by the command that stands there', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  await page.getByRole('link', { name: 'HTTP reference' }).click()
  await page.getByRole('heading', { name: 'HTTP reference' }).waitFor()
  const routes = page.getByRole('navigation', { name: 'Routes' })
  const Document = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
  const response = await fetch(`${hub.url}/v1/openapi.json`, { headers: { authorization: `Bearer ${hub.adminToken}` } })
  const { paths } = Document.parse(await response.json())
  const count = Object.values(paths).reduce((sum, methods) => sum + Object.keys(methods).length, 0)
  await expect.poll(() => routes.locator('li').count()).toBe(count)
  expect(await look(page, 'reference')).toEqual([])

  // in the path of the one, the name of a parameter of the other
  await page.getByLabel('Find').fill('runs curves')
  await routes.getByRole('link', { name: 'GET /v1/runs/curves' }).click()
  await page.getByRole('heading', { name: 'GET /v1/runs/curves' }).waitFor()
  await expect
    .poll(async () => (await routes.getByRole('link').allTextContents()).toSorted())
    .toEqual(['GET /v1/runs/compare', 'GET /v1/runs/curves'])
  await page.getByRole('row', { name: /^metrics query string/ }).waitFor()
  await page.getByRole('link', { name: 'RunCurve' }).click()
  await page.getByRole('heading', { name: 'RunCurve' }).waitFor()
  await page.getByRole('row', { name: /^notFinite integer/ }).waitFor()

  await page.goto(`/reference?route=${encodeURIComponent('POST /v1/groups')}`)
  await page.getByRole('heading', { name: 'POST /v1/groups' }).waitFor()
  expect(await look(page, 'reference-route')).toEqual([])
  await page.goto(`/reference?route=${encodeURIComponent('GET /v1/runs/{id}')}`)
  const command = await page.getByRole('region', { name: 'As a command' }).textContent()
  const ran = await promisify(execFile)('sh', ['-c', `${command} -s`], {
    env: { ...process.env, ROOST_TOKEN: hub.adminToken, id: '0'.repeat(32) },
  })
  expect(JSON.parse(ran.stdout)).toMatchObject({ status: 404, code: 'not-found' })

  await page.goto('/reference?route=GET%20/nowhere')
  await page.getByRole('heading', { name: 'Not in this hub’s API' }).waitFor()
  await page.getByLabel('Find').fill('no such word')
  await page.getByText('No route has that.').waitFor()
  expect(complaints).toEqual([])
  await context.close()
})
