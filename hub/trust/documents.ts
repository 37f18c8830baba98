// Keys and roots as the API shows them. No private part is in any of it.

import { z } from '@hono/zod-openapi'
import { KeyId } from '@roost/shared/trust/keys.ts'

const Time = z.iso.datetime()

export const purposes = ['root', 'release', 'assignment', 'audit', 'seal'] as const
export const Purpose = z.enum(purposes)
export type Purpose = z.infer<typeof Purpose>

/** `in-use`: named by the newest root, or the one that the hub works with. `next`: made, and not named yet.
 *  `retired`: named by an earlier root only, so that nothing it signs counts any more. */
export const KeyState = z.enum(['in-use', 'next', 'retired'])
export type KeyState = z.infer<typeof KeyState>

export const KeyDocument = z
  .object({
    purpose: Purpose,
    id: KeyId.nullable().openapi({ description: 'sha256 of the public part; null where there is none' }),
    algorithm: z.enum(['ed25519', 'chacha20-poly1305']),
    publicKey: z.string().nullable().openapi({ description: 'PEM' }),
    state: KeyState,
    here: z.boolean().openapi({ description: 'whether the private part lies at this hub' }),
    since: Time.nullable().openapi({
      description:
        'when the root that named it first was followed, by the audit log; of what it has no entry of, the time of the file',
    }),
    until: Time.nullable().openapi({ description: 'when the root that named it no longer was followed' }),
    expires: Time.nullable().openapi({ description: 'when the root that names it expires' }),
    roots: z
      .object({ first: z.number().int(), last: z.number().int() })
      .nullable()
      .openapi({ description: 'the versions of the root that name it' }),
    signed: z
      .object({ count: z.number().int(), what: z.enum(['roots', 'manifests', 'rows', 'bundles']) })
      .nullable()
      .openapi({ description: 'what it signed, or locked, that is kept; null: answers to devices, which are not' }),
  })
  .openapi('Key')
export type KeyDocument = z.infer<typeof KeyDocument>

const Threshold = z.object({ threshold: z.number().int(), keys: z.number().int() })

export const KeysDocument = z
  .object({
    root: z.object({
      version: z.number().int(),
      expires: Time,
      expired: z.boolean(),
      roles: z.object({ root: Threshold, release: Threshold, assignment: Threshold }),
    }),
    keys: z.array(KeyDocument),
    devices: z
      .array(z.object({ rootVersion: z.number().int().nullable(), devices: z.number().int() }))
      .openapi({ description: 'which root the devices follow; null: they have not said hello yet' }),
  })
  .openapi('Keys')
export type KeysDocument = z.infer<typeof KeysDocument>

export const RootDocument = z
  .object({ version: z.number().int(), expires: Time, envelope: z.base64() })
  .openapi('SignedRoot')
