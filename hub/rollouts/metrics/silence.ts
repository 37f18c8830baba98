// Share of assigned devices that have said nothing for `silentMs`: canary at most control + `margin`.

import { z } from 'zod'
import { shares } from '../gates/scale.ts'
import { gateDefaults } from '../plan/defaults.ts'
import { answers, Share } from '../plan/gate-answers.ts'
import { comparing } from './metric.ts'

export const silence = comparing({
  name: 'silence',
  schema: z.strictObject({
    metric: z.literal('silence'),
    silentMs: z.number().int().positive().default(gateDefaults.silence.silentMs),
    margin: Share.default(gateDefaults.silence.margin),
    ...answers,
  }),
  // no counted share: that none of ten devices is silent would never do to exclude one of ten
  scale: ({ margin }) => shares('silent devices', 1, margin),
  told: {
    by: 'devices',
    // those that have been heard since the stage began; the others were away before and say nothing of the version
    units: ({ silentMs }, devices) =>
      devices.flatMap(({ device, stratum, assigned, silentForMs }) =>
        silentForMs === null
          ? []
          : [{ device, stratum, treated: assigned, value: silentForMs >= silentMs ? 1 : 0, before: null, weight: 1 }],
      ),
  },
  usual: () => [],
})
