// A device as people look at it in a browser, on a real hub with real agents: who is away and since when, why a device
// runs what it runs, and what can be done about it.

import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { DeviceDetail } from '../../hub/fleet/documents.ts'
import { RolloutDetail } from '../../hub/rollouts/documents.ts'
import type { AgentProcess } from '../builders/agent-process.ts'
import { aFleet, type Fleet, ready, register, untilRuns, windowsOf } from '../end-to-end/a-fleet.ts'
import { startApplication } from '../end-to-end/an-application.ts'
import { aVersion } from '../end-to-end/versions.ts'
import { until } from '../end-to-end/waiting.ts'
import { aBrowser, aPage, look, signIn } from './a-browser.ts'

let fleet: Fleet
let browser: Browser
let application: AsyncDisposable
let away: AgentProcess
let rollout: string
const deviceNow = (device: string) => fleet.operator().get(`/v1/devices/${device}`, DeviceDetail)

/** Two gateways that a rollout brought version 1; the second is away since. */
beforeAll(async () => {
  ;[fleet, browser] = await Promise.all([aFleet(), aBrowser()])
  const operator = fleet.operator()
  const [here, there] = await Promise.all(['gateway-1', 'gateway-2'].map((name) => fleet.enrol(name)))
  if (here === undefined || there === undefined) throw new Error('two were enrolled')
  const metadata = { window: { rows: 20, seconds: 60 } }
  await register(operator, aVersion(1), { metadata })
  await register(operator, aVersion(2), { metadata })
  await operator.send('POST', '/v1/groups', { name: 'hall', query: 'all' }, z.unknown())
  await ready(here.start())
  away = await ready(there.start())
  const plan = {
    stages: [{ name: 'all', percent: 100, bake: '1s' }],
    gates: [{ metric: 'installation' }],
  }
  const body = { model: 'scale', version: 1, group: 'hall', plan }
  rollout = (await operator.send('POST', '/v1/rollouts', body, RolloutDetail)).id
  await Promise.all([untilRuns(operator, 'gateway-1', 1), untilRuns(operator, 'gateway-2', 1)])
  application = startApplication({ url: here.servingUrl, connections: 1, pauseMs: 5, ask: () => [0.1, 0.2] })
  await until('the rollout is over', async () => {
    return (await operator.get(`/v1/rollouts/${rollout}`, RolloutDetail)).state === 'completed'
  })
  await away.stop()
  await until('one is away', async () => !(await deviceNow('gateway-2')).connected)
}, 240_000)
afterAll(async () => {
  await application[Symbol.asyncDispose]()
  await browser.close()
  await fleet[Symbol.asyncDispose]()
})

test('who is away since when, why it runs what it runs, and what brought it: three clicks from the fleet', async () => {
  const { page, context, complaints } = await aPage(browser, fleet.hub().url)
  await signIn(page, fleet.adminToken)
  const grid = page.getByRole('grid')
  await grid.getByText('gateway-1').waitFor()
  // one: the longest away come first
  await page.getByRole('button', { name: 'Last seen' }).click()
  await grid.getByRole('row').nth(1).getByText('gateway-2').waitFor()
  await grid.getByRole('row').nth(1).getByText('Offline').waitFor()
  // two
  await grid.getByRole('link', { name: 'gateway-2' }).click()
  await page.getByRole('heading', { name: 'gateway-2' }).waitFor()
  const { lastSeenAt } = await deviceNow('gateway-2')
  const since = page.locator('.device-head time').first()
  await expect.poll(() => since.getAttribute('datetime')).toBe(lastSeenAt)
  await expect.poll(() => since.textContent()).toMatch(/^\d+ \w+ 20\d\d, \d\d:\d\d:\d\d CET$|CEST$/)
  const why = page.getByRole('region', { name: 'Why is it running this?' })
  await why.getByText(/^It serves/).waitFor()
  await expect
    .poll(() => why.locator('p').textContent())
    .toMatch(/^It serves scale v1 since .* because rollout r-\S+ brought it at .* in stage all, to group hall; /)
  expect(await look(page, 'device-away')).toEqual([])
  // three: and further to what brought it
  await why.getByRole('link', { name: rollout }).click()
  await page.getByRole('heading', { name: /scale 1 to hall/ }).waitFor()
  expect(complaints).toEqual([])
  await context.close()
})

