// Takes a manifest's signature that was made elsewhere: an envelope over the very bytes this hub gave out, signed by
// the release role of the root.

import { verifyManifest } from '@roost/shared/bundle/manifest.ts'
import { TrustError } from '@roost/shared/trust/error.ts'
import type { Root } from '@roost/shared/trust/root.ts'
import { type Change, writeAudited } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { notFound, Problem } from '../problem.ts'
import { touchVersion } from './edit.ts'
import { findVersion, setEnvelope } from './store.ts'

/** Sent again, it changes nothing.
 *  @throws Problem not-found, signature-refused (with the code of the TrustError), other-manifest */
export async function acceptSignature(
  hub: Hub,
  model: string,
  version: number,
  envelope: Uint8Array,
  change: Change,
): Promise<void> {
  const known = await findVersion(hub.database, model, version)
  if (known === undefined) throw notFound('version', `${model}/${version}`)
  const { digest } = verify(hub, envelope)
  if (!known.variants.some((variant) => variant.digest === digest)) {
    const ours = known.variants.map((variant) => `${variant.digest} (${variant.variant})`).join(', ')
    const detail = `the envelope holds manifest ${digest}; version ${version} of ${model} is ${ours}`
    throw new Problem(422, 'other-manifest', 'Another manifest was signed', detail)
  }
  const nowMs = hub.clock()
  await writeAudited(
    hub.database,
    nowMs,
    [{ ...change, after: { manifest: digest } }],
    [setEnvelope(digest, envelope, nowMs), touchVersion(model, version, nowMs)],
  )
  hub.log.info({ model, version, digest }, 'manifest signed')
}

function verify(hub: Hub, envelope: Uint8Array): ReturnType<typeof verifyManifest> {
  try {
    return verifyManifest(envelope, hub.keys.root)
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    throw new Problem(422, 'signature-refused', 'The signature is not accepted', error.message, {
      members: { reason: error.code },
      cause: error,
    })
  }
}

/** Whether the release role of `root` has signed the manifest in an envelope. */
export function isSignedFor(root: Root, envelope: Uint8Array): boolean {
  try {
    verifyManifest(envelope, root)
    return true
  } catch (error) {
    if (error instanceof TrustError) return false
    throw error
  }
}
