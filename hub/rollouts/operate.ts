// What an operator may do to a rollout, as actions for the same store. Asked for twice it is done once.
// Automation never undoes any of these.

import { counted, named } from '../wording.ts'
import { rollBack, rollBackStage } from './decide.ts'
import {
  type Action,
  type DeviceView,
  isBroken,
  isInFlight,
  type RolloutState,
  type RolloutView,
  type StageView,
} from './states.ts'

/** `release` lets a held stage begin, `advance` passes the present one by a person's word. */
export const operations = ['pause', 'resume', 'abort', 'rollback', 'release', 'advance', 'retry'] as const
export type Operation = (typeof operations)[number]

/** `stage`: the name of the stage that is meant; needed by release and advance, so that asking twice passes one.
 *  `devices`: those to retry; all that failed, where left out. */
export type Asked = {
  operation: Operation
  reason: string
  stage?: string | undefined
  devices?: readonly string[] | undefined
}

/** `field`: what of the request is wrong, where it is not the state of the rollout that refuses. */
export type Refusal = { refused: string; field?: string }

const allowed: Record<Operation, readonly RolloutState[]> = {
  pause: ['running'],
  resume: ['paused'],
  abort: ['draft', 'awaiting_approval', 'running', 'paused'],
  rollback: ['running', 'paused'],
  release: ['running'],
  advance: ['running'],
  retry: ['running', 'paused'],
}

/** The state that an operation on the whole rollout leads to; where it is there already nothing happens. */
const leadsTo: Partial<Record<Operation, RolloutState>> = {
  pause: 'paused',
  resume: 'running',
  abort: 'aborted',
}

/** @param actor who asks, for what is recorded
 *  @returns the actions, none if all is as asked already, or why it cannot be done */
export function operate(rollout: RolloutView, asked: Asked, actor: string): Action[] | Refusal {
  const { operation } = asked
  if (rollout.state === leadsTo[operation]) return []
  const isWhole = operation === 'rollback' && asked.stage === undefined
  if (isWhole && (rollout.state === 'rolling_back' || rollout.state === 'rolled_back')) return []
  const stage = asked.stage === undefined ? undefined : rollout.stages.find(({ name }) => name === asked.stage)
  if (asked.stage !== undefined && stage === undefined) {
    return { refused: `there is no stage ${asked.stage}; they are ${namesOf(rollout)}`, field: 'stage' }
  }
  if (operation === 'advance' && stage?.state === 'passed') return []
  if (!allowed[operation].includes(rollout.state)) return { refused: refusal(operation, rollout.state) }
  const words = asked.reason === '' ? `${done[operation]} by ${actor}` : `${operation}: ${asked.reason}`
  switch (operation) {
    case 'pause':
      return [{ do: 'rollout', state: 'paused', reason: words, kind: 'operator' }]
    case 'resume':
      return [...reopen(rollout), { do: 'rollout', state: 'running', reason: words }]
    case 'abort':
      return [{ do: 'rollout', state: 'aborted', reason: words }]
    case 'rollback':
      return stage === undefined ? rollBack(rollout, words) : takeBackStage(rollout, stage, words)
    case 'release':
      return stage === undefined ? nameStage(rollout, operation) : release(rollout, stage, actor)
    case 'advance':
      return stage === undefined ? nameStage(rollout, operation) : advance(rollout, stage)
    case 'retry':
      return retry(rollout, asked.devices)
  }
}

const done: Record<Operation, string> = {
  pause: 'paused',
  resume: 'resumed',
  abort: 'aborted',
  rollback: 'rolled back',
  release: 'released',
  advance: 'advanced',
  retry: 'retried',
}

const words = (state: RolloutState | DeviceView['state']) => state.replaceAll('_', ' ')

function refusal(operation: Operation, state: RolloutState): string {
  const cannot = `a rollout that is ${words(state)} cannot be ${done[operation]}`
  if (operation === 'rollback' && state === 'completed') {
    return `${cannot}; to go back, start a rollout of the version that ran before`
  }
  if (operation === 'retry' && state === 'completed') {
    return `${cannot}; ask the device itself: roost device retry`
  }
  return `${cannot}, only one that is ${allowed[operation].map(words).join(' or ')}`
}

const namesOf = ({ stages }: RolloutView) => stages.map(({ name }) => name).join(', ')
const nameStage = (rollout: RolloutView, operation: Operation): Refusal => ({
  refused: `say which stage is ${done[operation]}: ${namesOf(rollout)}`,
  field: 'stage',
})

/** The stage at hand is watched anew, with its full time limit, and those after it begin anew; the failures so far are
 *  acknowledged. */
