// P10: a runtime process that dies in the middle of a window takes only what it had not told yet. Real processes, a real
// crash; the agent itself lives on.

import { join } from 'node:path'
import { realDisk } from '@roost/agent/outbox/disk.ts'
import { DoubleSlot } from '@roost/agent/outbox/double-slot.ts'
import { WindowReport } from '@roost/shared/protocol/records.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { aModelThatCrashes } from '../../builders/onnx.ts'
import { withFaults } from '../outbox/memory-disk.ts'
import { ask } from '../runtime/a-crowd.ts'
import { aWorld } from '../runtime/a-runtime.ts'
import { aDevice } from './a-device.ts'

const patience = { timeout: 120_000, interval: 20 }
const answersEach = [7, 5]

test('the window of a runtime that died is counted once, marked as interrupted', async () => {
  await using world = await aWorld()
  await using device = await aDevice({ world })
  const bundle = await device.bundle({ model: aModelThatCrashes(), version: 1, window: { rows: 500, seconds: 3600 } })
  device.wish(bundle)
  await vi.waitFor(() => expect(device.story(bundle).at(-1)).toBe('succeeded'), patience)

  const question = `${device.url}/v2/models/demo/infer`
  for (const [life, answers] of answersEach.entries()) {
    for (let n = 0; n < answers; n++) expect((await ask(question, [-1, -2])).status).toBe(200)
    await vi.waitFor(async () => expect(await openIn(join(world.folder, 'outbox'))).toEqual([answers]), patience)
    await expect(ask(question, [1, 1])).rejects.toThrow()
    const died = () => device.events.filter(({ event }) => event === 'runtime_died')
    await vi.waitFor(() => expect(died()).toHaveLength(life + 1), patience)
  }
  await device.stop()
  const windows = (await device.windows()).map(({ counts, interrupted }) => ({ ok: counts.ok, interrupted }))
  expect(windows).toEqual(answersEach.map((ok) => ({ ok, interrupted: true })))
})

test('a runtime that died is replaced at once, though what it leaves and says waits for a disk that is full', async () => {
  let full = false
  const { disk } = withFaults(realDisk, (call) => (full && call === 'write' ? 'ENOSPC' : undefined))
  await using world = await aWorld()
  await using device = await aDevice({ world, outboxDisk: disk })
  const bundle = await device.bundle({ model: aModelThatCrashes(), version: 1, window: { rows: 500, seconds: 3600 } })
  device.wish(bundle)
  await vi.waitFor(() => expect(device.story(bundle).at(-1)).toBe('succeeded'), patience)

  const question = `${device.url}/v2/models/demo/infer`
  for (let n = 0; n < 7; n++) expect((await ask(question, [-1, -2])).status).toBe(200)
  await vi.waitFor(async () => expect(await openIn(join(world.folder, 'outbox'))).toEqual([7]), patience)
  full = true
  for (let life = 0; life < 3; life++) {
    await expect(ask(question, [1, 1])).rejects.toThrow()
    expect((await ask(question, [-1, -2])).status).toBe(200)
  }
  expect(device.events.filter(({ event }) => event === 'runtime_died')).toEqual([])

  full = false
  const died = () => device.events.filter(({ event }) => event === 'runtime_died')
  await vi.waitFor(() => expect(died()).toHaveLength(3), patience)
  await device.stop()
  const [first, ...later] = (await device.windows()).map(({ counts }) => counts.ok)
  expect(first).toBe(7)
  // what came after the last word of a process that was killed is not counted, and never counted twice
  expect(later.reduce((sum, ok) => sum + ok, 0)).toBeLessThanOrEqual(3)
})

/** Answers in each window that the checkpoint on disk holds as open. */
async function openIn(folder: string): Promise<number[]> {
  const { found } = await DoubleSlot.open(folder, 'open-windows', realDisk)
  const checkpoint = found && decode(z.object({ open: z.array(WindowReport) }), found)
  return checkpoint?.ok ? checkpoint.message.open.map(({ counts }) => counts.ok) : []
}
