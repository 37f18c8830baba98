// Why a device drifted, found in a browser: a real hub, three real agents of which one is fed readings that moved.

import { evidenceLimit } from '@roost/shared/drift/verdict.ts'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { DriftHeatMap } from '../../hub/telemetry/drift/heat-map.ts'
import { aFleet, type Fleet, ready, register, untilRuns, wish } from '../end-to-end/a-fleet.ts'
import { startApplication } from '../end-to-end/an-application.ts'
import { aVersion } from '../end-to-end/versions.ts'
import { seededChance, until } from '../end-to-end/waiting.ts'
import { aBrowser, aPage, look, signIn } from './a-browser.ts'

const seed = 20261126
const rowsPerWindow = 20
const names = ['gateway-1', 'gateway-2', 'gateway-3'] as const
/** Of standard deviations of the sample: the first of the two inputs, on the third gateway. */
const shift = 2

let fleet: Fleet
let browser: Browser
const mapOf = (path: string) => fleet.operator().get(`/v1/${path}/drift/heat-map`, DriftHeatMap)

/** Two numbers a question, standard normal (Box and Muller), the first one moved. */
function readings(seed: number, moved: number): () => number[] {
  const chance = seededChance(seed)
  return () => {
    const [length, angle] = [Math.sqrt(-2 * Math.log(1 - chance())), 2 * Math.PI * chance()]
    return [length * Math.cos(angle) + moved, length * Math.sin(angle)]
  }
}

beforeAll(async () => {
  ;[fleet, browser] = await Promise.all([aFleet(), aBrowser()])
  const operator = fleet.operator()
  const gateways = await Promise.all(names.map((name) => fleet.enrol(name)))
  const rows = Array.from({ length: 40 * rowsPerWindow }, readings(seed, 0))
  const sample = `x[0],x[1]\n${rows.map((row) => row.join()).join('\n')}\n`
  await register(operator, aVersion(1), { metadata: { window: { rows: rowsPerWindow, seconds: 60 } }, sample })
  await operator.send('POST', '/v1/groups', { name: 'hall', query: 'all' }, z.unknown())
  const agents = await Promise.all(gateways.map((gateway) => ready(gateway.start())))
  await Promise.all(names.map((name) => wish(operator, name, 1)))
  await Promise.all(names.map((name) => untilRuns(operator, name, 1)))
  const applications = gateways.map(({ servingUrl }, n) =>
    startApplication({
      url: servingUrl,
      connections: 1,
      pauseMs: 10,
      ask: readings(seed + n + 1, n === 2 ? shift : 0),
    }),
  )
  await until(
    'the third gateway says that it has drifted, and the verdict on all of them names its feature',
    async () => {
      const map = await mapOf('groups/hall').catch(() => undefined)
      const { evidence = 0, movements = [] } = map?.verdict ?? {}
      // what each tells when it ends does not change that
      const isSure = evidence > 5 * evidenceLimit && movements.some(({ column }) => column === 'x[0]')
      return isSure && map?.said.latest.some(({ device }) => device === 'gateway-3') === true
    },
  )
  // from here on the picture stands still
  await Promise.all(applications.map((application) => application.stop()))
  await Promise.all(agents.map((agent) => agent.stop()))
}, 240_000)
afterAll(async () => {
  await browser.close()
  await fleet[Symbol.asyncDispose]()
})

test('from the fleet to why a device drifted, both distributions of the feature and the device, in three clicks', async () => {
  const { page, context, complaints } = await aPage(browser, fleet.hub().url)
  await signIn(page, fleet.adminToken)
  // one
  await page.getByRole('link', { name: 'Drift', exact: true }).click()
  const verdict = page.getByRole('region', { name: 'Verdict' })
  await verdict.getByText(/says? of (itself|themselves) that/).waitFor()
  // two: what the device says leads to the feature, at the time when it moved
  await verdict.getByRole('link', { name: 'gateway-3' }).click()
  await verdict.getByText(/^Drifted\./).waitFor()
  const said = () => verdict.locator('p').first().textContent()
  await expect.poll(said).toMatch(/^Drifted\. x\[0\] has been off its baseline at gateway-3 since .* CES?T: /)
  await expect.poll(said).toMatch(/its values lie higher, by [12](\.\d+)? standard deviations/)
  const detail = page.getByRole('region', { name: 'x[0]', exact: true })
  await detail.getByText('Named by the verdict').waitFor()
  const picture = detail.getByRole('img')
  await expect
    .poll(() => picture.getAttribute('aria-label'))
    .toMatch(/^Distribution of x\[0\]: below -\S+ 0 % in the baseline, /)
  // the bars: as many of the baseline as of the window, the window's further to the right
  const heights = (of: string) =>
    picture.locator(`rect.${of}`).evaluateAll((bars) => bars.map((bar) => Number(bar.getAttribute('height'))))
  const middle = (bars: number[]) =>
    bars.reduce((sum, bar, n) => sum + n * bar, 0) / bars.reduce((sum, bar) => sum + bar, 0)
  const [baseline, current] = [await heights('baseline'), await heights('current')]
  expect(baseline).toHaveLength(current.length)
  expect(middle(current)).toBeGreaterThan(middle(baseline) + 2)
  await detail.getByText('Counts').click()
  await detail.getByRole('rowheader', { name: 'Missing' }).waitFor()
  expect(await look(page, 'drift-device')).toEqual([])
  expect(complaints).toEqual([])
  await context.close()
})

