// Failed share of inferences: canary at most control + `margin`.

import { z } from 'zod'
import { shares } from '../gates/scale.ts'
import { gateDefaults } from '../plan/defaults.ts'
import { answers, Share } from '../plan/gate-answers.ts'
import { comparing, pairOf, share } from './metric.ts'

export const errorRate = comparing({
  name: 'error_rate',
  schema: z.strictObject({
    metric: z.literal('error_rate'),
    margin: Share.default(gateDefaults.error_rate.margin),
    ...answers,
  }),
  scale: ({ margin }) => ({ ...shares('error rate', 1, margin), badShare: (level) => level }),
  told: {
    by: 'windows',
    figure: (_, { ok, error }) => share(error, ok + error),
    paired: ({ pairs, errors: { both, onlyPrimary, onlyCandidate } }) => {
      const inputs = pairs + both + onlyPrimary + onlyCandidate
      return pairOf(share(both + onlyCandidate, inputs), share(both + onlyPrimary, inputs))
    },
  },
  usual: (_, { devices }) =>
    devices.flatMap(({ errors, inferences }) => (inferences === 0 ? [] : [errors / inferences])),
})
