// What an operator may do to a rollout, as actions for the same store: pause, resume, abort, roll back.
// Automation never undoes any of these.

import type { Action, RolloutState, RolloutView } from './decide.ts'

export const operations = ['pause', 'resume', 'abort', 'rollback'] as const
export type Operation = (typeof operations)[number]

export type Refusal = { refused: string }

const allowed: Record<Operation, readonly RolloutState[]> = {
  pause: ['running'],
  resume: ['paused'],
  abort: ['running', 'paused'],
  rollback: ['running', 'paused'],
}

/** The state an operation leads to; asked for twice, it is there already and nothing happens. */
const leadsTo: Record<Operation, RolloutState> = {
  pause: 'paused',
  resume: 'running',
  abort: 'aborted',
  rollback: 'rolling_back',
}

/** @returns the actions, none if the rollout is already there, or why it cannot be done
 *  @param reason what the operator gave as reason */
export function operate(rollout: RolloutView, operation: Operation, reason: string): Action[] | Refusal {
  if (rollout.state === leadsTo[operation]) return []
  if (!allowed[operation].includes(rollout.state)) {
    return { refused: refusal(operation, rollout.state) }
  }
  const change: Action = { do: 'rollout', state: leadsTo[operation], reason: `${operation}: ${reason}` }
  return operation === 'resume' ? [...reopen(rollout), change] : [change]
}

const done: Record<Operation, string> = {
  pause: 'paused',
  resume: 'resumed',
  abort: 'aborted',
  rollback: 'rolled back',
}

function refusal(operation: Operation, state: RolloutState): string {
  const cannot = `a rollout that is ${state.replaceAll('_', ' ')} cannot be ${done[operation]}`
  return operation === 'rollback' && state === 'completed'
    ? `${cannot}; to go back, start a rollout of the version that ran before`
    : `${cannot}, only one that is ${allowed[operation].join(' or ')}`
}

/** The stage that stopped the rollout is watched anew, with its full time limit. */
const reopen = ({ stages }: RolloutView): Action[] =>
  stages
    .filter(({ state }) => state === 'failed' || state === 'inconclusive')
    .map(({ index }) => ({ do: 'stage', index, state: 'admitting' }))
