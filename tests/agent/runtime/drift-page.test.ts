// Drift as it is told on the device itself: measures by the same code as at the hub, over what the runtime really saw.

import { buildBaseline } from '@roost/shared/drift/baseline.ts'
import { measureColumn } from '@roost/shared/drift/measures.ts'
import { DriftVerdict } from '@roost/shared/drift/verdict.ts'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { mergeColumnRecords } from '@roost/shared/sketch/window.ts'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { windowsMeasured } from '../../../agent/runtime/monitor/drift.ts'
import { aScaleModel } from '../../builders/onnx.ts'
import { seeded } from '../download/builders.ts'
import { aServing, aWorld, type World } from './a-runtime.ts'

const Page = z.object({
  model_name: z.string(),
  model_version: z.string(),
  verdict: DriftVerdict.optional(),
  windows: z.number(),
  columns: z.array(
    z.object({
      column: z.string(),
      kind: z.enum(['feature', 'output']),
      psi: z.number().nullable(),
      jensenShannon: z.number().nullable(),
      ks: z.number().nullable(),
      wasserstein: z.number().nullable(),
    }),
  ),
})

const rowsOfWindow = 50
const random = seeded(20_261_125)
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
const baseline = buildBaseline({
  columns: ['x[0]', 'x[1]'].map((name) => ({
    name,
    kind: 'feature' as const,
    values: Float64Array.from({ length: 5000 }, normal),
  })),
  window: { rows: rowsOfWindow, seconds: 3600 },
})

let world: World
beforeEach(async () => {
  world = await aWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const driftOf = () => fetch(`${world.url}/roost/v1/deployments/demo/drift`)

async function ask(rows: number, shift: number): Promise<void> {
  for (let row = 0; row < rows; row++) {
    const body = {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [normal() + shift, normal() + shift] }],
    }
    const answer = await fetch(`${world.url}/v2/models/demo/infer`, { method: 'POST', body: JSON.stringify(body) })
    expect(answer.status).toBe(200)
    await answer.arrayBuffer()
  }
}

test('before a window has closed there is nothing to say; then verdict and measures of the newest windows', async () => {
  const runtime = await aServing(world, [
    await world.bundle({ model: aScaleModel(), baseline, window: { rows: rowsOfWindow, seconds: 3600 } }),
  ])
  expect(Page.parse(await (await driftOf()).json())).toMatchObject({ model_version: '1', windows: 0, columns: [] })
  // more windows than are measured, so that the first ones have to be left out
  await ask(5 * rowsOfWindow, 0)
  await ask(windowsMeasured * rowsOfWindow, 3)
  const closed = windowsMeasured + 5
  await vi.waitFor(() => expect(runtime.windows).toHaveLength(closed), { timeout: 120_000 })
  const page = Page.parse(await (await driftOf()).json())
  expect(page).toMatchObject({ windows: windowsMeasured, verdict: { state: 'drifted' } })
  expect(page.columns).toEqual(measuredAtHub(runtime.windows.slice(-windowsMeasured)))
  expect(page.columns.length).toBeGreaterThan(0)
})

test('a version without a baseline says that it has none; another deployment is not found', async () => {
  await aServing(world, [await world.bundle({ model: aScaleModel() })])
  const answer = await driftOf()
  expect([answer.status, await answer.json()]).toEqual([404, { error: expect.stringContaining('no baseline') }])
  expect((await fetch(`${world.url}/roost/v1/deployments/other/drift`)).status).toBe(404)
})

/** From what was reported, as the hub does it. */
function measuredAtHub(windows: readonly WindowReport[]) {
  const sums = windows.map(({ features, outputs }) => ({ ...features, ...outputs })).reduce(mergeColumnRecords, {})
  return Object.entries(baseline.columns).flatMap(([column, known]) => {
    const counts = sums[column]
    return counts === undefined ? [] : [{ column, kind: known.kind, ...measureColumn(known, counts) }]
  })
}