test('another version by hand: the page says who did it, watches it arrive, and keeps it in the timeline', async () => {
  const { page, context, complaints } = await aPage(browser, fleet.hub().url)
  await signIn(page, fleet.adminToken)
  await page.goto('/devices/gateway-1')
  const deployments = page.getByRole('region', { name: 'Deployments' })
  await deployments.getByRole('button', { name: 'Assign another' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Version').fill('2')
  expect(await look(page, 'device-assign')).toEqual([])
  await dialog.getByRole('button', { name: 'Assign' }).click()
  await page.getByText('scale v2 is wanted in scale of gateway-1; the device is told now.').waitFor()
  const why = page.getByRole('region', { name: 'Why is it running this?' })
  // told live: nothing is loaded anew
  const arrived = /scale v2 since .* because first admin assigned it by hand/
  await why.locator('p').filter({ hasText: arrived }).waitFor()
  await deployments.getByText('succeeded').waitFor()
  await expect
    .poll(() => deployments.locator('.slot a').allTextContents())
    .toEqual(['scale v2', 'scale v2', 'scale v1'])

  const timeline = page.getByRole('grid', { name: 'Timeline, newest first' })
  await timeline.getByText('first admin', { exact: true }).first().waitFor()
  await page.getByRole('button', { name: 'Assignments' }).click()
  await timeline.getByText(`rollout ${rollout} offered scale v1`).waitFor()
  await timeline.getByText('first admin assigned scale v2 in scale by hand').waitFor()
  await timeline.getByText('serves in scale').first().waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Installations' }).click()
  await timeline.getByText('scale v2 serves in scale', { exact: true }).waitFor()
  expect(await look(page, 'device-timeline')).toEqual([])

  await until('reports of both versions are there', async () => {
    const versions = new Set((await windowsOf(fleet.operator(), 'gateway-1')).map(({ version }) => version))
    return versions.size === 2
  })
  await page.getByRole('button', { name: 'Latency, errors, resources' }).click()
  await page.getByRole('img', { name: /^Latency over time: .*scale v2.* ms for half of them/ }).waitFor()
  await page.getByRole('img', { name: /^Memory over time: .*MiB/ }).waitFor()
  await page.locator('canvas').nth(3).waitFor()
  await page.getByRole('row', { name: /scale v2/ }).waitFor()
  expect(await look(page, 'device-performance')).toEqual([])
  await page.getByRole('button', { name: 'Drift', exact: true }).click()
  await page.getByText(/no window reports of a version with a baseline/).waitFor()
  expect(complaints.filter((what) => !what.includes('404'))).toEqual([])
  await context.close()
})

test('labels are edited, a command is told, and nothing is done without a question', async () => {
  const { page, context } = await aPage(browser, fleet.hub().url)
  await signIn(page, fleet.adminToken)
  await page.goto('/devices/gateway-1')
  const dialog = page.getByRole('dialog')
  await page.getByRole('button', { name: 'Edit labels' }).click()
  await dialog.getByRole('textbox').fill('site = north\nrack = 7')
  await dialog.getByText('This sets site, sets rack.').waitFor()
  await dialog.getByRole('button', { name: 'Save labels' }).click()
  await page.getByRole('link', { name: 'site = north' }).waitFor()
  expect((await deviceNow('gateway-1')).labels).toMatchObject({ site: 'north', rack: '7' })
  // what the hub refuses is said, and nothing is changed
  await page.getByRole('button', { name: 'Edit labels' }).click()
  await dialog.getByRole('textbox').fill('Not A Key = 1')
  await dialog.getByRole('button', { name: 'Save labels' }).click()
  await dialog.getByRole('alert').waitFor()
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  expect((await deviceNow('gateway-1')).labels).toMatchObject({ site: 'north', rack: '7' })

  await page.getByRole('button', { name: 'Tell it…' }).click()
  await dialog.getByLabel('What').selectOption('hello-now')
  await dialog.getByRole('button', { name: 'Tell it' }).click()
  await page.getByText('gateway-1 was told: hello-now.').waitFor()

  await page.getByRole('button', { name: 'Revoke…' }).click()
  await dialog.getByLabel(/^Type gateway-1/).fill('gateway-2')
  await dialog.getByRole('button', { name: 'Revoke' }).click()
  // another name is not taken
  await dialog.getByRole('alert').getByText('Nothing is revoked').waitFor()
  expect((await deviceNow('gateway-1')).revokedAt).toBeNull()
  expect(await look(page, 'device-revoke')).toEqual([])
  await context.close()
})

test('who may only look is shown no way to change anything; what is not there is said', async () => {
  const body = { name: 'auditor', role: 'viewer' }
  const { token } = await fleet.operator().send('POST', '/v1/tokens', body, z.object({ token: z.string() }))
  const { page, context } = await aPage(browser, fleet.hub().url)
  await signIn(page, token)
  await page.goto('/devices/gateway-1')
  await page.getByText(/^It serves/).waitFor()
  const buttons = (await page.locator('main').getByRole('button').allTextContents()).join()
  expect(buttons).not.toMatch(/Assign…|Assign another|Withdraw|Revoke|Tell it|Edit/)
  await page.goto('/fleet')
  await page.getByRole('grid').getByText('gateway-1').waitFor()
  expect((await page.locator('main').getByRole('button').allTextContents()).join()).not.toMatch(/Labels|Try again/)
  await page.goto('/devices/nobody')
  await page
    .getByRole('alert')
    .getByText(/nobody/)
    .waitFor()
  await context.close()
})
