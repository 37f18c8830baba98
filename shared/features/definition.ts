// Feature definitions: how the fields of a raw record become the inputs of a model. Data, not code:
// stored at the hub, named by the version, compiled by compile.ts for hub and device alike.

import { z } from 'zod'

const FeatureName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_.]{0,62}$/, 'use letters, digits, _ and ., 63 at most')

export const windowRowsMax = 4096

/** Over the last `rows` records of the same key, this one included, unless it says otherwise. */
export const Transform = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('last') }),
  z.object({ kind: z.literal('rolling_mean'), rows: z.number().int().min(1).max(windowRowsMax) }),
  /** Population standard deviation. */
  z.object({ kind: z.literal('rolling_deviation'), rows: z.number().int().min(2).max(windowRowsMax) }),
  /** The value less the rolling mean. */
  z.object({ kind: z.literal('centred'), rows: z.number().int().min(2).max(windowRowsMax) }),
  /** The value less the one `lag` records before. */
  z.object({ kind: z.literal('difference'), lag: z.number().int().min(1).max(windowRowsMax) }),
  /** The difference per second, by the definitions' time field. */
  z.object({ kind: z.literal('rate'), lag: z.number().int().min(1).max(windowRowsMax) }),
])
export type Transform = z.infer<typeof Transform>

export const FeatureDefinition = z.object({ name: FeatureName, field: FeatureName, transform: Transform })
export type FeatureDefinition = z.infer<typeof FeatureDefinition>

export const FeatureDefinitions = z.object({
  /** Records with the same value here share their windows; without it all records do. */
  key: FeatureName.optional(),
  /** Event time: milliseconds since 1970 or an RFC 3339 text. */
  time: FeatureName.optional(),
  /** A field with the true answer, where records carry it (0/1 or false/true). */
  label: FeatureName.optional(),
  features: z.array(FeatureDefinition).min(1).max(512),
  /** The features of each model input, in the order of its elements: shape [1, features] or [features]. */
  inputs: z
    .array(z.object({ name: z.string().min(1), features: z.array(FeatureName).min(1).max(512) }))
    .min(1)
    .max(16),
})
export type FeatureDefinitions = z.infer<typeof FeatureDefinitions>
