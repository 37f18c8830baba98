// Fields that many requests have in common, with the limits of MLflow's own server.

import { z } from '@hono/zod-openapi'
import { double, integer, text } from './request.ts'

const keyLengthMax = 250
const paramLengthMax = 6_000
const tagLengthMax = 8_000
/** Also of the `experiment_id` of a request that names none. */
export const defaultExperiment = '0'

/** Of a metric, parameter or tag. Clients make files of such names: no two may be the same file, none lead elsewhere. */
export const keyName = text(keyLengthMax)
  .regex(/^[/\p{L}\p{N}_.\- :]+$/u, {
    message: 'names may only contain alphanumerics, underscores, dashes, periods, spaces, colons and slashes',
  })
  .refine((name) => !name.startsWith('..') && name.split('/').every((part) => !['', '.', '..'].includes(part)), {
    message: 'names may be treated as files, and this one would resolve to another',
  })

export const ViewType = z.enum(['ACTIVE_ONLY', 'DELETED_ONLY', 'ALL']).default('ACTIVE_ONLY')
export const PageToken = z
  .string()
  .max(20_000)
  .optional()
  .transform((token) => (token === '' ? undefined : token))
export const orderBy = z.array(text(1_000)).max(10).default([])
export const filter = text(100_000).default('')

/** A number that a client says as text. */
export const ExperimentId = z
  .union([z.string(), z.number().transform(String)])
  .refine((id) => /^\d{1,15}$/.test(id), { message: 'an experiment id is a whole number' })
  .transform(Number)

/** Newer clients say `run_id`, older ones `run_uuid`, some both; `runIdOf` takes what is there. */
export const runIdFields = { run_id: text(256).optional(), run_uuid: text(256).optional() }

export const Param = z.object({ key: keyName, value: text(paramLengthMax).default('') })
export const Tag = z.object({ key: keyName, value: text(tagLengthMax).default('') })
export const Metric = z.object({
  key: keyName,
  value: double,
  timestamp: integer.refine((ms) => ms >= 0, { message: 'a timestamp is not negative' }),
  step: integer.default(0),
  model_id: text(100).optional(),
  dataset_name: text(500).optional(),
  dataset_digest: text(36).optional(),
})
