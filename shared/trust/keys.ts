// Ed25519 keys as Roost writes them down. A key is identified by the sha256 of its raw public half.

import { z } from 'zod'

/** sha256 of the 32 raw bytes of the public key, hex. */
export const KeyId = z.string().regex(/^[0-9a-f]{64}$/)
export type KeyId = z.infer<typeof KeyId>

/** The public half: 32 raw bytes, base64. */
export const PublicKey = z.object({ scheme: z.literal('ed25519'), public: z.base64().length(44) })
export type PublicKey = z.infer<typeof PublicKey>
