// root.json: which keys hold which role, with what threshold, until when (TUF 1.0.34 §5.3, reduced to three roles).

import { z } from 'zod'
import { KeyId, PublicKey } from './keys.ts'

export const roles = ['root', 'release', 'assignment'] as const
export type RoleName = (typeof roles)[number]

export const Role = z.object({ keyids: z.array(KeyId).min(1).max(16), threshold: z.number().int().positive().max(16) })
export type Role = z.infer<typeof Role>

export const Root = z.object({
  type: z.literal('root'),
  formatVersion: z.literal(1),
  version: z.number().int().positive(),
  expires: z.iso.datetime(),
  keys: z.record(KeyId, PublicKey),
  roles: z.object({ root: Role, release: Role, assignment: Role }),
})
export type Root = z.infer<typeof Root>
