// The files of bundles as the reconciler sees them: which are here, which are being fetched, what went wrong.
// Bundles are fetched one after the other: a weak link shared by two would bring both later.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { BundleFile, Manifest } from '@roost/shared/bundle/manifest.ts'
import type { Patch } from '@roost/shared/protocol/messages.ts'
import type { Digest } from '@roost/shared/protocol/names.ts'
import type { Logger } from 'pino'
import type { BlobStore } from '../download/blob-store.ts'
import { type DownloadWays, downloadBlob } from '../download/download.ts'
import { DownloadError } from '../download/error.ts'
import { asDownloadError } from '../download/partial-blob.ts'
import { systemCode } from '../durable-file.ts'
import { feedBeside } from '../reconcile/beside.ts'
import type { Bundle } from '../reconcile/bundle-set.ts'
import type { Failure } from '../reconcile/slots.ts'
import type { FilesState } from '../reconcile/steps.ts'
import type { LoadedBundle } from '../runtime/messages.ts'
import type { SealedKeys } from '../sealing/sealed-keys.ts'
import type { Manifests } from './manifests.ts'

export type BundleFilesOptions = {
  blobs: BlobStore
  manifests: Manifests
  sealedKeys: Pick<SealedKeys, 'keyOf' | 'retain'>
  ways: DownloadWays
  log: Pick<Logger, 'info' | 'warn'>
  /** Told whenever `stateOf` may answer differently. */
  changed: () => void
  onPatchFailed: (detail: string) => void
}

/** `better`: aborted when a patch came for it. */
type FileUnderWay = { sha256: Digest; patch: Patch | undefined; better: AbortController }

export class BundleFiles {
  readonly #options: BundleFilesOptions
  readonly #fetching = new Map<Digest, AbortController>()
  readonly #failures = new Map<Digest, Failure>()
  /** Of the latest assignment, by the file they make. */
  #patches: ReadonlyMap<Digest, Patch> = new Map()
  #underWay: FileUnderWay | undefined
  #queue: Promise<void> = Promise.resolve()

  constructor(options: BundleFilesOptions) {
    this.#options = options
  }

