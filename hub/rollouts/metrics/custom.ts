// A metric that the application reports: canary no worse than control by more than `margin`, in the metric's unit or, where
// `relative`, as a share of control.

import { MetricName } from '@roost/shared/protocol/records.ts'
import { z } from 'zod'
import { plain } from '../gates/scale.ts'
import { gateDefaults } from '../plan/defaults.ts'
import { answers } from '../plan/gate-answers.ts'
import { comparing, ownOf } from './metric.ts'

export const custom = comparing({
  name: 'custom',
  schema: z.strictObject({
    metric: z.literal('custom'),
    name: MetricName,
    better: z.enum(['lower', 'higher']),
    margin: z.number().nonnegative(),
    relative: z.boolean().default(gateDefaults.custom.relative),
    ...answers,
  }),
  scale: ({ name, better, relative, margin }) => ({
    ...plain(`metric ${name}`, better === 'lower' ? 1 : -1),
    margin: (usual) => (relative ? margin * Math.abs(usual) : margin),
  }),
  told: {
    by: 'windows',
    figure: ({ name }, { metrics }) => {
      const metric = ownOf(metrics, name)
      return metric === undefined ? null : { value: metric.sum / metric.count, weight: metric.count }
    },
    paired: () => null,
    notInShadow: 'an application measures what answers it, which no shadow does',
    nothing: ({ name }) => `no device reports ${name} for the new version`,
  },
  usual: ({ name }, { metrics }) => [...(metrics.get(name) ?? [])],
})
