// P6: whenever power goes while slots.json is written, whatever the disk gives back: the device starts, knows what it
// ran, and ends with a good version. The stories are those of world.ts, the files are real.

import * as nodeDisk from 'node:fs/promises'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { replaceFile } from '../../../agent/durable-file.ts'
import { keyOf } from '../../../agent/reconcile/bundle-set.ts'
import { loadSlots, openSlotStorage, slotsCopyPath, slotsPath } from '../../../agent/reconcile/slot-storage.ts'
import { emptySlots, Slots } from '../../../agent/reconcile/slots.ts'
import { seeded } from '../download/builders.ts'
import { aFaultyDisk, aPowerCutDisk, type PowerCutDisk } from '../power-cut.ts'
import { aBundle, manifestOf, qualityOf, World } from './world.ts'

const seed = 20_261_125
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roost-slots-'))
})
afterEach(() => rm(folder, { recursive: true }))

const noCopyFailure = (error: unknown) => expect.fail(`the copy failed: ${String(error)}`)

/** Versions 1 and 2 do well, 6 does not load, 7 crashes, 8 errs: everything that changes slots happens. */
const story = [1, 6, 2, 7, 8, 3]

async function live(world: World): Promise<void> {
  await world.start()
  for (const version of story) {
    world.wish([aBundle('a', version), aBundle('b', 1)])
    await calm(world, 12)
  }
}

async function calm(world: World, rounds: number): Promise<void> {
  if (!world.connected) world.connect()
  for (let round = 0; round < rounds; round++) {
    world.answer()
    world.finishFetches({ state: 'present' })
    world.finishProcesses()
    await world.settle()
    world.now += 2_000
  }
}

/** Lives through the story with its slots in `folder`; says what was saved, in order. */
async function record(power: PowerCutDisk): Promise<Slots[]> {
  const world = new World('warm')
  const storage = openSlotStorage(folder, noCopyFailure, (path, bytes) => replaceFile(path, bytes, power.disk))
  const saved: Slots[] = []
  const { save } = world.ports.slots
  world.ports.slots.save = async (slots) => {
    saved.push(structuredClone(slots))
    await storage.save(slots)
    power.acknowledge(saved.length)
    await save(slots)
  }
  await live(world)
  expect(world.disk.current.bundles.map(({ version }) => version).sort()).toEqual([1, 3])
  return saved
}

/** A device that starts on these slots, its files being there, and goes on for three minutes, with the hub or without. */
async function startsOn(slots: Slots, isConnected: boolean): Promise<World> {
  const world = new World('warm')
  world.disk = slots
  for (const version of [...story, 1]) {
    for (const deployment of ['a', 'b']) world.files.set(manifestOf(deployment, version), { state: 'present' })
  }
  await world.start()
  if (isConnected) {
    world.generation = slots.generation
    world.wish([aBundle('a', 3), aBundle('b', 1)])
    world.connect()
  }
  for (let round = 0; round < 60; round++) {
    world.answer()
    world.finishFetches({ state: 'present' })
    world.finishProcesses()
    await world.settle()
    world.now += 3_000
  }
  return world
}

/** Cuts the power at every call, or every so many; says how many states there were, and what a device did wrong on any of them. */
async function wrongStarts(
  power: PowerCutDisk,
  saved: readonly Slots[],
  every = 1,
): Promise<{ states: number; wrong: string[] }> {
  const texts = saved.map((slots) => JSON.stringify(Slots.parse(slots)))
  const wrong: string[] = []
  const seen = new Set<number>()
  let states = 0
  for (const state of power.states(seeded(seed), 1, every)) {
    states += 1
    const restored = await mkdtemp(join(tmpdir(), 'roost-cut-'))
    await state.restore(restored)
    const { slots, repair } = await loadSlots(restored)
    await rm(restored, { recursive: true })
    const found = texts.lastIndexOf(JSON.stringify(slots)) + 1
    if (repair !== undefined) wrong.push(`${state.name}: ${repair}`)
    if (found < state.acknowledged) wrong.push(`${state.name}: ${found} of ${state.acknowledged} saved`)
    // Each of the slots is started on once, by a device that never hears of its hub and by one that does.
    if (seen.has(found)) continue
    seen.add(found)
    for (const isConnected of [false, true]) {
      const world = await startsOn(slots, isConnected)
      const { current, candidate, rollingBack } = world.memory.slots
      const bad = current.bundles.filter(({ version }) => qualityOf(version) !== 'good')
      if (bad.length > 0 || candidate !== null || rollingBack !== null) wrong.push(`${state.name}: ${world.trail()}`)
      if (world.serving()?.key !== keyOf(current)) wrong.push(`${state.name}: serves something else: ${world.trail()}`)
      const versions = current.bundles
        .map(({ version }) => version)
        .sort()
        .join()
      if (isConnected && versions !== '1,3') wrong.push(`${state.name}: ends with ${versions}`)
    }
  }
  return { states, wrong }
}

