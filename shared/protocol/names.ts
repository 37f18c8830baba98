// The names that travel: what a device, a model, a deployment may be called, and how a digest is written.
// Checked once where they enter; everything built from them (topics, paths, SQL arguments) may trust them.

import { z } from 'zod'

/** Lower-case words with hyphens, as in DNS labels: safe in a topic, a path and a URL. 1 to 63 characters. */
export const Name = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'use 1 to 63 lower-case letters, digits and hyphens')

export const DeviceId = Name
export const ModelName = Name
export const DeploymentName = Name

/** sha256, 64 hex digits: the name of a blob. */
export const Digest = z.string().regex(/^[0-9a-f]{64}$/, 'a sha256 is 64 lower-case hex digits')
export type Digest = z.infer<typeof Digest>

/** Since 1970, as far as a Date reaches: a time of a device's must not be one that nobody can write down. */
export const Milliseconds = z.number().int().nonnegative().max(8_640_000_000_000_000)
