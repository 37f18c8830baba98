// A device profile in which nothing is short.

import type { Profile } from '@roost/shared/profiles/profile.ts'

export const aProfile: Profile = {
  name: 'generic-x64',
  description: '',
  memoryBytes: 536_870_912,
  blobBytes: 536_870_912,
  outboxBytes: 33_554_432,
  switch: 'warm',
  probationMs: 30_000,
  probationErrorShareMax: 0.05,
}
