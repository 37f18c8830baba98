// slots.json: replaced whole, with a checksum, and a second copy written after it.
// The rename protects against power cuts; the copy against a disk that gives back something else than it was given.

import { createHash } from 'node:crypto'
import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { isMissing, replaceFile, systemCode } from '../durable-file.ts'
import { emptySlots, Slots } from './slots.ts'

/** Far above what 64 deployments, 256 denials and 512 reports need; a longer file is damaged. */
export const slotsBytesMax = 4 * 1_048_576

const Stored = z.object({ sha256: z.string(), slots: z.unknown() })

/** `repair`: what was wrong with the files, in words, where anything was. */
export type LoadedSlots = { slots: Slots; repair: string | undefined }

export type SlotStorage = {
  /** @throws the file system's error; the old file is then still there, whole */
  save(slots: Slots): Promise<void>
}

export const slotsPath = (stateDir: string) => join(stateDir, 'slots.json')
export const slotsCopyPath = (stateDir: string) => join(stateDir, 'slots.copy.json')

/** Reads what this device runs. Damage never keeps the agent from starting: the copy is taken, or a new device's
 *  empty slots, and the damaged file is set aside under `….damaged`. */
export async function loadSlots(stateDir: string): Promise<LoadedSlots> {
  const main = await readSlots(slotsPath(stateDir))
  if (main.slots !== undefined) return { slots: main.slots, repair: undefined }
  const copy = await readSlots(slotsCopyPath(stateDir))
  // A device's first write may have been cut between the two files: no file at all is a new device.
  if (main.fault === undefined && copy.slots === undefined && copy.fault === undefined) {
    return { slots: emptySlots, repair: undefined }
  }
  const found = main.fault ?? 'is missing'
  if (copy.slots !== undefined) return { slots: copy.slots, repair: `slots.json ${found}; its copy is used` }
  return { slots: emptySlots, repair: `slots.json ${found} and there is no good copy; starting with empty slots` }
}

/** `onCopyFailure`: the copy could not be written; slots.json itself was, so the save counts. */
export function openSlotStorage(
  stateDir: string,
  onCopyFailure: (error: unknown) => void,
  replace: typeof replaceFile = replaceFile,
): SlotStorage {
  return {
    async save(slots) {
      const bytes = encodeSlots(slots)
      await replace(slotsPath(stateDir), bytes)
      await replace(slotsCopyPath(stateDir), bytes).catch(onCopyFailure)
    },
  }
}

export function encodeSlots(slots: Slots): Uint8Array {
  const text = JSON.stringify(slots)
  return Buffer.from(JSON.stringify({ sha256: sha256(text), slots }, null, 1))
}

type Read = { slots?: Slots; fault?: string }

async function readSlots(path: string): Promise<Read> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    return isMissing(error) ? {} : { fault: `cannot be read (${systemCode(error) ?? String(error)})` }
  }
  const slots = bytes.length > slotsBytesMax ? undefined : decodeSlots(bytes)
  if (slots !== undefined) return { slots }
  await setAside(path)
  return { fault: 'is damaged' }
}

/** Undefined where the bytes are not exactly what `encodeSlots` wrote. */
export function decodeSlots(bytes: Uint8Array): Slots | undefined {
  try {
    const stored = Stored.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
    if (sha256(JSON.stringify(stored.slots)) !== stored.sha256) return undefined
    return Slots.parse(stored.slots)
  } catch {
    // Anything at all can stand in a damaged file; every way in which it does not parse means the same.
    return undefined
  }
}

/** Kept for whoever wants to know what happened; one is kept, a later one replaces it. */
async function setAside(path: string): Promise<void> {
  try {
    await rename(path, `${path}.damaged`)
  } catch (error) {
    // A read-only or failing disk must not keep the agent from starting.
    if (systemCode(error) === undefined) throw error
  }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
