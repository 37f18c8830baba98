// P2 over kill -9: what a device has pinned it never goes back behind, however often it dies while it pins the next.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { loadPinnedState } from '@roost/agent/identity/pinned-state.ts'
import { acceptAssign } from '@roost/agent/reconcile/accept.ts'
import { expect, onTestFinished, test } from 'vitest'
import { seeded } from '../download/builders.ts'
import { anAssignOf, expectations } from './an-assign.ts'

const seed = Number(process.env.ROOST_TEST_SEED ?? 20_261_125)
const kills = Number(process.env.ROOST_TEST_KILLS ?? 6)

test(`after each of ${kills} kills no older generation, and no lower floor, is taken again (seed ${seed})`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'roost-pinning-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const chance = seeded(seed)
  let told = 0
  for (let round = 0; round < kills; round++) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'pinning-process.ts'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    let lines = 1 + Math.floor(chance() * 15)
    for await (const line of createInterface({ input: child.stdout })) {
      told = Number(line)
      lines -= 1
      if (lines === 0) child.kill('SIGKILL')
    }
    await exited
    const { pinned, repair } = await loadPinnedState(folder)
    expect(repair).toBeUndefined()
    expect(pinned?.generation, `told ${told}`).toBeGreaterThanOrEqual(told)
    if (pinned === undefined) return
    // all older ones, in random order, as somebody would who recorded them
    const older = Array.from({ length: pinned.generation - 1 }, (_, i) => i + 1).sort(() => chance() - 0.5)
    for (const generation of older.slice(0, 8)) {
      const outcome = acceptAssign(pinned, anAssignOf(generation), expectations)
      expect(outcome).toMatchObject({ refused: { code: 'generation-old' } })
      expect(outcome.pinned).toBe(pinned)
    }
    expect(pinned.counterFloors.get('vibration')).toBe(pinned.generation)
  }
  expect(told).toBeGreaterThanOrEqual(kills)
}, 120_000)
