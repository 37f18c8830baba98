// A bundle placed in a deployment, and the set of them that one runtime process runs.
// Sets are compared by what they run (deployment and manifest), never by the attempt or generation that asked for it.

import { DeploymentName, Digest, ModelName } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'

/** As many as an assignment can name. */
export const bundlesMax = 64

export const Bundle = z.object({
  deployment: DeploymentName,
  manifest: Digest,
  attempt: z.number().int().positive(),
  model: ModelName,
  version: z.number().int().positive(),
})
export type Bundle = z.infer<typeof Bundle>

/** `generation`: of the assignment under which the set was put together; 0 for the empty set of a new device. */
export const BundleSet = z.object({
  generation: z.number().int().nonnegative(),
  bundles: z.array(Bundle).max(bundlesMax),
})
export type BundleSet = z.infer<typeof BundleSet>

export const emptySet: BundleSet = { generation: 0, bundles: [] }

/** Says what runs and nothing else; two sets with one key are served by the same runtime process. */
export function keyOf(set: BundleSet): string {
  return set.bundles
    .map(({ deployment, manifest }) => `${deployment}=${manifest}`)
    .sort()
    .join(' ')
}

/** The manifests of the set that has this key. */
export const manifestsOf = (key: string): Digest[] =>
  key.split(' ').flatMap((place) => Digest.safeParse(place.split('=')[1]).data ?? [])

export const bundleOf = (set: BundleSet, deployment: string): Bundle | undefined =>
  set.bundles.find((bundle) => bundle.deployment === deployment)

/** The bundles of `next` that `base` does not run in the same deployment: those a new failure is attributed to. */
export function changedBundles(next: BundleSet, base: BundleSet): Bundle[] {
  return next.bundles.filter((bundle) => bundleOf(base, bundle.deployment)?.manifest !== bundle.manifest)
}
