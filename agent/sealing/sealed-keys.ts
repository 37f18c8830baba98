// The keys of the sealed bundles this device is assigned, on disk as they came: in boxes that its private sealing key
// opens. So a bundle can be loaded again after a restart without a hub. The keys themselves are in memory only.

import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import { SealedKey } from '@roost/shared/protocol/messages.ts'
import { Digest } from '@roost/shared/protocol/names.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import { unwrapContentKey } from '@roost/shared/trust/content-key.ts'
import { isDamaged, removeIfPresent, replaceFile, systemCode } from '../durable-file.ts'
import type { Failure } from '../reconcile/slots.ts'

type Held = { box: SealedKey; key: Uint8Array | undefined }

/** Bounded as the manifests are: by the sets of slots.json and the wish. */
export class SealedKeys {
  readonly #folder: string
  readonly #secretKey: Uint8Array | undefined
  readonly #held: Map<Digest, Held>
  /** Of the last assignment, as Manifests has it; with those that came and did not open. */
  #newest: ReadonlySet<Digest> = new Set()
  #unusable: ReadonlySet<Digest> = new Set()

  private constructor(folder: string, secretKey: Uint8Array | undefined, held: Map<Digest, Held>) {
    this.#folder = folder
    this.#secretKey = secretKey
    this.#held = held
  }

  /** Reads what is there. A damaged file counts as missing: the next assignment brings the key again.
   *  @param secretKey X25519, 32 raw bytes; without it no sealed bundle can be opened
   *  @throws the file system's error where the folder cannot be read */
  static async open(folder: string, secretKey: Uint8Array | undefined): Promise<SealedKeys> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const held = new Map<Digest, Held>()
    for (const name of await readdir(folder)) {
      const box = Digest.safeParse(name).success ? await readBox(join(folder, name)) : undefined
      if (box !== undefined) held.set(name, { box, key: undefined })
    }
    return new SealedKeys(folder, secretKey, held)
  }

  /** Keeps those that open with this device's key. Durable when it resolves.
   *  @throws the file system's error */
  async put(boxes: readonly SealedKey[], manifests: ReadonlyMap<Digest, Manifest>): Promise<void> {
    this.#newest = new Set(boxes.map(({ manifest }) => manifest))
    const unusable = new Set<Digest>()
    for (const box of boxes) {
      const { manifest: digest } = box
      const sealed = manifests.get(digest)?.sealed
      // boxes are made anew with every assignment: one that is here already is as good
      if (sealed === undefined || this.#keyOf(digest, sealed.key) !== undefined) continue
      const key = this.#unwrapped(box, sealed.key)
      if (key === undefined) {
        unusable.add(digest)
        continue
      }
      await replaceFile(this.#pathOf(digest), Buffer.from(encode(box)))
      this.#held.set(digest, { box, key })
    }
    this.#unusable = unusable
  }

  /** The key of a sealed bundle, undefined for one that is not sealed; or why it cannot be opened here. */
  keyOf(digest: Digest, { sealed }: Manifest): Uint8Array | undefined | Failure {
    if (sealed === undefined) return undefined
    const key = this.#keyOf(digest, sealed.key)
    if (key !== undefined) return key
    const detail = this.#unusable.has(digest)
      ? 'the bundle is sealed, and the key that came with it is not for this device: enrol it again if its keys are new'
      : 'the bundle is sealed, and no key came with it'
    return { reason: 'sealed', detail }
  }

  /** Forgets all others but those that came last. */
  async retain(needed: ReadonlySet<Digest>): Promise<void> {
    for (const digest of this.#held.keys()) {
      if (needed.has(digest) || this.#newest.has(digest)) continue
      this.#held.delete(digest)
      try {
        await removeIfPresent(this.#pathOf(digest))
      } catch (error) {
        if (systemCode(error) === undefined) throw error
      }
    }
  }

  #keyOf(digest: Digest, keyId: string): Uint8Array | undefined {
    const held = this.#held.get(digest)
    if (held !== undefined) held.key ??= this.#unwrapped(held.box, keyId)
    return held?.key
  }

  #unwrapped(box: SealedKey, keyId: string): Uint8Array | undefined {
    return this.#secretKey && unwrapContentKey(box, keyId, this.#secretKey)
  }

  #pathOf(digest: Digest): string {
    return join(this.#folder, Digest.parse(digest))
  }
}

async function readBox(path: string): Promise<SealedKey | undefined> {
  try {
    const decoded = decode(SealedKey, await readFile(path))
    return decoded.ok ? decoded.message : undefined
  } catch (error) {
    if (isDamaged(error)) return undefined
    throw error
  }
}
