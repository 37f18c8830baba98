// A device profile: what a class of hardware can do and may spend (firmware-profiles/*.json).

import { z } from 'zod'
import { Name } from '../protocol/names.ts'

/** With less an agent does not start. */
export const outboxBytesMin = 262_144

export const Profile = z.object({
  name: Name,
  description: z.string().max(300),
  /** Memory one runtime may use for models, beyond the bare process. */
  memoryBytes: z.number().int().positive(),
  /** Disk for blobs, and for the outbox. */
  blobBytes: z.number().int().positive(),
  outboxBytes: z.number().int().min(outboxBytesMin),
  /** `warm`: old and new runtime side by side; `stop-start`: the old one ends first, requests wait in the listener's queue. */
  switch: z.enum(['warm', 'stop-start']),
  probationMs: z.number().int().positive(),
  /** How bundles are fetched, where the agent's settings do not say: `auto`, unless given. */
  download: z.enum(['auto', 'mqtt', 'http']).optional(),
  /** How fast one thread runs a model, relative to generic-x64: what the hub divides its own latency by. A guess in the
   *  profiles that come with Roost, so that nothing but `unlikely` may rest on it. */
  speed: z.number().positive().max(1000).optional(),
  /** Share of failed inferences in probation beyond which the version is taken back. */
  probationErrorShareMax: z.number().min(0).max(1),
})
export type Profile = z.infer<typeof Profile>
