// The rollouts' figures for Prometheus.

import { Counter, type Registry } from 'prom-client'

export type AlarmCounter = { inc(): void }

/** Devices that said they cannot go back to what they ran before: somebody must look at each. */
export const addRolloutMetrics = (registry: Registry): AlarmCounter =>
  new Counter({
    name: 'roost_rollout_unable_to_roll_back_total',
    help: 'Devices that could not go back to the version they ran before',
    registers: [registry],
  })
