// Share of labelled inferences that were right: canary at least control - `margin`.

import { z } from 'zod'
import { shares } from '../gates/scale.ts'
import { gateDefaults } from '../plan/defaults.ts'
import { answers, Share } from '../plan/gate-answers.ts'
import { comparing, pairOf, share } from './metric.ts'

export const accuracy = comparing({
  name: 'accuracy',
  schema: z.strictObject({
    metric: z.literal('accuracy'),
    margin: Share.default(gateDefaults.accuracy.margin),
    ...answers,
  }),
  scale: ({ margin }) => ({ ...shares('accuracy', -1, margin), badShare: (level) => 1 + level }),
  told: {
    by: 'windows',
    figure: (_, { labels }) => {
      const { truePositive = 0, falsePositive = 0, trueNegative = 0, falseNegative = 0 } = labels ?? {}
      return share(truePositive + trueNegative, truePositive + falsePositive + trueNegative + falseNegative)
    },
    paired: ({ labels }) => {
      if (labels === undefined) return null
      const { bothRight, onlyPrimaryRight, onlyCandidateRight, bothWrong } = labels
      const known = bothRight + onlyPrimaryRight + onlyCandidateRight + bothWrong
      return pairOf(share(bothRight + onlyCandidateRight, known), share(bothRight + onlyPrimaryRight, known))
    },
    nothing: () => 'no labels have been reported for the new version',
  },
  usual: (_, { devices }) => devices.flatMap(({ right, labelled }) => (labelled === 0 ? [] : [right / labelled])),
})
