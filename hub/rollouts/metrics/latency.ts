// Latency at `quantile`: canary at most control * `ratioMax`, or at most `slackUs` more. Below the slack nobody would
// notice.

import { latencyQuantile } from '@roost/shared/sketch/latency.ts'
import { z } from 'zod'
import { short } from '../gates/scale.ts'
import { gateDefaults } from '../plan/defaults.ts'
import { answers } from '../plan/gate-answers.ts'
import { comparing } from './metric.ts'

/** One microsecond: what is faster is not measured. */
const leastUs = 1

export const latency = comparing({
  name: 'latency',
  schema: z.strictObject({
    metric: z.literal('latency'),
    quantile: z.number().gt(0).lt(1).default(gateDefaults.latency.quantile),
    ratioMax: z.number().min(1).default(gateDefaults.latency.ratioMax),
    slackUs: z.number().nonnegative().default(gateDefaults.latency.slackUs),
    ...answers,
  }),
  // logarithms, because a device half as fast is half as fast in everything; the slack counts where the old version's
  // usual latency is so short that the ratio would be less
  scale: ({ quantile, ratioMax, slackUs }) => ({
    label: `latency p${Number((quantile * 100).toFixed(2))}`,
    falls: false,
    toScale: (us) => Math.log(Math.max(us, leastUs)),
    fromScale: Math.exp,
    shown: Math.exp,
    margin: (usual) => Math.log(Math.max(ratioMax, 1 + slackUs / Math.exp(usual))),
    inWords: (difference) => `× ${short(Math.exp(difference))}`,
    levelInWords: (level) => micros(Math.exp(level)),
  }),
  told: {
    by: 'windows',
    figure: ({ quantile }, counts) => {
      const value = latencyQuantile(counts.latency, quantile)
      return value === null ? null : { value, weight: counts.latency.count }
    },
    paired: () => null,
    notInShadow: 'a shadow runs when nobody waits for it, so its latency is not that of a version that answers',
  },
  usual: (_, { devices }) => devices.flatMap(({ latencyUs }) => latencyUs ?? []),
})

const micros = (us: number) => (us < 1000 ? `${short(us)} µs` : `${short(us / 1000)} ms`)
