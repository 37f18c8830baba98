// What this device believes and will not go back behind: its root of trust, the latest generation, counter floors, time.
// Two files with checksums, each replaced whole: the rename protects against power cuts, the copy against a bad disk.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { ModelName } from '@roost/shared/protocol/names.ts'
import { type Root, verifyRoot } from '@roost/shared/trust/root.ts'
import { z } from 'zod'
import { isDamaged, isMissing, replaceFile } from '../durable-file.ts'

/** Models a device can remember a floor of; an assignment that would bring more is refused. */
export const counterFloorsMax = 4096

export type PinnedState = {
  /** The bytes of the pinned root's envelope, as they were verified. */
  rootEnvelope: Uint8Array
  rootVersion: number
  /** The latest generation accepted; 0 before the first. */
  generation: number
  /** `contentDigest` of that generation. */
  contentDigest: string | undefined
  /** The highest floor of each model that an accepted assignment ever named. */
  counterFloors: ReadonlyMap<string, number>
  /** The latest signed time, ms since 1970; this device's time never lies before it. */
  timeFloorMs: number
}

export class PinnedStateError extends Error {
  override readonly name = 'PinnedStateError'
  readonly code = 'pinned-state-damaged'
}

/** The state of a device that has just been told its root.
 *  @throws TrustError unless the root is signed by its own root keys */
export function pinFirstRoot(rootEnvelope: Uint8Array): PinnedState {
  const { version } = verifyRoot(rootEnvelope)
  return {
    rootEnvelope,
    rootVersion: version,
    generation: 0,
    contentDigest: undefined,
    counterFloors: new Map(),
    timeFloorMs: 0,
  }
}

/** The pinned root itself.
 *  @throws TrustError if it is not what it was when it was pinned */
export const pinnedRoot = (pinned: PinnedState): Root => verifyRoot(pinned.rootEnvelope)

export const pinnedStatePath = (identityFolder: string) => join(identityFolder, 'pinned.json')
export const pinnedStateCopyPath = (identityFolder: string) => join(identityFolder, 'pinned.copy.json')

/** Durable when it resolves.
 *  @throws the file system's error; the state before or this one is there then, whole */
export async function savePinnedState(
  identityFolder: string,
  pinned: PinnedState,
  replace: typeof replaceFile = replaceFile,
): Promise<void> {
  const bytes = encodePinnedState(pinned)
  await replace(pinnedStatePath(identityFolder), bytes)
  await replace(pinnedStateCopyPath(identityFolder), bytes)
}

/** `repair`: what was wrong with the files, in words. The copy may be one acceptance behind. */
export type LoadedPinnedState = { pinned: PinnedState | undefined; repair: string | undefined }

/** `pinned` is undefined on a device that has pinned nothing yet. A damaged state is never taken for that:
 *  a device that forgot its root would believe the next one it is told.
 *  @throws PinnedStateError when files are there and none of them is whole */
export async function loadPinnedState(identityFolder: string): Promise<LoadedPinnedState> {
  const main = await readPinnedState(pinnedStatePath(identityFolder))
  if (main.pinned !== undefined) return { pinned: main.pinned, repair: undefined }
  const copy = await readPinnedState(pinnedStateCopyPath(identityFolder))
  if (copy.pinned !== undefined)
    return { pinned: copy.pinned, repair: `pinned.json is ${main.fault}; its copy is used` }
  if (main.fault === 'missing' && copy.fault === 'missing') return { pinned: undefined, repair: undefined }
  throw new PinnedStateError(
    `pinned.json is ${main.fault}, its copy is ${copy.fault}: this device must be enrolled again`,
  )
}

const Stored = z.object({
  crc32: z.number(),
  state: z.object({
    formatVersion: z.literal(1),
    rootEnvelope: z.base64(),
    rootVersion: z.number().int().positive(),
    generation: z.number().int().nonnegative(),
    contentDigest: z.string().optional(),
    counterFloors: z.record(ModelName, z.number().int().positive()),
    timeFloorMs: z.number().int().nonnegative(),
  }),
})

export function encodePinnedState(pinned: PinnedState): Uint8Array {
  const state: z.infer<typeof Stored>['state'] = {
    formatVersion: 1,
    rootEnvelope: Buffer.from(pinned.rootEnvelope).toString('base64'),
    rootVersion: pinned.rootVersion,
    generation: pinned.generation,
    contentDigest: pinned.contentDigest,
    counterFloors: Object.fromEntries(pinned.counterFloors),
    timeFloorMs: pinned.timeFloorMs,
  }
  return Buffer.from(JSON.stringify({ crc32: crc32(JSON.stringify(state)), state }))
}

/** Undefined where the bytes are not exactly what `encodePinnedState` wrote. */
export function decodePinnedState(bytes: Uint8Array): PinnedState | undefined {
  let stored: unknown
  try {
    stored = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined // anything can stand in a damaged file
  }
  const parsed = Stored.safeParse(stored)
  if (!parsed.success) return undefined
  const { rootVersion, generation, contentDigest, timeFloorMs, ...encoded } = parsed.data.state
  const counterFloors = new Map(Object.entries(encoded.counterFloors))
  const rootEnvelope = Buffer.from(encoded.rootEnvelope, 'base64')
  const pinned = { rootEnvelope, rootVersion, generation, contentDigest, counterFloors, timeFloorMs }
  return Buffer.from(bytes).equals(encodePinnedState(pinned)) ? pinned : undefined
}

type ReadPinnedState = { pinned: PinnedState } | { pinned?: undefined; fault: 'missing' | 'damaged' }

async function readPinnedState(path: string): Promise<ReadPinnedState> {
  try {
    const pinned = decodePinnedState(await readFile(path))
    return pinned === undefined ? { fault: 'damaged' } : { pinned }
  } catch (error) {
    if (isMissing(error)) return { fault: 'missing' }
    if (isDamaged(error)) return { fault: 'damaged' }
    throw error
  }
}
