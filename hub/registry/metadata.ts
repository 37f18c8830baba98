// What CI says about a version it registers: the `metadata` part of the upload, and what holds where it says nothing.

import { Limits, Task } from '@roost/shared/bundle/manifest.ts'
import { WindowSpec } from '@roost/shared/drift/baseline.ts'
import { FeatureDefinitions } from '@roost/shared/features/definition.ts'
import { Digest, Name } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { invalidRequest, Problem } from '../problem.ts'
import { PlainText, Tags } from './tags.ts'

const Reference = PlainText.min(1).max(300)
export const Description = PlainText.max(10_000)

export const Metadata = z.object({
  description: Description.default(''),
  /** As measured by whoever trained it: accuracy, loss, … */
  metrics: z
    .record(PlainText.min(1).max(100), z.number())
    .refine((metrics) => Object.keys(metrics).length <= 200, 'at most 200 metrics')
    .default({}),
  /** Where it comes from: the commit, the run, the data. */
  commit: Reference.optional(),
  run: Reference.optional(),
  dataset: Reference.optional(),
  /** Snapshots it was made of, and what each was for. */
  datasets: z
    .array(z.strictObject({ digest: Digest, role: Name.default('training') }))
    .max(64)
    .default([]),
  /** What trained it: `sklearn 1.7`, `pytorch`, … */
  framework: Reference.optional(),
  /** Where another registry's client says its files lie. */
  source: PlainText.min(1).max(2_000).optional(),
  tags: Tags.default({}),
  task: Task.optional(),
  features: FeatureDefinitions.optional(),
  /** What the model may use on a device; what is left out is `limitsFor`. */
  limits: Limits.partial().default({}),
  window: WindowSpec.default({ seconds: 60 }),
  variant: Name.default('fp32'),
  /** Device profiles it is for; empty: any. */
  profiles: z.array(Name).max(64).default([]),
  /** Encrypted for the devices it is assigned to; left out: as the model says. */
  sealed: z.boolean().optional(),
  /** false: the manifest awaits a signature made elsewhere, also where this hub holds a release key. */
  sign: z.boolean().default(true),
})
export type Metadata = z.infer<typeof Metadata>

/** @throws Problem invalid-request, naming the field inside `metadata` */
export function parseMetadata(json: unknown): Metadata {
  const result = Metadata.safeParse(json)
  if (!result.success) {
    throw invalidRequest({
      issues: result.error.issues.map((issue) => ({ ...issue, path: ['metadata', ...issue.path] })),
    })
  }
  const unknown = unknownFields(json, result.data, 'metadata')[0]
  if (unknown !== undefined) {
    throw new Problem(
      422,
      'unknown-field',
      'Unknown field',
      `there is no field ${unknown}; a typo would be ignored otherwise`,
      {
        field: unknown,
      },
    )
  }
  return result.data
}

/** Fields of `given` that its schema has dropped, as paths. Schemas shared with devices let unknown fields pass,
 *  so that both sides may be of different ages; here a typo must not. */
function unknownFields(given: unknown, read: unknown, path: string): string[] {
  if (Array.isArray(given) && Array.isArray(read)) {
    return given.flatMap((item, i) => unknownFields(item, read[i], `${path}[${i}]`))
  }
  if (!isRecord(given) || !isRecord(read)) return []
  return Object.entries(given).flatMap(([name, value]) =>
    Object.hasOwn(read, name) ? unknownFields(value, read[name], `${path}.${name}`) : [`${path}.${name}`],
  )
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const mebibyte = 1_048_576

/** Generous for what a gateway runs: a model unfolds to a few times its file in memory. */
export function limitsFor(given: Metadata['limits'], modelBytes: number): Limits {
  return {
    memoryBytes: given.memoryBytes ?? Math.max(128 * mebibyte, 4 * modelBytes),
    trialMs: given.trialMs ?? 60_000,
    inferenceMs: given.inferenceMs ?? 2_000,
  }
}
