// What may be done to a rollout as it is, and what each would do to how many devices. The hub decides; this is what is
// offered, and what is said before it is asked for.

import { counted } from '../../../wording.ts'
import { countIn, presentStage, type RolloutDetail, type Stage } from './words.ts'

export const operations = [
  'start',
  'approve',
  'reject',
  'resume',
  'release',
  'retry',
  'pause',
  'advance',
  'rollback',
  'abort',
] as const
export type Operation = (typeof operations)[number]

export type Offer = {
  operation: Operation
  /** On the button. */
  action: string
  isDanger: boolean
  isPrimary: boolean
  /** The stage that is meant, where one is. */
  stage: string | undefined
  /** What will happen, a sentence each. */
  consequences: string[]
}

type Asked = Pick<RolloutDetail, 'state' | 'stages' | 'plan' | 'model' | 'version'>

/** In the order of the buttons. `may`: as the session's scopes have it. */
export function offersFor(rollout: Asked, may: { operate: boolean; approve: boolean }): Offer[] {
  return operations.flatMap((operation) => {
    const isAnswer = operation === 'approve' || operation === 'reject'
    if (isAnswer ? !may.approve : !may.operate) return []
    const stage = stageMeant(operation, rollout)
    if (stage === undefined && (isAnswer || operation === 'release' || operation === 'advance')) return []
    const consequences = allowed[operation].includes(rollout.state)
      ? consequencesOf(operation, rollout, stage)
      : undefined
    if (consequences === undefined) return []
    return [
      {
        operation,
        action: actions[operation](stage?.name ?? ''),
        isDanger: operation === 'rollback' || operation === 'abort' || operation === 'reject',
        isPrimary:
          operation === 'start' || operation === 'approve' || operation === 'resume' || operation === 'release',
        stage: stage?.name,
        consequences,
      },
    ]
  })
}

const allowed: Record<Operation, readonly RolloutDetail['state'][]> = {
  start: ['draft'],
  approve: ['awaiting_approval', 'running'],
  reject: ['awaiting_approval', 'running'],
  resume: ['paused'],
  release: ['running'],
  retry: ['running', 'paused'],
  pause: ['running'],
  advance: ['running'],
  rollback: ['running', 'paused'],
  abort: ['draft', 'awaiting_approval', 'running', 'paused'],
}

const actions: Record<Operation, (stage: string) => string> = {
  start: () => 'Start',
  approve: (stage) => `Approve stage ${stage}`,
  reject: () => 'Reject',
  resume: () => 'Resume',
  release: (stage) => `Release stage ${stage}`,
  retry: () => 'Retry failed devices',
  pause: () => 'Pause',
  advance: (stage) => `Pass stage ${stage}`,
  rollback: () => 'Roll back',
  abort: () => 'Abort',
}

const hasBegun = ({ state }: Stage) => state !== 'pending' && state !== 'held'

function stageMeant(operation: Operation, { state, stages, plan }: Asked): Stage | undefined {
  const present = presentStage(stages)
  if (present === undefined) return undefined
  const needed = present.approvals.needed
  switch (operation) {
    case 'approve':
    case 'reject':
      return needed > 0 && (state === 'awaiting_approval' || !hasBegun(present)) ? present : undefined
    case 'release': {
      const isHeld = plan?.stages.find(({ name }) => name === present.name)?.hold === true
      return isHeld && needed === 0 && !hasBegun(present) && present.releasedBy === null ? present : undefined
    }
    case 'advance':
      return hasBegun(present) && present.state !== 'passed' ? present : undefined
    case 'resume':
      return present
    default:
      return undefined
  }
}

const has = (place: string) => place === 'running' || place === 'shadow'
const isAtIt = (place: string) => place === 'offered' || place === 'fetching' || place === 'trying'

