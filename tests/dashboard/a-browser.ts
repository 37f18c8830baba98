// A real browser on a real hub, and a look at what it shows.

import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { z } from 'zod'
import { chromiumFile } from './a-chromium.ts'

const screenshots = join(import.meta.dirname, 'screenshots')
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** It runs as root in containers, without a graphics card: what it shows is drawn by the processor, which takes a third less
 *  when no graphics card is made up in between. */
const args = ['--no-sandbox', '--headless=shell', '--disable-gpu']

/** Not what anything takes, but when it has hung, on a machine that is busy with other things too. */
const hungMs = 120_000

export const themes = ['light', 'dark'] as const
/** A laptop's width and a phone's. */
export const widths = [1280, 390] as const

/** `await using browser = await aBrowser()` */
export async function aBrowser(): Promise<Browser & AsyncDisposable> {
  // not the package's own arguments: one process for everything ends with the first page, and web security is tested here
  const browser = await chromium.launch({ executablePath: await chromiumFile(), args, timeout: hungMs })
  return Object.assign(browser, { [Symbol.asyncDispose]: () => browser.close() })
}

export type Watched = {
  page: Page
  context: BrowserContext /** What the browser complained of: errors, refusals by the policy. */
  complaints: string[]
}

/** A page of its own, nobody signed in, whose complaints are kept. */
export async function aPage(browser: Browser, url: string, width: number = widths[0]): Promise<Watched> {
  const context = await browser.newContext({
    baseURL: url,
    viewport: { width, height: width === widths[1] ? 844 : 800 },
    timezoneId: 'Europe/Berlin',
    locale: 'en-GB',
  })
  context.setDefaultTimeout(hungMs)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  return { page, context, complaints }
}

/** Signs in by the form, as people do. */
export async function signIn(page: Page, token: string | undefined): Promise<void> {
  await page.goto('/')
  await page.getByLabel('Token').fill(token ?? '')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Sign out' }).waitFor()
}

const Violations = z.array(z.object({ id: z.string(), help: z.string(), nodes: z.array(z.string()) }))

/** WCAG 2.2, A and AA. */
const everyRule = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
/** Those of them that look at colours, all by which one theme differs from the other. */
const colourRules = ['color-contrast', 'link-in-text-block']

/** What axe finds on the page as it is: rule, and where. */
export async function violations(page: Page, rules: readonly string[] = everyRule): Promise<string[]> {
  // as a debugger does, which no policy of the page forbids; once a page, for it is long, and without what it returns
  if ((await page.evaluate(`'axe' in window`)) === false) await page.evaluate(`${axeSource};undefined`)
  const options = JSON.stringify({ runOnly: rules, resultTypes: ['violations'] })
  const found = await page.evaluate(`axe.run(document, ${options})
    .then(({ violations }) => violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ html, failureSummary }) => html + ' ' + failureSummary) })))`)
  return Violations.parse(found).map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.slice(0, 3).join('\n')}`)
}

const fitMs = 10_000

/** Whether something sticks out at the side, also once what follows the width has followed it. */
export const isTooWide = (page: Page): Promise<boolean> =>
  page
    .waitForFunction('document.documentElement.scrollWidth <= document.documentElement.clientWidth', null, {
      timeout: fitMs,
    })
    .then(
      () => false,
      () => true,
    )

/** Until what follows the width or the theme is drawn: observers are told before a frame, and what they change is in the
 *  next one. */
const untilDrawn = (page: Page): Promise<unknown> =>
  page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))')

/** Looks at what is shown, in both themes and at both widths: what is wrong anywhere. Keeps a picture where something is,
 *  and of all where ROOST_TEST_PICTURES is set. */
export async function look(page: Page, name: string): Promise<string[]> {
  mkdirSync(screenshots, { recursive: true })
  const before = page.viewportSize()
  const wrong: string[] = []
  for (const width of widths) {
    await page.setViewportSize({ width, height: width === widths[1] ? 844 : 800 })
    for (const theme of themes) {
      await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
      await untilDrawn(page)
      const found = await violations(page, theme === themes[0] ? everyRule : colourRules)
      if (await isTooWide(page)) found.push('something sticks out at the side')
      wrong.push(...found.map((what) => `${name} at ${width} px, ${theme}: ${what}`))
      if (found.length > 0 || process.env.ROOST_TEST_PICTURES !== undefined)
        await page.screenshot({ path: join(screenshots, `${name}-${width}-${theme}.png`) })
    }
  }
  if (before !== null) await page.setViewportSize(before)
  await page.emulateMedia({ colorScheme: null, reducedMotion: null })
  return wrong
}
