// Runs in a real browser, logged as MLflow's clients log them: found, ordered, drawn, put side by side; one of them as it
// goes on; and ten thousand.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { aHubProcess, type HubProcess } from '../builders/hub-process.ts'
import { aBrowser, aPage, look, signIn, violations } from './a-browser.ts'

const many = 10_000
const few = 12
const steps = 3_000

let folder: string
let hub: HubProcess
let browser: Browser
const ids: string[] = []
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-runs-page-'))
  const first = await aHubProcess({ folder })
  const { adminToken } = first
  await first.stop()
  await furnish(join(folder, 'hub.db'))
  ;[hub, browser] = await Promise.all([aHubProcess({ folder }), aBrowser()])
  hub.adminToken = adminToken
  await logSome()
})
afterAll(async () => {
  await browser.close()
  await hub.kill()
  rmSync(folder, { recursive: true, force: true })
})

/** An experiment of many runs, as if they had been logged. */
async function furnish(file: string): Promise<void> {
  const client = createClient({ url: `file:${file}` })
  const n = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${many - 1})`
  await client.executeMultiple(`
    INSERT INTO experiments (id, name, artifact_location, created_at, updated_at) VALUES (1, 'many', 'mlflow-artifacts:/1', 0, 0);
    INSERT INTO run_keys (id, key) VALUES (1, 'loss');
    ${n} INSERT INTO runs (number, id, experiment, name, user_id, status, start_time, created_at)
      SELECT i + 1, printf('%032x', i), 1, printf('run-%05d', i), 'ada', 'FINISHED', 1790000000000 - i * 60000, 0 FROM n;
    ${n} INSERT INTO run_latest_metrics (run, key, step, timestamp, value, is_nan)
      SELECT i + 1, 1, 0, 0, (i * 7919) % ${many}, 0 FROM n;`)
  client.close()
}

const headers = () => ({ authorization: `Bearer ${hub.adminToken}`, 'content-type': 'application/json' })
async function mlflow(path: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${hub.url}/api/2.0/mlflow/${path}`, {
    method: 'POST',
    headers: headers(),
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response.json()
}
const Created = z.object({ run: z.object({ info: z.object({ run_id: z.string() }) }) })

/** A dozen runs whose loss falls with their depth; the first has a long curve with one peak, and goes on. */
async function logSome(): Promise<void> {
  await mlflow('experiments/create', { name: 'few' })
  for (let n = 0; n < few; n++) {
    const { run } = Created.parse(
      await mlflow('runs/create', {
        experiment_id: '2',
        run_name: `few-${n}`,
        user_id: 'grace',
        start_time: 1_795_000_000_000 + n,
      }),
    )
    const id = run.info.run_id
    ids.push(id)
    const length = n === 0 ? steps : 1
    for (let from = 0; from < length; from += 1_000) {
      const metrics = Array.from({ length: Math.min(1_000, length) }, (_, k) => {
        const step = from + k
        return { key: 'loss', value: step === 700 ? 9 : 1 / (n + 1), timestamp: 1_795_000_000_000 + step * 1_000, step }
      })
      await mlflow('runs/log-batch', { run_id: id, metrics })
    }
    const params = [
      { key: 'depth', value: String(n + 1) },
      { key: 'optimizer', value: n % 2 === 0 ? 'adam' : 'sgd' },
      { key: 'same', value: 'x' },
    ]
    await mlflow('runs/log-batch', { run_id: id, params })
    if (n > 0)
      await mlflow('runs/update', { run_id: id, status: n === 1 ? 'FAILED' : 'FINISHED', end_time: 1_795_000_060_000 })
  }
  for (const [n, text] of [
    [0, 'first'],
    [1, 'second'],
  ] as const) {
    for (const [path, body] of [
      ['notes.txt', text],
      ['same.txt', 'same'],
    ] as const) {
      const at = `${hub.url}/api/2.0/mlflow-artifacts/artifacts/2/${ids[n]}/artifacts/${path}`
      const put = await fetch(at, { method: 'PUT', headers: headers(), body })
      expect(put.status).toBe(200)
    }
  }
}

const names = (page: Page) => page.getByRole('grid').getByRole('link').allTextContents()
const query = (page: Page) => Object.fromEntries(new URL(page.url()).searchParams)