/** Undefined where it would do nothing. */
function consequencesOf(operation: Operation, rollout: Asked, stage: Stage | undefined): string[] | undefined {
  const { stages, model, version } = rollout
  const name = `${model} ${version}`
  const count = (which: (place: string) => boolean, of: readonly Stage[] = stages) =>
    of.reduce((sum, { devices }) => sum + countIn(devices, which), 0)
  const running = count((place) => place === 'running')
  const atIt = count(isAtIt)
  const waiting = count((place) => place === 'waiting')
  const failed = count((place) => place === 'failed')
  const begins = stage === undefined ? 0 : count((place) => place === 'waiting', [stage])
  const { needed, given } = stage?.approvals ?? { needed: 0, given: [] }
  const beginsText =
    rollout.state === 'awaiting_approval'
      ? `The members of the group are frozen now, and those of stage ${stage?.name} (${stage?.reach}) are offered ${name}.`
      : `${counted(begins, 'device')} of stage ${stage?.name} ${begins === 1 ? 'is' : 'are'} offered ${name}.`
  switch (operation) {
    case 'start':
      return ['The members of the group are frozen now, and its first stage begins or waits for its approval.']
    case 'approve':
      return given.length + 1 >= needed
        ? [`It is the last of ${counted(needed, 'approval')}: the stage begins.`, beginsText]
        : [`It is approval ${given.length + 1} of ${needed}: the stage waits for the others.`]
    case 'reject':
      return [
        rollout.state === 'awaiting_approval'
          ? 'The rollout ends before it has begun; no device is touched.'
          : `The rollout pauses; ${counted(running, 'device')} that ${running === 1 ? 'runs' : 'run'} ${name} already ${running === 1 ? 'keeps' : 'keep'} it.`,
        ...(given.length > 0 ? ['What was approved of the stage does not count any more.'] : []),
      ]
    case 'resume':
      return [
        stage === undefined
          ? 'The rollout goes on.'
          : `Stage ${stage.name} is watched anew, with its whole time limit.`,
        ...(failed > 0
          ? [
              `What ${counted(failed, 'device')} failed or refused so far counts as seen: only further failures stop it.`,
            ]
          : []),
        `${counted(waiting, 'device')} that ${waiting === 1 ? 'waits' : 'wait'} may be offered ${name} again.`,
      ]
    case 'release':
      return [beginsText]
    case 'retry':
      return failed === 0
        ? undefined
        : [
            `Of ${counted(failed, 'device')}, those that failed or refused ${name} are offered it again, as a new attempt.`,
          ]
    case 'pause':
      return [
        `${counted(atIt, 'device')} that ${atIt === 1 ? 'is' : 'are'} at it and ${atIt === 1 ? 'does' : 'do'} not run it yet ${atIt === 1 ? 'keeps' : 'keep'} what ${atIt === 1 ? 'it has' : 'they have'}; shadows end.`,
        `${counted(running, 'device')} that ${running === 1 ? 'runs' : 'run'} ${name} ${running === 1 ? 'keeps' : 'keep'} it.`,
        'No further device is offered it until somebody resumes.',
      ]
    case 'advance':
      return [
        `Stage ${stage?.name} counts as passed by your word, whatever its gates say so far. Holds that come after it stand.`,
        ...nextOf(rollout, stage, count, name),
      ]
    case 'rollback': {
      const offered = count((place) => has(place) || isAtIt(place) || place === 'failed' || place === 'out')
      return [
        `The version before is wanted again on every device that was offered ${name}: ${offered} at the most, ${running} of which ${running === 1 ? 'runs' : 'run'} it.`,
        `${counted(waiting, 'device')} not offered it yet ${waiting === 1 ? 'keeps' : 'keep'} what ${waiting === 1 ? 'it has' : 'they have'}. The rollout ends; another must be started to try again.`,
      ]
    }
    case 'abort':
      return [
        `The rollout ends as it is: ${counted(running, 'device')} ${running === 1 ? 'keeps' : 'keep'} ${name}, ${waiting + atIt} ${waiting + atIt === 1 ? 'keeps' : 'keep'} the version before.`,
        'It cannot be taken up again.',
      ]
  }
}

function nextOf(
  { stages }: Asked,
  stage: Stage | undefined,
  count: (which: (place: string) => boolean, of: readonly Stage[]) => number,
  name: string,
): string[] {
  const next = stages[stages.findIndex((one) => one.name === stage?.name) + 1]
  if (next === undefined) return ['It is the last stage: the rollout completes.']
  const waiting = count((place) => place === 'waiting', [next])
  return [`Stage ${next.name} is next: ${counted(waiting, 'device')} to be offered ${name}.`]
}
