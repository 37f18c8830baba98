// Bench `dashboard`: the Fleet page of ten thousand devices in a real browser: what a scroll through the table and a live
// update cost its main thread, and what the page costs the hub while the fleet changes every second.
// The limit in the same run is a frame: what lasts longer is seen as a jerk.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, createClient } from '@libsql/client'
import chromiumPackage from '@sparticuz/chromium'
import { type CDPSession, chromium, type Page } from 'playwright-core'
import { createCrew } from '../demo/crew.ts'
import { startHub } from '../demo/hub-process.ts'
import { processorMs } from './processor.ts'
import { type BenchResult, benchResult } from './result.ts'

const devices = 10_000
/** At 60 frames a second. */
const frameMs = 16.7
const frames = 120
/** Nearly a page of rows a frame: nobody scrolls faster and reads. */
const scrolledPx = 400
const updates = 10
const updateEveryMs = 2_500
const secondsBusy = 20
/** Of a core, for an open page. */
const hubPercentMax = 5

export async function dashboard(): Promise<BenchResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-bench-dashboard-'))
  const { signal } = new AbortController()
  const crew = createCrew(folder, signal, (error) => console.error(error.message))
  const executablePath = process.env.ROOST_TEST_CHROMIUM ?? (await chromiumPackage.executablePath())
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--headless=shell'] })
  try {
    await mkdir(join(folder, 'hub'))
    const { member, url, adminToken } = await startHub(crew, join(folder, 'hub'), signal)
    const database = createClient({ url: `file:${join(folder, 'hub', 'hub.db')}` })
    await fill(database)
    const busyAlone = await hubPercent(member.pid, database)
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage()
    const session = await page.context().newCDPSession(page)
    // processor time of the main thread, whoever else wants the processors
    await session.send('Performance.enable', { timeDomain: 'threadTicks' })
    await signIn(page, url, adminToken)
    const scroll = await scrolled(page, session)
    const live = await updated(session, database)
    const busyShown = await hubPercent(member.pid, database)
    database.close()
    const all = { bench: 'dashboard', unit: 'ms', limit: frameMs }
    return [
      benchResult(
        { ...all, metric: 'a frame of a scroll, scripting', value: scroll.scriptMs },
        { of: 'ratio', bound: '<=', number: 0.5 },
      ),
      benchResult(
        { ...all, metric: 'a frame of a scroll, main thread', value: scroll.taskMs },
        { of: 'ratio', bound: '<=', number: 1 },
      ),
      benchResult(
        { ...all, metric: 'a live update, scripting', value: live.scriptMs },
        { of: 'ratio', bound: '<=', number: 3 },
      ),
      benchResult({ ...all, metric: 'a live update, main thread', value: live.taskMs }),
      benchResult(
        { bench: 'dashboard', unit: '% of a core', metric: 'an open page, at the hub', value: busyShown - busyAlone },
        { of: 'value', bound: '<=', number: hubPercentMax },
      ),
    ]
  } finally {
    await browser.close()
    await crew.dismiss()
    await rm(folder, { recursive: true })
  }
}

/** Devices as if they had been enrolled and served a version; none is connected. */
function fill(database: Client): Promise<void> {
  return database.executeMultiple(`
    INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
      VALUES ('bulk', x'00', '{}', 1, 'bench', 0, 1);
    INSERT INTO models (name, last_version, last_counter, created_at) VALUES ('vibration', 1, 1, 0);
    INSERT INTO versions (model, version, description, metrics, created_by, created_at)
      VALUES ('vibration', 1, '', '{}', 'bench', 0);
    INSERT INTO manifests (digest, model, version, variant, counter, payload, envelope, content, inspection, baseline)
      VALUES (printf('%064d', 1), 'vibration', 1, 'fp32', 1, x'00', x'00', '', '{}', '{}');
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${devices - 1})
    INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at, last_seen_at, agent, stale)
      SELECT printf('gateway-%05d', i), json_object('site', 'site-' || (i % 7), 'line', 'line-' || (i % 3)), 'generic-x64',
             CAST(printf('%05d', i) AS BLOB), x'00', x'00', 'bulk', 0, 1790000000000 - i * 60000, '0.1.0', 0 FROM n;
    INSERT INTO device_deployments (device, deployment, manifest, attempt, state, running, ran_at, changed_at)
      SELECT id, 'vibration', printf('%064d', 1), 1, 'succeeded', 1, 0, 0 FROM devices;`)
}

/** Something happens to a hundredth of the fleet. */
const change = (database: Client) =>
  database.execute({
    sql: `UPDATE devices SET last_seen_at = ?1, hello_at = ?1, reported_generation = coalesce(reported_generation, 0) + 1
          WHERE rowid % 100 = CAST(?1 AS INTEGER) % 100`,
    args: [Date.now()],
  })

async function signIn(page: Page, url: string, token: string): Promise<void> {
  await page.goto(url)
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('grid').getByText('gateway-00000').waitFor()
  // what is drawn once is not what is measured
  await delay(3_000)
}

type Spent = { scriptMs: number; taskMs: number }

async function spent(session: CDPSession): Promise<Spent> {
  const { metrics } = await session.send('Performance.getMetrics')
  const of = (name: string) => 1_000 * (metrics.find((metric) => metric.name === name)?.value ?? Number.NaN)
  return { scriptMs: of('ScriptDuration'), taskMs: of('TaskDuration') }
}

const each = (before: Spent, after: Spent, count: number): Spent => ({
  scriptMs: (after.scriptMs - before.scriptMs) / count,
  taskMs: (after.taskMs - before.taskMs) / count,
})

/** Of a frame: the rows that come into sight are drawn, and asked for as one goes. */
async function scrolled(page: Page, session: CDPSession): Promise<Spent> {
  const before = await spent(session)
  await page.evaluate(`(async () => {
    const table = document.querySelector('.table')
    for (let n = 0; n < ${frames}; n++) {
      table.scrollTop += ${scrolledPx}
      await new Promise(requestAnimationFrame)
    }
  })()`)
  return each(before, await spent(session), frames)
}

/** Of a change: counts and the rows in sight are asked for and drawn anew. Without what the page does by itself. */
async function updated(session: CDPSession, database: Client): Promise<Spent> {
  const start = await spent(session)
  await delay(updates * updateEveryMs)
  const idle = each(start, await spent(session), updates)
  const before = await spent(session)
  for (let n = 0; n < updates; n++) {
    await change(database)
    await delay(updateEveryMs)
  }
  const busy = each(before, await spent(session), updates)
  return { scriptMs: busy.scriptMs - idle.scriptMs, taskMs: busy.taskMs - idle.taskMs }
}

/** Of a core, while the fleet changes every second; the changes themselves are made elsewhere. */
async function hubPercent(pid: number, database: Client): Promise<number> {
  const [begun, before] = [performance.now(), await processorMs(pid)]
  for (let n = 0; n < secondsBusy; n++) {
    await change(database)
    await delay(1_000)
  }
  return (100 * ((await processorMs(pid)) - before)) / (performance.now() - begun)
}
