// npm run docs:screenshots: the pictures that the documents show, of a hub that runs. ROOST_URL and ROOST_TOKEN say which;
// one with the demo's data has all there is to see (`npm run demo -- --keep`).

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { aBrowser, aPage, signIn } from './a-browser.ts'

const folder = join(import.meta.dirname, '../../docs/pictures')
/** What is asked for comes, charts are drawn. */
const settleMs = 5_000
const size = { width: 1120, height: 700 }

const url = process.env.ROOST_URL ?? 'http://127.0.0.1:7070'
const token = process.env.ROOST_TOKEN ?? ''

async function ask<S extends z.ZodType>(path: string, schema: S): Promise<z.output<S>> {
  const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return schema.parse(await response.json())
}

/** The newest rollout that gates took back, and what is at hand of the rest; of what is not there the picture stays. */
async function pages(): Promise<Record<string, string>> {
  const Ids = z.array(z.object({ id: z.string() }))
  const { rollouts } = await ask(
    '/v1/rollouts',
    z.object({ rollouts: z.array(z.object({ id: z.string(), state: z.string() })) }),
  )
  const { devices } = await ask('/v1/devices', z.object({ devices: Ids }))
  const rollout = rollouts.find(({ state }) => state === 'rolled_back') ?? rollouts[0]
  const device = devices.at(-1)
  const runs = await someRuns()
  return {
    drift: '/drift',
    ...(rollout !== undefined && { rollout: `/rollouts/${rollout.id}` }),
    ...(device !== undefined && { device: `/devices/${device.id}` }),
    ...(runs.length > 1 && { runs: `/runs/compare?ids=${runs.join()}` }),
  }
}

/** A few of the smallest experiment that has a few. */
async function someRuns(count = 4): Promise<string[]> {
  const Experiments = z.object({ experiments: z.array(z.object({ id: z.string(), runs: z.number() })) })
  const { experiments } = await ask('/v1/runs/experiments', Experiments)
  const [few] = experiments.filter(({ runs }) => runs >= count).sort((a, b) => a.runs - b.runs)
  if (few === undefined) return []
  const { runs } = await ask(
    `/v1/runs?limit=${count}&experiment=${few.id}`,
    z.object({ runs: z.array(z.object({ id: z.string() })) }),
  )
  return runs.map(({ id }) => id)
}

mkdirSync(folder, { recursive: true })
await using browser = await aBrowser()
const { page } = await aPage(browser, url)
await page.setViewportSize(size)
await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
await signIn(page, token)
for (const [name, path] of Object.entries(await pages())) {
  await page.goto(path)
  await page.waitForTimeout(settleMs)
  await page.screenshot({ path: join(folder, `${name}.png`) })
}
