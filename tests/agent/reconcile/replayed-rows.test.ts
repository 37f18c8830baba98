// Recorded rows on a device that changes its version: whichever way it switches, each row is counted once.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FeatureDefinitions } from '@roost/shared/features/definition.ts'
import { expect, test, vi } from 'vitest'
import { aScaleModel } from '../../builders/onnx.ts'
import { aWorld } from '../runtime/a-runtime.ts'
import { aDevice } from './a-device.ts'

const rows = 300
const patience = { timeout: 120_000, interval: 20 }
const features: FeatureDefinitions = {
  features: [
    { name: 'a', field: 'a', transform: { kind: 'last' } },
    { name: 'b', field: 'b', transform: { kind: 'last' } },
  ],
  inputs: [{ name: 'x', features: ['a', 'b'] }],
}

test.each(['warm', 'stop-start'] as const)('%s: over two changes of version', async (mode) => {
  await using world = await aWorld()
  const path = join(world.folder, 'rows.csv')
  await writeFile(path, `a,b\n${Array.from({ length: rows }, (_, i) => `${i},${-i}`).join('\n')}\n`)
  const replay = [{ deployment: 'demo', path, pace: { kind: 'every' as const, intervalMs: 1 }, repeat: true }]
  await using device = await aDevice({ world, mode, replay })
  for (const version of [1, 2, 3]) {
    const bundle = await device.bundle({
      model: aScaleModel(),
      version,
      features,
      window: { rows: 250, seconds: 3600 },
    })
    device.wish(bundle)
    await vi.waitFor(() => expect(device.story(bundle).at(-1)).toBe('succeeded'), patience)
    const before = device.positions().demo ?? 0
    await vi.waitFor(() => expect(device.positions().demo).toBeGreaterThan(before + 100), patience)
  }
  const counted = async () => (await device.windows()).reduce((sum, { counts }) => sum + counts.ok, 0)
  await device.stop()
  const windows = await device.windows()
  expect(await counted()).toBe(device.positions().demo)
  expect(windows.some(({ interrupted }) => interrupted)).toBe(false)
  expect([...new Set(windows.map(({ version }) => version))].sort()).toEqual([1, 2, 3])
})
