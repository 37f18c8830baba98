// The page in a real browser on a real hub: in, a look at the fleet, out; what it weighs, and what it is not let do.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { builtFolder, pagePolicy, restPolicy } from '../../hub/dashboard/built-page.ts'
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

const bearer = () => ({ authorization: `Bearer ${hub.adminToken}` })
const post = (path: string, body: unknown) =>
  fetch(`${hub.url}${path}`, {
    method: 'POST',
    headers: { ...bearer(), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

test('sign in, see the fleet, reload, sign out', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await page.goto('/fleet')
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  expect(await look(page, 'sign-in')).toEqual([])

  await page.getByLabel('Token').fill('roost_wrong')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').waitFor()
  await expect.poll(() => page.getByRole('alert').textContent()).toContain('unknown, expired, revoked or used already')
  expect(await look(page, 'sign-in-refused')).toEqual([])
  // the refusal itself, which the browser notes
  expect(complaints.splice(0)).toEqual([expect.stringContaining('422')])

  await page.getByLabel('Token').fill(hub.adminToken ?? '')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'No devices yet' }).waitFor()
  await expect.poll(() => page.title()).toBe('Fleet · Roost')
  expect(new URL(page.url()).pathname).toBe('/fleet')
  expect(await look(page, 'fleet-empty')).toEqual([])
  const [cookie] = await context.cookies()
  expect(cookie).toMatchObject({ name: 'roost_session', httpOnly: true, sameSite: 'Strict' })
  expect(await page.evaluate('document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)')).toBe(
    '{}{}',
  )

  await page.reload()
  await page.getByRole('heading', { name: 'No devices yet' }).waitFor()
  expect((await page.goto('/nowhere-at-all'))?.status()).toBe(404)
  await page.getByText('There is nothing at /nowhere-at-all').waitFor()
  await page.goto('/fleet')
  await page.getByRole('heading', { name: 'No devices yet' }).waitFor()
  expect(complaints.splice(0).filter((complaint) => !complaint.includes('404'))).toEqual([])
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await page.goto('/fleet')
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  // what was asked a moment before is refused a moment after
  expect(complaints.filter((complaint) => !complaint.includes('401'))).toEqual([])
  await context.close()
})

test('the theme is the system’s until one is chosen, which the browser remembers', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  const ground = () => page.evaluate('getComputedStyle(document.documentElement).backgroundColor')
  await page.emulateMedia({ colorScheme: 'light' })
  const light = await ground()
  await page.emulateMedia({ colorScheme: 'dark' })
  const dark = await ground()
  expect(dark).not.toBe(light)
  await page.getByLabel('Theme').selectOption('light')
  await expect.poll(() => ground()).toBe(light)
  await page.reload()
  await page.getByLabel('Theme').waitFor()
  await expect.poll(() => ground()).toBe(light)
  // on paper a dark one could not be read: grounds are not printed
  await page.getByLabel('Theme').selectOption('dark')
  await expect.poll(() => ground()).toBe(dark)
  await page.emulateMedia({ media: 'print' })
  await expect.poll(() => ground()).toBe(light)
  await expect.poll(() => page.getByRole('button', { name: 'Sign out' }).isVisible()).toBe(false)
  await context.close()
})

test('a link with a code signs in once, and leaves no code in the address', async () => {
  const { code } = z.object({ code: z.string() }).parse(await (await post('/v1/session/codes', {})).json())
  const { page, context } = await aPage(browser, hub.url)
  await page.goto(`/sign-in#${code}`)
  await page.getByRole('button', { name: 'Sign out' }).waitFor()
  await expect.poll(() => page.url()).toBe(`${hub.url}/fleet`)
  await context.close()
  const other = await aPage(browser, hub.url)
  await other.page.goto(`/sign-in#${code}`)
  await other.page.getByRole('alert').waitFor()
  await other.context.close()
  expect(hub.output()).not.toContain(code)
})

test('the session ends with its token, and the page says so', async () => {
  const Made = z.object({ id: z.string(), token: z.string() })
  const made = Made.parse(await (await post('/v1/tokens', { name: 'guest', role: 'viewer' })).json())
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, made.token)
  await expect.poll(() => page.locator('.who').textContent()).toBe('guestviewer')
  await fetch(`${hub.url}/v1/tokens/${made.id}`, { method: 'DELETE', headers: bearer() })
  await page.reload()
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await context.close()
})

test('the way back leads to where one was on the page, though what stood above comes later', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  await page.setViewportSize({ width: 390, height: 500 })
  const top = () => page.evaluate('scrollY')
  await page.goto('/settings')
  await page.getByRole('heading', { name: 'Backup' }).waitFor()
  await expect.poll(() => page.evaluate('document.documentElement.scrollHeight')).toBeGreaterThan(1_400)
  // in one go: what comes above meanwhile would move it, as browsers do
  await page.evaluate(`scrollTo(0, 700); document.querySelector('nav a[href="/fleet"]').click()`)
  await page.getByRole('heading', { name: 'Fleet', level: 1 }).or(page.getByText('No devices yet')).first().waitFor()
  await expect.poll(top).toBe(0)
  await page.goBack()
  await page.getByRole('heading', { name: 'Backup' }).waitFor()
  await expect.poll(top).toBe(700)
  await page.goForward()
  await expect.poll(top).toBe(0)
  await context.close()
})

