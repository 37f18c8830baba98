// What a gate was judged by, as it is stored with the verdict: GateEvidence, checked when it is read back.

import { z } from 'zod'

const Unit = z.object({
  device: z.string(),
  stratum: z.string(),
  treated: z.boolean(),
  value: z.number(),
  before: z.number().nullable(),
  weight: z.number(),
})
const Pair = z.object({
  device: z.string(),
  block: z.number(),
  candidate: z.number(),
  primary: z.number(),
  weight: z.number(),
})
const Blocks = z.object({
  device: z.string(),
  treated: z.boolean(),
  before: z.array(z.number().nullable()),
  since: z.array(z.number().nullable()),
})

export const StoredEvidence = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('comparison'),
    units: z.array(Unit),
    pairs: z.array(Pair),
    blocks: z.array(Blocks),
    excluded: z.array(z.object({ device: z.string(), why: z.string() })),
  }),
  z.object({
    kind: z.literal('counts'),
    assigned: z.number(),
    accepted: z.number(),
    failed: z.number(),
    tookBack: z.number().default(0),
    died: z.number().default(0),
    refused: z.number(),
    acknowledged: z.number(),
  }),
  z.object({ kind: z.literal('none'), why: z.string() }),
  z.object({ kind: z.literal('incomparable'), why: z.string() }),
])
export type StoredEvidence = z.infer<typeof StoredEvidence>