function reopen({ stages, devices }: RolloutView): Action[] {
  const isOut = (device: DeviceView) => isBroken(device) || device.state === 'rejected'
  const out = devices.filter((device) => isOut(device) && !device.acknowledged).map(({ device }) => device)
  const seen: Action[] = out.length > 0 ? [{ do: 'acknowledge', devices: out }] : []
  const at = stages.findIndex(({ state }) => state !== 'passed')
  const later = stages.slice(at + 1).filter(({ state }) => state !== 'pending')
  const restarts = stages[at] !== undefined && restarted.has(stages[at].state)
  return [
    ...seen,
    ...(restarts ? [{ do: 'stage', index: at, state: 'admitting' } as const] : []),
    ...later.map(({ index }): Action => ({ do: 'stage', index, state: 'pending' })),
  ]
}

const restarted: ReadonlySet<StageView['state']> = new Set(['admitting', 'baking', 'failed', 'inconclusive'])

const begun = ({ state }: StageView): boolean => state !== 'pending' && state !== 'held'

function takeBackStage(rollout: RolloutView, stage: StageView, reason: string): Action[] | Refusal {
  const taken = rollBackStage(rollout, stage.index)
  if (taken.length === 0 && (stage.state === 'failed' || rollout.state === 'paused')) return []
  if (!begun(stage)) return { refused: `stage ${stage.name} has not begun`, field: 'stage' }
  return [
    { do: 'stage', index: stage.index, state: 'failed' },
    ...taken,
    { do: 'rollout', state: 'paused', reason, kind: 'operator' },
  ]
}

function release({ plan, stages }: RolloutView, stage: StageView, actor: string): Action[] | Refusal {
  if (stage.released) return []
  const planned = plan.stages[stage.index]
  if (planned !== undefined && planned.approvals > 0) {
    return {
      refused: `stage ${stage.name} needs ${counted(planned.approvals, 'approval')}: roost rollout approve`,
      field: 'stage',
    }
  }
  if (planned?.hold !== true) return { refused: `stage ${stage.name} is not held`, field: 'stage' }
  if (begun(stage)) return []
  const present = stages.find(({ state }) => state !== 'passed')
  if (present?.index !== stage.index) {
    return {
      refused: `it is not the turn of stage ${stage.name} yet; ${present?.name} is ${present?.state}`,
      field: 'stage',
    }
  }
  return [{ do: 'release', index: stage.index, by: actor }]
}

/** Whatever its gates say so far. Holds that come after it stand. */
function advance({ stages }: RolloutView, stage: StageView): Action[] | Refusal {
  const present = stages.find(({ state }) => state !== 'passed')
  if (present?.index !== stage.index) {
    return { refused: `stage ${stage.name} has not begun; ${present?.name} is ${present?.state}`, field: 'stage' }
  }
  if (!begun(stage)) {
    return {
      refused: `stage ${stage.name} has not begun: advance passes a stage that runs, release lets one begin`,
      field: 'stage',
    }
  }
  return [{ do: 'stage', index: stage.index, state: 'passed' }]
}

const mayRetry = (device: DeviceView): boolean =>
  !device.gone &&
  (isBroken(device) || device.state === 'rejected' || (device.state === 'planned' && device.asideUntil !== null))

/** Offered again in turn, as any other. All or none: what cannot be retried is said of each device that was named. */
function retry({ devices }: RolloutView, names: readonly string[] | undefined): Action[] | Refusal {
  const known = new Map(devices.map((device) => [device.device, device]))
  const wrong = names?.flatMap((name) => {
    const why = noRetry(known.get(name))
    return why === undefined ? [] : [`${name} ${why}`]
  })
  if (wrong !== undefined && wrong.length > 0) return { refused: named(wrong), field: 'devices' }
  const chosen = devices.filter((device) => mayRetry(device) && (names === undefined || names.includes(device.device)))
  if (chosen.length > 0) return [{ do: 'retry', devices: chosen.map(({ device }) => device) }]
  if (names !== undefined || devices.some(isTrying)) return []
  return { refused: 'no device of this rollout has failed, was put aside or refused it: there is nothing to retry' }
}

/** It has been offered the version and its turn is to come again, or it is at it. */
const isTrying = (device: DeviceView): boolean =>
  isInFlight(device) || (device.state === 'planned' && device.offeredAt !== null)

/** Why there is nothing to retry; undefined where there is, and where it is being tried already. */
function noRetry(device: DeviceView | undefined): string | undefined {
  if (device === undefined) return 'is not in this rollout'
  if (device.gone) return 'is revoked'
  if (mayRetry(device) || isTrying(device)) return undefined
  if (device.state === 'planned') return 'has not been offered it yet, and gets it in its turn'
  if (device.state === 'unreachable') return 'was away, and gets it when it returns'
  return `has not failed: it is ${words(device.state)}`
}