test('more tabs than a browser has connections to one hub: only the one that is looked at listens, another catches up', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  // without a window every tab counts as seen: here all but those that say so are behind another
  await context.addInitScript(`{
    let seen = location.hash === '#seen'
    Object.defineProperty(document, 'visibilityState', { get: () => (seen ? 'visible' : 'hidden') })
    addEventListener('look', () => { seen = !seen; document.dispatchEvent(new Event('visibilitychange')) })
  }`)
  const open = async (path: string) => {
    const tab = await context.newPage()
    await tab.goto(path)
    await tab.getByRole('row', { name: /first admin/ }).waitFor()
    return tab
  }
  const front = await open('/access#seen')
  const behind = await Promise.all(Array.from({ length: 7 }, () => open('/access')))
  await post('/v1/tokens', { name: 'made meanwhile', role: 'viewer' })
  await front.getByText('made meanwhile').waitFor()
  const [first] = behind
  expect(await first?.getByText('made meanwhile').count()).toBe(0)
  await front.evaluate(`dispatchEvent(new Event('look'))`)
  await first?.evaluate(`dispatchEvent(new Event('look'))`)
  await first?.getByText('made meanwhile').waitFor()
  await context.close()
})

test('who signs out in one tab is signed out in the others, also in one that does not listen', async () => {
  const { page, context } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  const other = await context.newPage()
  await other.goto('/reference')
  await other.getByText(/^\d+ routes, as this hub has them/).waitFor()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await other.getByText('You were signed out: the session ended').waitFor()
  await context.close()
})

describe('what a browser is told', () => {
  test('of the page: its own scripts and styles, nothing inline, no frame', async () => {
    for (const path of ['/', '/fleet', '/devices/x', '/models/a/1', '/sign-in']) {
      const response = await fetch(`${hub.url}${path}`)
      expect([response.status, response.headers.get('content-security-policy')], path).toEqual([200, pagePolicy])
      expect(response.headers.get('cache-control')).toBe('no-cache')
      const html = await response.text()
      expect(html).not.toMatch(/<script(?![^>]* src=)|<style| style=| on\w+=/)
    }
    expect(pagePolicy).not.toContain('unsafe')
  })

  test('an inline script, a style in the text and a picture from elsewhere are refused', async () => {
    const { page, context, complaints } = await aPage(browser, hub.url)
    await page.goto('/sign-in')
    await page.evaluate(`document.body.insertAdjacentHTML('beforeend',
      '<img src="https://evil.example/x.png" onerror="window.hit = 1"><p style="color:red">x</p>');
      const script = document.createElement('script'); script.textContent = 'window.hit = 2'; document.body.append(script)`)
    await page.waitForFunction('document.images.length > 0 && document.images[document.images.length - 1].complete')
    // of the picture, of what is to be done when it fails, of the style and of the script
    const refused = () => complaints.filter((complaint) => complaint.includes('Content Security Policy')).length
    await expect.poll(refused).toBeGreaterThanOrEqual(4)
    expect(await page.evaluate('window.hit')).toBeUndefined()
    await context.close()
  })

  test('of everything else: no script at all, also in what somebody logged', async () => {
    for (const path of [
      '/healthz',
      '/v1/models',
      '/nowhere',
      '/assets/../../package.json',
      '/assets/nothing.js',
      '/assets/%2e%2e%2f%2e%2e%2fapp.ts',
    ]) {
      const response = await fetch(`${hub.url}${path}`, { headers: bearer() })
      expect(response.headers.get('content-security-policy'), path).toBe(restPolicy)
      expect(response.headers.get('x-content-type-options'), path).toBe('nosniff')
      expect(await response.text()).not.toContain('roost-workspace')
    }
  })

  test('assets are kept for ever, and come compressed', async () => {
    const [name = ''] = readdirSync(join(builtFolder, 'assets')).filter((name) => name.endsWith('.js'))
    const response = await fetch(`${hub.url}/assets/${name}`)
    expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect([response.headers.get('content-encoding'), response.headers.get('content-type')]).toEqual([
      'gzip',
      'text/javascript; charset=utf-8',
    ])
    expect(await response.text()).toBe(readFileSync(join(builtFolder, 'assets', name), 'utf8'))
    const plain = await fetch(`${hub.url}/assets/${name}`, { headers: { 'accept-encoding': 'identity' } })
    expect([plain.headers.get('content-encoding'), await plain.text()]).toEqual([
      null,
      readFileSync(join(builtFolder, 'assets', name), 'utf8'),
    ])
  })
})

test('the first page weighs less than 200 kB, compressed', () => {
  const html = readFileSync(join(builtFolder, 'index.html'), 'utf8')
  const first = [...html.matchAll(/(?:src|href)="\/?(assets\/[^"]+)"/g)].map(([, name]) => name ?? '')
  expect(first.length).toBeGreaterThanOrEqual(2)
  const sizeBytes = ['index.html', ...first].reduce(
    (sum, name) => sum + gzipSync(readFileSync(join(builtFolder, name))).length,
    0,
  )
  expect(sizeBytes).toBeLessThan(200_000)
})
