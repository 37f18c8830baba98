// Roles and the state of tokens in words. Pure.

import type { Role } from '../../../governance/grants.ts'
import type { Tone } from '../parts/tone.ts'

export const roleWords: readonly { role: Role; may: string; forWhom: string }[] = [
  { role: 'viewer', may: 'look at everything but tokens and the audit log', forWhom: 'people who only look' },
  { role: 'ci', may: 'look, and bring models, data sets and runs', forWhom: 'pipelines and training jobs' },
  { role: 'operator', may: 'look, and change devices, groups and rollouts', forWhom: 'who runs the fleet' },
  { role: 'approver', may: 'look, and approve promotions and stages', forWhom: 'who answers for what is shipped' },
  {
    role: 'admin',
    may: 'do all that the others may, make and revoke tokens, and read the audit log',
    forWhom: 'who runs the hub',
  },
]

export type Lifetime = { expiresAt: string | null; revokedAt: string | null }

/** Nearer than this an expiry is worth a look. */
const soonMs = 7 * 86_400_000

export function tokenState({ expiresAt, revokedAt }: Lifetime, nowMs: number): { title: string; tone: Tone } {
  if (revokedAt !== null) return { title: 'Revoked', tone: 'idle' }
  const leftMs = expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(expiresAt) - nowMs
  if (leftMs <= 0) return { title: 'Expired', tone: 'idle' }
  return leftMs < soonMs ? { title: 'Expires soon', tone: 'warn' } : { title: 'Valid', tone: 'good' }
}

export const isValid = (token: Lifetime, nowMs: number): boolean =>
  !['Revoked', 'Expired'].includes(tokenState(token, nowMs).title)

/** Words of a field that takes several: by commas or spaces; undefined where there are none. */
export function listed(text: string): string[] | undefined {
  const words = text.split(/[\s,]+/).filter((word) => word !== '')
  return words.length === 0 ? undefined : [...new Set(words)]
}

/** `site=north, line=3` as labels; undefined where a part is no pair. */
export function labelsIn(text: string): Record<string, string> | undefined {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  const pairs = parts.map((part) => /^([^\s=]+)\s*=\s*(.+)$/.exec(part))
  if (pairs.some((pair) => pair === null)) return undefined
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', (pair?.[2] ?? '').trim()]))
}
