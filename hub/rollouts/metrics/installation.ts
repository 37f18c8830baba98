// At most `failuresMax` devices may fail to install (or take the version back) among those that accepted it. Counted, not
// compared: it has no scale.

import { z } from 'zod'
import { gateDefaults } from '../plan/defaults.ts'
import { answers } from '../plan/gate-answers.ts'

export const InstallationGate = z.strictObject({
  metric: z.literal('installation'),
  failuresMax: z.number().int().nonnegative().default(gateDefaults.installation.failuresMax),
  ...answers,
})
