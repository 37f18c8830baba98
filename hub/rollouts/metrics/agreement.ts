// Share of inferences on which candidate and primary agree in shadow: at least `min`.

import { z } from 'zod'
import { type Effect, percent, shares } from '../gates/scale.ts'
import { gateDefaults } from '../plan/defaults.ts'
import { answers, Share } from '../plan/gate-answers.ts'
import { comparing, pairOf, share } from './metric.ts'

export const agreement = comparing({
  name: 'agreement',
  schema: z.strictObject({
    metric: z.literal('agreement'),
    min: Share.default(gateDefaults.agreement.min),
    ...answers,
  }),
  scale: ({ min }) => ({
    ...shares('agreement', -1, 1 - min),
    badShare: (level) => 1 + level,
    effectInWords: inWords,
  }),
  told: { by: 'pairs', paired: ({ pairs, agreed }) => pairOf(share(agreed, pairs), share(pairs, pairs)) },
  usual: () => [],
})

/** The primary agrees with itself on everything, so the difference from it is what the two do not agree on. */
function inWords({ difference, low, high }: Effect, margin: number): string {
  const agreed = (missing: number) => percent(Math.min(1, Math.max(0, 1 - missing)))
  const ends = [
    ...(high === null ? [] : [`at least ${agreed(high)}`]),
    ...(low === null ? [] : [`at most ${agreed(low)}`]),
  ]
  const range = ends.length === 0 ? 'too few devices for an interval' : ends.join(', ')
  return `candidate and primary agreed on ${agreed(difference)} of the answers (${range}), at least ${agreed(margin)} asked`
}
