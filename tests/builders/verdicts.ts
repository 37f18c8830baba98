// Verdicts of gates and stages for tests that care for the outcome.

import type { StageVerdict } from '../../hub/rollouts/evidence/judge.ts'
import type { GateVerdict, Outcome } from '../../hub/rollouts/gates/verdict.ts'

export const aGateVerdict = (over: Partial<GateVerdict> = {}): GateVerdict => ({
  metric: 'installation',
  label: 'installation',
  outcome: 'pass',
  canary: 0,
  control: null,
  margin: 0,
  difference: 0,
  low: null,
  high: null,
  moved: null,
  method: 'counts',
  draws: 0,
  asBad: 0,
  asGood: 0,
  asBadUnchanged: 0,
  alpha: { fail: 0, unchanged: 0, pass: 0 },
  spent: 0,
  devices: { canary: 1, control: 0 },
  excluded: [],
  sentence: over.outcome ?? 'pass',
  ...over,
})

export const aVerdict = (outcome: Outcome): StageVerdict => ({ outcome, gates: [aGateVerdict({ outcome })] })
