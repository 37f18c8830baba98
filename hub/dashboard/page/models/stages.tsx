// The stages of a version and the states around it, as words with signs.

import type { components } from '../api-types.d.ts'
import { StateDot } from '../parts/state-dot.tsx'
import type { Tone } from '../parts/tone.ts'

export type Stage = components['schemas']['Version']['stage']
export type Answer = components['schemas']['GateVerdict']['answer']
export type RolloutState = components['schemas']['Rollout']['state']

export const stages = ['development', 'staging', 'production', 'archived'] as const

const stageTones: Record<Stage, Tone> = {
  development: 'idle',
  staging: 'busy',
  production: 'good',
  archived: 'idle',
}
/** `isElsewhere`: of a stage it is not in. */
export const StageDot = ({ stage, isElsewhere = false }: { stage: Stage; isElsewhere?: boolean }) => (
  <StateDot tone={isElsewhere ? 'idle' : stageTones[stage]}>{stage}</StateDot>
)

const answerTones: Record<Answer, Tone> = { pass: 'good', fail: 'bad', undecided: 'warn' }
const answerWords: Record<Answer, string> = { pass: 'passes', fail: 'fails', undecided: 'undecided' }
export const AnswerDot = ({ answer }: { answer: Answer }) => (
  <StateDot tone={answerTones[answer]}>{answerWords[answer]}</StateDot>
)

const rolloutTones: Record<RolloutState, Tone> = {
  draft: 'idle',
  awaiting_approval: 'warn',
  rejected: 'bad',
  running: 'busy',
  paused: 'warn',
  rolling_back: 'warn',
  completed: 'good',
  rolled_back: 'bad',
  aborted: 'bad',
  superseded: 'idle',
}
export const RolloutDot = ({ state }: { state: RolloutState }) => (
  <StateDot tone={rolloutTones[state]}>{state.replaceAll('_', ' ')}</StateDot>
)

const requestTones: Record<components['schemas']['PromotionRequest']['state'], Tone> = {
  open: 'warn',
  approved: 'good',
  rejected: 'bad',
  expired: 'idle',
  superseded: 'idle',
  revoked: 'bad',
}
export const RequestDot = ({ state }: { state: components['schemas']['PromotionRequest']['state'] }) => (
  <StateDot tone={requestTones[state]}>{state === 'open' ? 'waits for approval' : state}</StateDot>
)

const evaluationTones: Record<components['schemas']['Evaluation']['state'], Tone> = {
  queued: 'idle',
  running: 'busy',
  succeeded: 'good',
  failed: 'bad',
  cancelled: 'idle',
}
export const EvaluationDot = ({ state }: { state: components['schemas']['Evaluation']['state'] }) => (
  <StateDot tone={evaluationTones[state]}>{state}</StateDot>
)
