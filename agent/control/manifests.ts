// The manifests this device works with, on disk as the envelopes they came in: what serves must be known after a restart
// without a hub. Which of them may run is decided elsewhere: here a name says only that the bytes hash to it.

import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Manifest, manifestDigest, parseManifest } from '@roost/shared/bundle/manifest.ts'
import { Digest } from '@roost/shared/protocol/names.ts'
import { decodeEnvelope, payloadTypes } from '@roost/shared/trust/envelope.ts'
import { TrustError } from '@roost/shared/trust/error.ts'
import type { Logger } from 'pino'
import { isDamaged, removeIfPresent, replaceFile, systemCode } from '../durable-file.ts'

type Held = { manifest: Manifest; envelope: Uint8Array }

/** Bounded by what is kept: the sets of slots.json and the wish, at most 64 each. */
export class Manifests {
  readonly #folder: string
  readonly #held: Map<Digest, Held>
  /** Of the last `put`: wished, or about to be, whatever was needed when a `retain` under way began. */
  #newest: ReadonlySet<Digest> = new Set()

  private constructor(folder: string, held: Map<Digest, Held>) {
    this.#folder = folder
    this.#held = held
  }

  /** Reads what is there. A damaged file counts as missing: the next assignment brings the manifest again.
   *  @throws the file system's error where the folder cannot be read */
  static async open(folder: string, log: Pick<Logger, 'warn'>): Promise<Manifests> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const held = new Map<Digest, Held>()
    for (const name of await readdir(folder)) {
      if (!Digest.safeParse(name).success) continue
      const found = await readHeld(join(folder, name), name)
      if (found === undefined) log.warn({ manifest: name }, 'a manifest on disk is damaged')
      else held.set(name, found)
    }
    return new Manifests(folder, held)
  }

  get(digest: Digest): Manifest | undefined {
    return this.#held.get(digest)?.manifest
  }

  envelopeOf(digest: Digest): Uint8Array | undefined {
    return this.#held.get(digest)?.envelope
  }

  /** Whether a bundle that is kept here has a file of this name. */
  hasFile(sha256: Digest): boolean {
    return [...this.#held.values()].some(({ manifest }) => manifest.files.some((file) => file.sha256 === sha256))
  }

  /** Keeps manifests that were verified in these envelopes. Durable when it resolves.
   *  @throws the file system's error */
  async put(manifests: ReadonlyMap<Digest, Manifest>, envelopes: ReadonlyMap<Digest, Uint8Array>): Promise<void> {
    this.#newest = new Set(envelopes.keys())
    for (const [digest, envelope] of envelopes) {
      const manifest = manifests.get(digest)
      if (manifest === undefined || this.#held.has(digest)) continue
      await replaceFile(this.#pathOf(digest), envelope)
      this.#held.set(digest, { manifest, envelope })
    }
  }

  /** Forgets all others but those that came last. A file the disk does not let go of is found again at the next start. */
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

  #pathOf(digest: Digest): string {
    return join(this.#folder, Digest.parse(digest))
  }
}

async function readHeld(path: string, digest: Digest): Promise<Held | undefined> {
  try {
    const envelope = await readFile(path)
    const { payload } = decodeEnvelope(envelope, payloadTypes.manifest)
    return manifestDigest(payload) === digest ? { manifest: parseManifest(payload), envelope } : undefined
  } catch (error) {
    if (error instanceof TrustError || isDamaged(error)) return undefined
    throw error
  }
}
