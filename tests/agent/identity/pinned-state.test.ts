// What is pinned survives: every damage is noticed, none makes a device believe that it never pinned anything.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { replaceFile } from '@roost/agent/durable-file.ts'
import {
  decodePinnedState,
  encodePinnedState,
  loadPinnedState,
  type PinnedState,
  PinnedStateError,
  pinFirstRoot,
  pinnedRoot,
  pinnedStateCopyPath,
  pinnedStatePath,
  savePinnedState,
} from '@roost/agent/identity/pinned-state.ts'
import { signRoot } from '@roost/shared/trust/root.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aRoot, outcomeOf, releaseKey, rootKey } from '../../shared/trust/builders.ts'
import { seeded } from '../download/builders.ts'
import { aPowerCutDisk } from '../power-cut.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roost-pinned-'))
})
afterEach(() => rm(folder, { recursive: true }))

const first = pinFirstRoot(signRoot(aRoot(), [rootKey]))
const later: PinnedState = {
  ...first,
  generation: 31,
  contentDigest: 'ab'.repeat(32),
  counterFloors: new Map([
    ['vibration', 12],
    ['constructor', 3],
    ['7', 1],
  ]),
  timeFloorMs: 1_795_000_000_000,
}

test('a root is pinned only if it is signed by its own keys', () => {
  expect(outcomeOf(() => pinFirstRoot(signRoot(aRoot(), [releaseKey])))).toBe('threshold')
  expect(pinnedRoot(first)).toEqual(aRoot())
})

test('a new device has pinned nothing, and says so', async () => {
  expect(await loadPinnedState(folder)).toEqual({ pinned: undefined, repair: undefined })
})

test('what was saved is loaded', async () => {
  for (const pinned of [first, later]) {
    await savePinnedState(folder, pinned)
    const loaded = await loadPinnedState(folder)
    expect(loaded.repair).toBeUndefined()
    expect(loaded.pinned).toMatchObject({ generation: pinned.generation, contentDigest: pinned.contentDigest })
    expect(loaded.pinned?.counterFloors.get('constructor')).toBe(pinned.counterFloors.get('constructor'))
    expect(loaded.pinned && Buffer.from(loaded.pinned.rootEnvelope).equals(first.rootEnvelope)).toBe(true)
  }
})

describe('a damaged file', () => {
  test('is recognised whichever bit of it flipped, and wherever it was cut', () => {
    const bytes = encodePinnedState(later)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Uint8Array.from(bytes)
      damaged[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(decodePinnedState(damaged)).toBeUndefined()
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(decodePinnedState(bytes.slice(0, length))).toBeUndefined()
      const torn = Buffer.concat([bytes.slice(0, length), Buffer.alloc(bytes.length - length)])
      expect(decodePinnedState(torn)).toBeUndefined()
    }
  })

  test.each([
    ['the main file', pinnedStatePath, 'pinned.json is damaged; its copy is used'],
    ['the copy', pinnedStateCopyPath, undefined],
  ])('%s alone costs nothing', async (_, pathOf, repair) => {
    await savePinnedState(folder, later)
    await writeFile(pathOf(folder), (await readFile(pathOf(folder))).subarray(0, 100))
    expect(await loadPinnedState(folder)).toMatchObject({ pinned: { generation: 31 }, repair })
  })

  test('a main file that the disk does not give back costs nothing', async () => {
    await savePinnedState(folder, later)
    await rm(pinnedStatePath(folder))
    await mkdir(pinnedStatePath(folder))
    expect(await loadPinnedState(folder)).toMatchObject({ pinned: { generation: 31 } })
  })

  test('a missing main file does not make it a new device', async () => {
    await savePinnedState(folder, later)
    await rm(pinnedStatePath(folder))
    expect(await loadPinnedState(folder)).toMatchObject({ pinned: { generation: 31 } })
  })

  test.each([
    ['both damaged', ['', '']],
    ['one damaged, the other missing', ['', undefined]],
    ['the other way round', [undefined, '{}']],
  ])('%s: the device says that it must be enrolled again', async (_, contents) => {
    const paths = [pinnedStatePath(folder), pinnedStateCopyPath(folder)]
    for (const [i, path] of paths.entries()) {
      const content = contents[i]
      if (content !== undefined) await writeFile(path, content)
    }
    await expect(loadPinnedState(folder)).rejects.toThrow(PinnedStateError)
  })
})

describe('when power goes while the state is saved', () => {
  test('the last state that was saved is loaded, or the one being saved, and never none', async () => {
    const power = aPowerCutDisk(folder)
    const replace: typeof replaceFile = (path, bytes) => replaceFile(path, bytes, power.disk)
    for (let generation = 1; generation <= 3; generation++) {
      await savePinnedState(folder, { ...later, generation }, replace)
      power.acknowledge(generation)
    }
    for (const state of power.states(seeded(20_261_124), 4)) {
      const restored = await mkdtemp(join(tmpdir(), 'roost-cut-'))
      await state.restore(restored)
      const { pinned } = await loadPinnedState(restored)
      expect(pinned?.generation ?? 0, state.name).toBeGreaterThanOrEqual(state.acknowledged)
      await rm(restored, { recursive: true })
    }
  })
})
