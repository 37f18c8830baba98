// The verdict of one gate: pass, fail, or not enough to say. Pure: the same evidence and seed give the same verdict to the
// last bit, so that a stored decision can be judged again years later. What the tests are: docs/gates.md.

import type { Gate } from '../plan/gate.ts'
import type { GateEvidence } from './evidence.ts'
import type { GateVerdict, Look, StageContext } from './verdict.ts'

/** @param seed of the redraws: the same for every judgement of one gate at one look, such as rollout, stage, gate, look */
export function judgeGate(
  gate: Gate,
  evidence: GateEvidence,
  _look: Look,
  _stage: StageContext,
  _seed: string,
): GateVerdict {
  return {
    metric: gate.metric,
    label: gate.metric,
    outcome: 'undecided',
    canary: null,
    control: null,
    margin: null,
    difference: null,
    low: null,
    high: null,
    method: 'none',
    draws: 0,
    asBad: 0,
    asGood: 0,
    asBadUnchanged: 0,
    alpha: { fail: 0, unchanged: 0, pass: 0 },
    spent: 0,
    devices: { canary: 0, control: 0 },
    excluded: [],
    sentence: evidence.kind === 'none' ? evidence.why : 'not judged yet',
  }
}