  stateOf(digest: Digest): FilesState {
    if (this.#fetching.has(digest)) return { state: 'fetching' }
    const failure = this.#failures.get(digest)
    if (failure !== undefined) return { state: 'failed', failure }
    const manifest = this.#options.manifests.get(digest)
    if (manifest === undefined) return { state: 'failed', failure: manifestGone }
    const key = this.#options.sealedKeys.keyOf(digest, manifest)
    if (key !== undefined && 'reason' in key) return { state: 'failed', failure: key }
    return manifest.files.every((file) => this.#options.blobs.has(file)) ? { state: 'present' } : { state: 'missing' }
  }

  /** Why the one cannot run beside the other; also where a manifest is gone, which an assignment brings again. */
  misfitBeside(candidate: Digest, primary: Digest): string | undefined {
    const [one, other] = [candidate, primary].map((digest) => this.#options.manifests.get(digest))
    if (one === undefined || other === undefined) return undefined
    const feed = feedBeside(one, other)
    return 'why' in feed ? feed.why : undefined
  }

  /** Without those that were cancelled and have not ended yet. */
  fetching(): Digest[] {
    return [...this.#fetching].flatMap(([digest, cancelled]) => (cancelled.signal.aborted ? [] : [digest]))
  }

  /** Where a bundle whose files are present lies. */
  locate({ deployment, manifest: digest }: Bundle): LoadedBundle {
    const manifest = this.#options.manifests.get(digest)
    if (manifest === undefined) throw new TypeError(`the manifest ${digest} is not here`)
    const { model, ...parts } = this.#pathsOf(manifest)
    if (model === undefined) throw new TypeError(`the manifest ${digest} has no model`)
    const key = this.#options.sealedKeys.keyOf(digest, manifest)
    const contentKey = key === undefined || 'reason' in key ? {} : { contentKey: key }
    return { deployment, digest, manifest, ...contentKey, files: { model, ...parts } }
  }

  fetch(bundles: readonly Bundle[]): void {
    for (const { manifest: digest } of bundles) {
      const manifest = this.#options.manifests.get(digest)
      if (manifest === undefined || this.#fetching.has(digest)) continue
      const cancelled = new AbortController()
      this.#fetching.set(digest, cancelled)
      this.#queue = this.#queue.then(() => this.#fetch(digest, manifest, cancelled.signal))
    }
  }

  /** What came so far stays on disk for the next time. */
  cancel(manifests: readonly Digest[]): void {
    for (const digest of manifests) this.#fetching.get(digest)?.abort()
  }

  forgetFailure(digest: Digest): void {
    this.#failures.delete(digest)
  }

  /** Shorter ways to files, as the hub knows them now. One that is being fetched goes on by its patch. */
  offer(patches: readonly Patch[]): void {
    // nobody signed them, and a patch is removed once it was applied: under the name of a file of ours it would be that one
    const strange = patches.filter(({ blob }) => !this.#options.manifests.hasFile(blob))
    this.#patches = new Map(strange.map((patch) => [patch.to, patch]))
    const { sha256, patch, better } = this.#underWay ?? {}
    if (sha256 !== undefined && patch === undefined && this.#patches.has(sha256)) better?.abort()
  }

  /** Files of other bundles may go when room is needed, their manifests go now. */
  async keep(needed: ReadonlySet<Digest>): Promise<void> {
    const { blobs, manifests, sealedKeys } = this.#options
    for (const digest of this.#failures.keys()) if (!needed.has(digest)) this.#failures.delete(digest)
    const files = [...needed].flatMap((digest) => manifests.get(digest)?.files ?? [])
    blobs.keep(new Set(files.map(({ sha256 }) => sha256)))
    await manifests.retain(needed)
    await sealedKeys.retain(needed)
  }

  /** Hashes a bundle's files on disk and removes those that are not what they should be: they can be had again. */
  async recheck(digest: Digest): Promise<void> {
    const { blobs, manifests, log } = this.#options
    for (const file of manifests.get(digest)?.files ?? []) {
      if (!blobs.has(file) || (await hashOf(blobs.pathOf(file.sha256))) === file.sha256) continue
      log.warn({ blob: file.sha256, manifest: digest }, 'a file on disk is damaged and is fetched again')
      await blobs.remove(file.sha256)
    }
  }

  /** Ends all downloads. */
  async close(): Promise<void> {
    this.cancel(this.fetching())
    await this.#queue
  }

  async #fetch(digest: Digest, manifest: Manifest, signal: AbortSignal): Promise<void> {
    const { log, changed } = this.#options
    try {
      signal.throwIfAborted()
      for (const file of smallestFirst(manifest)) await this.#fetchFile(file, signal)
    } catch (error) {
      if (!signal.aborted) this.#fail(digest, asDownloadError(error))
    } finally {
      this.#fetching.delete(digest)
      log.info({ event: 'fetched', manifest: digest, ...this.stateOf(digest) }, 'files of a bundle')
      changed()
    }
  }

  async #fetchFile(file: BundleFile, signal: AbortSignal): Promise<void> {
    const { blobs, ways, onPatchFailed } = this.#options
    for (;;) {
      const patch = this.#patches.get(file.sha256)
      const better = new AbortController()
      this.#underWay = { sha256: file.sha256, patch, better }
      const hint = patch && { patch, onFailed: onPatchFailed }
      try {
        return await downloadBlob(file, blobs, ways, AbortSignal.any([signal, better.signal]), hint)
      } catch (error) {
        if (signal.aborted || !better.signal.aborted) throw error
      } finally {
        this.#underWay = undefined
      }
    }
  }

  #fail(digest: Digest, error: unknown): void {
    if (!(error instanceof DownloadError)) throw error
    this.#failures.set(digest, { reason: error.reason, detail: error.message })
  }

  #pathsOf(manifest: Manifest): Partial<Record<BundleFile['role'], string>> {
    return Object.fromEntries(manifest.files.map(({ role, sha256 }) => [role, this.#options.blobs.pathOf(sha256)]))
  }
}

const manifestGone: Failure = { reason: 'download', detail: 'its manifest is gone; the next assignment brings it' }

const smallestFirst = ({ files }: Manifest) => files.toSorted((a, b) => a.sizeBytes - b.sizeBytes)

/** Undefined where the disk does not give the file back. */
async function hashOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256')
  try {
    for await (const bytes of createReadStream(path)) hash.update(bytes)
  } catch (error) {
    if (systemCode(error) !== undefined) return undefined
    throw error
  }
  return hash.digest('hex')
}
