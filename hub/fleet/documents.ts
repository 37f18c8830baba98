// Claims, devices and groups as the API shows them: schemas, and rows turned into them.

import { z } from '@hono/zod-openapi'
import { FailureReason, ProgressState } from '@roost/shared/protocol/progress.ts'
import { Problem } from '../problem.ts'
import { type ClaimRow, claimFault } from './claims.ts'
import type { DesiredRow } from './desired.ts'
import type { DeviceRow } from './devices.ts'
import type { GroupRow } from './groups.ts'
import { Labels, parseQuery, type Query, queryLengthMax } from './labels.ts'
import type { DeploymentRow } from './progress.ts'

const Time = z.iso.datetime()

export const ClaimDocument = z
  .object({
    id: z.string(),
    labels: Labels,
    uses: z.number().int(),
    usesMax: z.number().int(),
    /** Whether a device can still enrol with it. */
    state: z.enum(['open', 'revoked', 'expired', 'used-up']),
    createdBy: z.string(),
    createdAt: Time,
    expiresAt: Time,
  })
  .openapi('Claim')
export type ClaimDocument = z.infer<typeof ClaimDocument>

export const showClaim = (row: ClaimRow, nowMs: number): ClaimDocument => ({
  id: row.id,
  labels: row.labels,
  uses: row.uses,
  usesMax: row.uses_max,
  state: claimFault(row, nowMs) ?? 'open',
  createdBy: row.created_by,
  createdAt: iso(row.created_at),
  expiresAt: iso(row.expires_at),
})

export const DeviceDocument = z
  .object({
    id: z.string(),
    profile: z.string(),
    labels: Labels,
    connected: z.boolean(),
    /** Null before its first hello, as are the fields below. */
    lastSeenAt: Time.nullable(),
    agent: z.string().nullable(),
    rootVersion: z.number().int().nullable(),
    /** Without a fresh answer of the hub, by its own word. */
    stale: z.boolean().nullable(),
    /** Of what is wanted, and what the device last said it knew of. */
    generation: z.number().int(),
    reportedGeneration: z.number().int().nullable(),
    enrolledAt: Time,
    revokedAt: Time.nullable(),
    /** It failed three times, and no rollout offers it anything until then; a retry clears it. */
    asideUntil: Time.nullable(),
  })
  .openapi('Device')
export type DeviceDocument = z.infer<typeof DeviceDocument>

export const showDevice = (row: DeviceRow, connected: boolean, nowMs: number): DeviceDocument => ({
  id: row.id,
  profile: row.profile,
  labels: row.labels,
  connected,
  lastSeenAt: isoOrNull(connected ? nowMs : row.last_seen_at),
  agent: row.agent,
  rootVersion: row.root_version,
  stale: row.stale,
  generation: row.generation,
  reportedGeneration: row.reported_generation,
  enrolledAt: iso(row.enrolled_at),
  revokedAt: isoOrNull(row.revoked_at),
  asideUntil: isoOrNull(row.aside_until !== null && row.aside_until > nowMs ? row.aside_until : null),
})

const DesiredDocument = z.object({
  deployment: z.string(),
  role: z.enum(['primary', 'shadow']),
  /** Of a shadow: the share of the primary's inferences that it repeats; null: as the device has it by itself. */
  sample: z.number().nullable(),
  manifest: z.string(),
  /** Null where the registry does not know the manifest. */
  model: z.string().nullable(),
  version: z.number().int().nullable(),
  attempt: z.number().int(),
  generation: z.number().int(),
  changedBy: z.string(),
  changedAt: Time,
})
const ReportedDocument = z.object({
  deployment: z.string(),
  manifest: z.string(),
  /** Null where the registry does not know the manifest. */
  model: z.string().nullable(),
  version: z.number().int().nullable(),
  attempt: z.number().int(),
  state: ProgressState,
  reason: FailureReason.nullable(),
  detail: z.string().nullable(),
  /** It serves in the deployment, by the device's latest word. */
  running: z.boolean(),
  changedAt: Time,
})
export const DeviceDetail = DeviceDocument.extend({
  desired: z.array(DesiredDocument),
  reported: z.array(ReportedDocument),
}).openapi('DeviceDetail')
export type DeviceDetail = z.infer<typeof DeviceDetail>

export const showDesired = (row: DesiredRow): z.infer<typeof DesiredDocument> => ({
  deployment: row.deployment,
  role: row.role,
  sample: row.sample,
  manifest: row.manifest,
  model: row.model,
  version: row.version,
  attempt: row.attempt,
  generation: row.generation,
  changedBy: row.changed_by,
  changedAt: iso(row.changed_at),
})

export function showReported({ changed_at, device: _, ...row }: DeploymentRow): z.infer<typeof ReportedDocument> {
  return { ...row, changedAt: iso(changed_at) }
}

export const GroupDocument = z
  .object({
    name: z.string(),
    query: z.string(),
    description: z.string(),
    createdBy: z.string(),
    createdAt: Time,
    changedAt: Time,
  })
  .openapi('Group')
export type GroupDocument = z.infer<typeof GroupDocument>

export const showGroup = (row: GroupRow): GroupDocument => ({
  name: row.name,
  query: row.query,
  description: row.description,
  createdBy: row.created_by,
  createdAt: iso(row.created_at),
  changedAt: iso(row.changed_at),
})

/** A label query as it comes in. */
export const QueryText = z
  .string()
  .max(queryLengthMax)
  .openapi({ example: 'site = north and profile in (raspberry-pi-4, raspberry-pi-5)' })

/** @throws Problem bad-query, with the place */
export function readQuery(text: string): Query {
  const parsed = parseQuery(text)
  if (parsed.ok) return parsed.query
  const { at, message } = parsed
  throw new Problem(422, 'bad-query', 'The label query cannot be read', `${message}, at character ${at + 1}`, {
    field: 'query',
    members: { at },
  })
}

export const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
export const jsonBody = <S extends z.ZodType>(schema: S) => ({
  body: { required: true, content: { 'application/json': { schema } } },
})

const iso = (ms: number): string => new Date(ms).toISOString()
const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms))