test('ten thousand runs: sorted by the hub, the last one reached, only what is in sight in the document', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  await page.goto('/runs?experiment=1')
  const grid = page.getByRole('grid')
  await grid.getByText('run-00000').waitFor()
  await expect.poll(() => grid.getAttribute('aria-rowcount')).toBe(String(many + 1))
  await expect.poll(() => grid.getByRole('row').count()).toBeLessThan(60)
  await grid.focus()
  await page.keyboard.press('End')
  await grid.getByText(`run-0${many - 1}`).waitFor()
  await grid.getByRole('button', { name: 'loss' }).click()
  // the greatest is that of (i * 7919) % 10000 = 9999
  await grid.focus()
  await page.keyboard.press('Home')
  await grid.getByText('run-00000').waitFor()
  await grid.getByRole('button', { name: 'loss' }).click()
  await grid.getByText('9,999').first().waitFor()
  await expect.poll(() => query(page).sort).toBe('-metrics.loss')
  expect(complaints).toEqual([])
  await context.close()
})

test('runs are found by experiment, state and filter, and the address keeps what was chosen', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  await page.getByRole('link', { name: 'Runs' }).click()
  await page.getByLabel('Experiment').selectOption({ label: 'few (12)' })
  await page.getByText('12 runs: 1 running, 1 failed.').waitFor()
  await page.getByRole('grid').getByText('few-11').waitFor()
  await expect.poll(async () => (await names(page)).slice(0, 2)).toEqual(['few-11', 'few-10'])
  expect(await look(page, 'runs')).toEqual([])

  await page.getByLabel('Filter').fill('metrics.loss <')
  await page.locator('.filter-field .fault').waitFor()
  expect(await violations(page)).toEqual([])
  await page.getByLabel('Filter').fill("params.optimizer = 'sgd' AND metrics.loss > 0.2")
  await page.keyboard.press('Enter')
  await page.getByText('2 runs: 1 failed.').waitFor()
  await page.getByRole('button', { name: /^Failed/ }).click()
  await page.getByRole('grid').getByText('few-3').waitFor({ state: 'detached' })
  await expect.poll(() => names(page)).toEqual(['few-1'])

  await page.getByText('Columns: ').click()
  await page.getByRole('checkbox', { name: 'optimizer' }).uncheck()
  await page.reload()
  await page.getByRole('grid').getByText('few-1').waitFor()
  await expect
    .poll(() => query(page))
    .toEqual({
      experiment: '2',
      filter: "params.optimizer = 'sgd' AND metrics.loss > 0.2",
      status: 'FAILED',
      columns: 'params.depth,params.same,metrics.loss',
    })
  await expect
    .poll(() => page.getByRole('columnheader').allTextContents())
    .toEqual(expect.arrayContaining(['Run', 'depth', 'same', 'loss']))
  // the browser notes what was refused, when it likes
  expect(complaints.filter((complaint) => !complaint.includes('422'))).toEqual([])
  await context.close()
})

test('a range on an axis chooses runs, by the mouse and by keys, and they are put side by side', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  await page.goto('/runs?experiment=2&tab=parallel&columns=params.depth,params.optimizer,metrics.loss')
  await page.getByText('12 runs. Draw along an axis').waitFor()
  const axis = page.locator('.brush[data-column="params.depth"]')
  const { width = 0, height = 0 } = (await axis.boundingBox()) ?? {}
  // the upper half, from above its end to its middle: depths 7 to 12; by places on it, for it may still be moved itself
  const to = (y: number) => axis.hover({ position: { x: width / 2, y } })
  await to(2)
  await page.mouse.down()
  await to(height / 4)
  await to(height / 2 - 4)
  await page.mouse.up()
  await page.getByText('6 runs of 12 within the ranges.').waitFor()
  await page.getByText('Ranges as numbers').click()
  await page.getByRole('combobox', { name: 'optimizer' }).selectOption('sgd')
  await page.getByText('3 runs of 12 within the ranges.').waitFor()
  await page.getByLabel('depth, at least').fill('9')
  await page.keyboard.press('Tab')
  await page.getByText('2 runs of 12 within the ranges.').waitFor()
  expect(await look(page, 'runs-parallel-range')).toEqual([])
  await page.getByRole('button', { name: 'Choose these 2' }).click()
  await page.getByRole('link', { name: 'Compare', exact: true }).click()
  await page.getByRole('heading', { name: 'Compare runs' }).waitFor()
  await expect.poll(() => query(page).ids?.split(',').toSorted()).toEqual([ids[9], ids[11]].toSorted())

  await page.goto('/runs?experiment=2&tab=scatter&columns=params.depth,metrics.loss')
  await page.getByText('12 runs: loss against depth. Spearman’s rank correlation -1.00.').waitFor()
  await page.getByRole('combobox', { name: 'Colour' }).selectOption('params.depth')
  await page.locator('canvas').waitFor()
  expect(await look(page, 'runs-scatter')).toEqual([])
  expect(complaints).toEqual([])
  await context.close()
})

