// What a plan need not say, in one place: the schema fills it in, and what writes a plan for people leaves it out.

const hourMs = 3_600_000

export const planDefaults = {
  version: 1,
  samplesMin: 100,
  quorum: 0.8,
  concurrency: 50,
  installTimeoutMs: hourMs,
  stageTimeLimitMs: 24 * hourMs,
  onFail: 'rollback',
  onUndecided: 'pause',
  dynamic: false,
} as const

export const stageDefaults = { shadowSample: 0.1, hold: false, approvals: 0 } as const

export const windowDefaults = { timezone: 'UTC' } as const

/** By the gate's metric. */
export const gateDefaults = {
  installation: { failuresMax: 0 },
  silence: { silentMs: hourMs, margin: 0.1 },
  error_rate: { margin: 0.01 },
  latency: { quantile: 0.5, ratioMax: 1.5, slackUs: 500 },
  agreement: { min: 0.95 },
  prediction_drift: { margin: 0.1 },
  accuracy: { margin: 0.02 },
  custom: { relative: false },
} as const
