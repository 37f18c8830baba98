// Everything of the agent's folder that is opened at start and read once: outbox, manifests and keys, blobs, slots.

import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Profile } from '@roost/shared/profiles/profile.ts'
import type { Logger } from 'pino'
import { BlobStore } from '../download/blob-store.ts'
import { readSealSecret } from '../identity/device.ts'
import { OpenWindows } from '../outbox/open-windows.ts'
import { Outbox } from '../outbox/outbox.ts'
import { loadSlots, openSlotStorage, type SlotStorage } from '../reconcile/slot-storage.ts'
import type { Slots } from '../reconcile/slots.ts'
import { SealedKeys } from '../sealing/sealed-keys.ts'
import { Manifests } from './manifests.ts'

export type Stores = {
  outbox: Outbox
  windows: OpenWindows
  manifests: Manifests
  sealedKeys: SealedKeys
  blobs: BlobStore
  /** As they were found, and where they go. */
  slots: Slots
  slotStorage: SlotStorage
  /** Empty, for the working folders of runtimes. */
  workFolder: string
}

export type StoresOptions = {
  dir: string
  profile: Profile
  wallClock: () => number
  random: (size: number) => Uint8Array
  log: Logger
}

/** `opened` closes them. No damage keeps it from succeeding.
 *  @throws the file system's errors where the folder cannot be used at all */
export async function openStores(options: StoresOptions, opened: AsyncDisposableStack): Promise<Stores> {
  const { dir, profile, wallClock, random, log } = options
  const outboxFolder = join(dir, 'outbox')
  const outbox = await Outbox.open(outboxFolder, { bytesMax: profile.outboxBytes, clock: wallClock, random, log })
  opened.defer(() => outbox.close())
  const windows = await OpenWindows.open(outboxFolder, { outbox, log })
  opened.defer(() => windows.close())
  const { slots, repair } = await loadSlots(dir)
  if (repair !== undefined) log.error({ event: 'slots_repaired' }, repair)
  return {
    outbox,
    windows,
    manifests: await Manifests.open(join(dir, 'manifests'), log),
    sealedKeys: await SealedKeys.open(join(dir, 'sealed-keys'), await readSealSecret(dir)),
    blobs: await BlobStore.open(join(dir, 'blobs'), profile.blobBytes),
    slots,
    slotStorage: openSlotStorage(dir, (error) => log.warn({ err: error }, 'the copy of slots.json is not written')),
    workFolder: await anEmptyFolder(join(dir, 'work')),
  }
}

/** What a killed agent left there goes. */
async function anEmptyFolder(path: string): Promise<string> {
  await rm(path, { recursive: true, force: true })
  await mkdir(path, { recursive: true, mode: 0o700 })
  return path
}
