// From what the hub wishes to what this device goes for: what failed here or does not fit is left out,
// and its deployment keeps what it runs, so that one bad bundle does not hold up the others.

import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import type { Profile } from '@roost/shared/profiles/profile.ts'
import { type Bundle, type BundleSet, bundleOf } from './bundle-set.ts'
import type { WishedShadow } from './shadow-set.ts'
import { denialOf, type Slots } from './slots.ts'

/** `misfit`: why this device cannot run it, in words; undefined where it can. */
export type WishedBundle = Bundle & { misfit?: string | undefined }

/** An accepted assignment. */
export type Wish = {
  generation: number
  bundles: readonly WishedBundle[]
  /** What shall run beside them. */
  shadows: readonly WishedShadow[]
  /** Ordinal of the hello it answers, and when that was sent (monotonic ms). */
  hello: number
  askedAt: number
  /** Past its `expires`, by the device's trusted time: nothing new may be installed under it. */
  expired: boolean
}

/** The set to run: the current set where nothing is wished. */
export function targetOf(wish: Wish | undefined, slots: Slots): BundleSet {
  if (wish === undefined) return slots.current
  const bundles = wish.bundles.flatMap((wished) => {
    const running = bundleOf(slots.current, wished.deployment)
    if (running?.manifest === wished.manifest) return [running]
    if (denialOf(slots, wished) !== undefined || wished.misfit !== undefined)
      return running === undefined ? [] : [running]
    const { deployment, manifest, attempt, model, version } = wished
    return [{ deployment, manifest, attempt, model, version }]
  })
  return { generation: wish.generation, bundles }
}

/** Why a manifest cannot run on a device of this profile; undefined where it can. */
export function misfitOf(manifest: Manifest, profile: Profile): string | undefined {
  if (manifest.profiles.length > 0 && !manifest.profiles.includes(profile.name)) {
    return `made for ${manifest.profiles.join(', ')}, this device is ${profile.name}`
  }
  if (manifest.limits.memoryBytes > profile.memoryBytes) {
    return `may take ${manifest.limits.memoryBytes} bytes of memory, this device grants ${profile.memoryBytes}`
  }
  const sizeBytes = manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0)
  if (sizeBytes > profile.blobBytes) return `is ${sizeBytes} bytes, this device keeps ${profile.blobBytes}`
  return undefined
}