test('from a group to the device that differs: the worst cell of what drifted, both distributions, and who it is', async () => {
  const { page, context, complaints } = await aPage(browser, fleet.hub().url)
  await signIn(page, fleet.adminToken)
  await page.getByRole('link', { name: 'Drift', exact: true }).click()
  await page.getByLabel('Of a', { exact: true }).selectOption('group')
  await page.waitForURL(/group=hall/)
  // an hour a step: each holds all that every device told in it
  await page.getByLabel('Time', { exact: true }).selectOption('day')
  const grid = page.getByRole('grid', { name: 'Drift by feature and time' })
  const scored = (column: string, said: string) =>
    grid
      .getByRole('button', { name: new RegExp(`^${column.replaceAll(/[[\]]/g, '\\$&')}, .*Jensen-Shannon 0.*${said}`) })
      .evaluateAll((cells) => cells.map((cell) => cell.getAttribute('aria-label') ?? ''))
  const distance = (words: string) => Number(/Jensen-Shannon ([\d.]+)/.exec(words)?.[1])
  const furthest = (all: string[]) => all.toSorted((a, b) => distance(b) - distance(a))[0] ?? ''
  await expect.poll(() => scored('x[0]', '; drifted: .*higher')).not.toEqual([])
  const worst = furthest(await scored('x[0]', '; drifted: .*higher'))
  expect(await scored('x[1]', '; drifted'), 'what did not move is not named').toEqual([])
  expect(distance(worst)).toBeGreaterThan(distance(furthest(await scored('x[1]', ''))))
  // a sign stands beside the shade: colour alone says nothing
  const cell = grid.getByRole('button', { name: worst, exact: true })
  await expect.poll(() => cell.textContent()).toMatch(/[▲◆]/)
  await cell.click()
  await expect.poll(() => cell.getAttribute('aria-pressed')).toBe('true')
  await expect.poll(() => new URL(page.url()).searchParams.get('column')).toBe('x[0]')

  const detail = page.getByRole('region', { name: 'x[0]', exact: true })
  await detail.getByText('Named by the verdict').waitFor()
  await detail.getByRole('img', { name: /^Distribution of x\[0\]: / }).waitFor()
  const table = detail.getByRole('table', { name: 'Devices that differ' })
  const first = table.getByRole('row').nth(1)
  await first.getByRole('link', { name: 'gateway-3', exact: true }).waitFor()
  await first.getByText('drifted', { exact: true }).waitFor()
  const others = await table.getByRole('row').evaluateAll((rows) => rows.slice(2).map((row) => row.textContent ?? ''))
  expect(others.filter((text) => text.includes('gateway-3') || text.includes('drifted, '))).toEqual([])
  expect(await look(page, 'drift-group')).toEqual([])

  // keys lead as the mouse does: one row down, and its distributions
  await cell.focus()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await page.getByRole('region', { name: 'x[1]', exact: true }).waitFor()
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('Enter')
  await first.getByRole('link', { name: 'gateway-3', exact: true }).click()
  await page.getByRole('heading', { name: 'gateway-3' }).waitFor()
  await expect.poll(() => new URL(page.url()).pathname).toBe('/devices/gateway-3')
  expect(complaints).toEqual([])
  await context.close()
})

test('where nothing was reported nothing is drawn, and figures can be read instead of shades', async () => {
  const { page, context, complaints } = await aPage(browser, fleet.hub().url)
  await signIn(page, fleet.adminToken)
  await page.goto('/drift?group=hall&range=day')
  const grid = page.getByRole('grid', { name: 'Drift by feature and time' })
  const empty = grid.getByRole('button', { name: /^x\[0\], .*: no data$/ })
  await empty.first().waitFor()
  await expect.poll(() => empty.first().getAttribute('class')).toBe('cell none')
  const row = grid.getByRole('button', { name: /^x\[0\], / })
  await expect.poll(() => empty.count()).toBeGreaterThan((await row.count()) / 2)
  // an hour's step tells: the last one has a score
  await page.getByLabel('Figures').check()
  await page.getByLabel('Shades by').selectOption('wasserstein')
  const told = grid.getByRole('button', { name: /^x\[0\], .*Wasserstein \S+ sd/ }).last()
  await told.waitFor()
  await expect.poll(() => told.textContent()).toMatch(/\d/)
  await expect.poll(() => new URL(page.url()).search).toBe('?group=hall&range=day&figures=yes&measure=wasserstein')

  await page.getByLabel('Of a', { exact: true }).selectOption('device')
  await page.waitForURL(/device=gateway-1/)
  await page.goto('/drift?group=nobody')
  await page.getByRole('alert').waitFor()
  expect(complaints.filter((text) => !text.includes('404'))).toEqual([])
  await context.close()
})