test('two runs differ in params, metrics and files; all of them are drawn in one picture', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  await page.goto(`/runs/compare?ids=${ids.slice(0, 3).join()}`)
  await page.getByText('3 runs; 2 params differ.').waitFor()
  await page
    .getByRole('img', { name: /^loss along step\. few-0: from 1 to 1, .* greatest 9 at step 700\. few-1: / })
    .waitFor()
  await page.locator('canvas').waitFor()
  expect(await look(page, 'runs-compare')).toEqual([])

  await page.getByRole('button', { name: 'Difference of two' }).click()
  const difference = page.getByRole('region', { name: 'Difference of two runs' })
  await difference.getByRole('row', { name: 'depth 1 2' }).waitFor()
  await difference.getByRole('row', { name: 'loss 1 0.5 −0.5 (−50 %)' }).waitFor()
  expect(await difference.getByText('same', { exact: true }).count()).toBe(0)
  const files = page.getByRole('region', { name: 'Files' })
  await files.getByText('1 differ, 1 the same').waitFor()
  await files.getByRole('row', { name: /^notes\.txt .* differs$/ }).waitFor()
  expect(await look(page, 'runs-difference')).toEqual([])
  await page.getByLabel('To').selectOption('few-2')
  await difference.getByRole('row', { name: 'depth 1 3' }).waitFor()
  await page.getByRole('button', { name: 'Side by side' }).click()
  await page.getByRole('row', { name: /^loss 1 \(1 … 9\) 0\.5 0\.33333$/ }).waitFor()
  expect(await violations(page)).toEqual([])
  expect(complaints).toEqual([])
  await context.close()
})

test('a run says where it came from, draws its curves with their extremes, and goes on while one looks', async () => {
  const { page, context, complaints } = await aPage(browser, hub.url)
  await signIn(page, hub.adminToken)
  await page.goto(`/runs/${ids[0]}`)
  await page.getByRole('heading', { name: 'few-0', level: 1 }).waitFor()
  const loss = page.getByRole('region', { name: 'loss', exact: true })
  await loss.getByText(/^3,000 points · [\d,]+ drawn, the extremes among them$/).waitFor()
  await page.getByRole('img', { name: /greatest 9 at step 700/ }).waitFor()
  await page.locator('canvas').waitFor()
  await page.getByLabel('Smoothing').fill('0.9')
  await page.getByText('weight 0.90 a point').waitFor()
  await page.getByLabel('logarithmic').check()
  await page.getByRole('combobox', { name: 'Along' }).selectOption('elapsed')
  await page.getByRole('img', { name: /^loss along time since its first point/ }).waitFor()
  expect(await look(page, 'run')).toEqual([])

  await mlflow('runs/log-metric', { run_id: ids[0], key: 'late', value: 4.5, timestamp: 1_795_009_000_000, step: 1 })
  await page.getByRole('row', { name: 'late 4.5' }).waitFor()
  // near the greatest double an axis would end at infinity
  await page.getByLabel('logarithmic').uncheck()
  const grown = [1, 2, 1.7e308].map((value, step) => ({ key: 'grown', value, timestamp: 1_795_009_000_000, step }))
  const huge = [1.7e308, -1.7e308].map((value, step) => ({ key: 'huge', value, timestamp: 1_795_009_000_000, step }))
  await mlflow('runs/log-batch', { run_id: ids[0], metrics: [...grown, ...huge] })
  await page
    .getByRole('region', { name: 'huge', exact: true })
    .getByText('All values are beyond ±1e300: too large to draw.')
    .waitFor()
  await page
    .getByRole('region', { name: 'grown', exact: true })
    .getByText(/^3 points · 1 beyond ±1e300, not drawn$/)
    .waitFor()
  await mlflow('runs/update', { run_id: ids[0], status: 'KILLED', end_time: 1_795_009_000_000 })
  await page.getByText('Killed').waitFor()

  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'notes.txt' }).click(),
  ])
  expect(file.suggestedFilename()).toBe('notes.txt')
  await page.goto(`/runs/${'0'.repeat(31)}z`)
  await page.getByRole('alert').waitFor()
  expect(complaints.filter((complaint) => !/422|404/.test(complaint))).toEqual([])
  await context.close()
})