describe('when power goes while slots are written', () => {
  test('at any call: what was told to be saved is there, whole, and the device ends with a good version', async () => {
    const power = aPowerCutDisk(folder)
    const saved = await record(power)
    const { states, wrong } = await wrongStarts(power, saved)
    expect(wrong.slice(0, 5)).toEqual([])
    expect(saved.length).toBeGreaterThan(20)
    expect(states).toBeGreaterThan(1000)
  })

  test('a disk that forgets to sync is caught by the same check', async () => {
    const power = aPowerCutDisk(folder, { forgetful: true })
    const { wrong } = await wrongStarts(power, await record(power), 25)
    expect(wrong.length).toBeGreaterThan(10)
  })
})

describe('when a call fails', () => {
  test.each(['ENOSPC', 'EIO'])(
    'with %s, whichever: a save that rejects left the old slots, one that did not the new',
    async (code) => {
      const before = slotsOf(1)
      const after = slotsOf(2)
      let failed = 0
      for (let n = 0; ; n++) {
        await openSlotStorage(folder, noCopyFailure).save(before)
        const { disk, calls } = aFaultyDisk({ ...nodeDisk }, (_, count) => (count === n ? code : undefined))
        const copyFailures: unknown[] = []
        const storage = openSlotStorage(
          folder,
          (error) => copyFailures.push(error),
          (path, bytes) => replaceFile(path, bytes, disk),
        )
        const outcome = await storage.save(after).then(
          () => 'saved',
          (error: unknown) => error,
        )
        if (calls() <= n) break
        failed += 1
        const { slots, repair } = await loadSlots(folder)
        expect(repair).toBeUndefined()
        // Only the sync of the folder fails after the new file has its name.
        if (outcome === 'saved') expect([slots, copyFailures.length]).toEqual([after, 1])
        else expect([before.generation, after.generation]).toContain(slots.generation)
      }
      expect(failed).toBeGreaterThanOrEqual(12)
    },
  )
})

describe('when the disk gives back something else', () => {
  const one = slotsOf(1)
  const two = slotsOf(2)

  test('a new device starts with nothing, and says nothing', async () => {
    expect(await loadSlots(folder)).toEqual({ slots: emptySlots, repair: undefined })
  })

  test('a byte changed anywhere, or a file cut anywhere: the copy is taken, and that is said', async () => {
    await openSlotStorage(folder, noCopyFailure).save(two)
    const whole = await readFile(slotsPath(folder))
    const copy = await readFile(slotsCopyPath(folder))
    expect(copy.equals(whole)).toBe(true)
    for (let at = 0; at < whole.length; at += 13) {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
      for (const bytes of [changed, whole.subarray(0, at)]) {
        await writeFile(slotsPath(folder), bytes)
        const { slots, repair } = await loadSlots(folder)
        expect(slots).toEqual(two)
        // White space between the signs of JSON may change; what it says may not.
        if (repair !== undefined) {
          expect(repair).toBe('slots.json is damaged; its copy is used')
          expect(await readdir(folder)).toContain('slots.json.damaged')
        }
      }
    }
  })

  test('both damaged: it starts with nothing, says so, and keeps what it found for whoever looks', async () => {
    await writeFile(slotsPath(folder), 'x')
    await writeFile(slotsCopyPath(folder), JSON.stringify({ sha256: 'y', slots: two }))
    const { slots, repair } = await loadSlots(folder)
    expect(slots).toEqual(emptySlots)
    expect(repair).toMatch(/damaged.*no good copy/)
    expect((await readdir(folder)).sort()).toEqual(['slots.copy.json.damaged', 'slots.json.damaged'])
    await openSlotStorage(folder, noCopyFailure).save(one)
    expect(await loadSlots(folder)).toEqual({ slots: one, repair: undefined })
  })

  test('a folder or a link in place of the file is no file', async () => {
    await openSlotStorage(folder, noCopyFailure).save(one)
    await rm(slotsPath(folder))
    await nodeDisk.mkdir(slotsPath(folder))
    expect(await loadSlots(folder)).toMatchObject({ slots: one, repair: expect.stringMatching(/copy is used/) })
  })
})

function slotsOf(generation: number): Slots {
  const bundles = [aBundle('a', generation)]
  return { ...emptySlots, generation, current: { generation, bundles } }
}
