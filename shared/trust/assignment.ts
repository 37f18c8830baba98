// The assignment: the hub's signed wish for one device, whole, in answer to one nonce.

import { z } from 'zod'
import { DeploymentName, DeviceId, Digest, ModelName } from '../protocol/names.ts'

export const Assignment = z.object({
  type: z.literal('assignment'),
  formatVersion: z.literal(1),
  device: DeviceId,
  /** Only grows; a change of anything below is a new generation. */
  generation: z.number().int().positive(),
  /** The nonce of the hello it answers, hex. */
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
  /** Hub time; device time moves forward to it. */
  issued: z.iso.datetime(),
  /** After this the assignment allows no new install; what serves goes on serving. */
  expires: z.iso.datetime(),
  deployments: z
    .array(
      z.object({
        deployment: DeploymentName,
        /** sha256 of the manifest's exact bytes (the payload of its envelope). */
        manifest: Digest,
        /** Raised by the hub to try a digest again that this device has denied. */
        attempt: z.number().int().positive(),
      }),
    )
    .max(64),
  /** Lowest counter of each model that may still be installed. */
  floors: z.record(ModelName, z.number().int().positive()),
})
export type Assignment = z.infer<typeof Assignment>
