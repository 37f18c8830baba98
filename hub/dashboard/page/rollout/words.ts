// What the states of rollouts, their stages and their devices are called, and how they look.

import type { ProgressState } from '@roost/shared/protocol/progress.ts'
import type { components } from '../api-types.d.ts'
import type { Tone } from '../parts/tone.ts'

export type Rollout = components['schemas']['ListedRollout']
export type RolloutDetail = components['schemas']['RolloutDetail']
export type RolloutState = RolloutDetail['state']
export type Stage = RolloutDetail['stages'][number]
export type Verdict = NonNullable<Stage['verdict']>
export type GateVerdict = Verdict['gates'][number]

type Shown = { title: string; tone: Tone }

export const rolloutStates: Record<RolloutState, Shown> = {
  draft: { title: 'Draft', tone: 'idle' },
  awaiting_approval: { title: 'Awaiting approval', tone: 'warn' },
  rejected: { title: 'Rejected', tone: 'bad' },
  running: { title: 'Running', tone: 'busy' },
  paused: { title: 'Paused', tone: 'warn' },
  rolling_back: { title: 'Rolling back', tone: 'warn' },
  completed: { title: 'Completed', tone: 'good' },
  rolled_back: { title: 'Rolled back', tone: 'bad' },
  aborted: { title: 'Aborted', tone: 'idle' },
  superseded: { title: 'Superseded', tone: 'idle' },
}

const stageStates: Record<Stage['state'], Shown> = {
  pending: { title: 'Not begun', tone: 'idle' },
  held: { title: 'Held', tone: 'warn' },
  admitting: { title: 'Admitting', tone: 'busy' },
  baking: { title: 'Baking', tone: 'busy' },
  open: { title: 'Open', tone: 'busy' },
  passed: { title: 'Passed', tone: 'good' },
  failed: { title: 'Failed', tone: 'bad' },
  inconclusive: { title: 'Undecided', tone: 'warn' },
}

/** How a stage stands: of a rollout that has ended none goes on. */
export function stageShown(rollout: RolloutState, stage: Stage['state']): Shown {
  if (!hasEnded(rollout) && rollout !== 'rolling_back') return stageStates[stage]
  if (stage === 'pending' || stage === 'held') return { title: 'Not reached', tone: 'idle' }
  const wentOn = stage === 'admitting' || stage === 'baking' || stage === 'open'
  return wentOn ? { title: 'Ended', tone: 'idle' } : stageStates[stage]
}

export const outcomes: Record<GateVerdict['outcome'], Shown> = {
  pass: { title: 'Passes', tone: 'good' },
  fail: { title: 'Fails', tone: 'bad' },
  undecided: { title: 'Cannot say yet', tone: 'busy' },
}

/** Where a device is on its way, as a picture has room for: several states are one place. */
export const places = ['waiting', 'offered', 'fetching', 'trying', 'shadow', 'running', 'failed', 'out'] as const
export type Place = (typeof places)[number]

export const placeWords: Record<Place, Shown & { means: string }> = {
  waiting: { title: 'Waiting', tone: 'idle', means: 'planned, not offered it yet' },
  offered: { title: 'Offered', tone: 'busy', means: 'told of it, or accepted, or put off' },
  fetching: { title: 'Fetching', tone: 'busy', means: 'downloading it, or has it on disk' },
  trying: { title: 'Trying', tone: 'busy', means: 'activating it, or in its own probation' },
  shadow: { title: 'In shadow', tone: 'good', means: 'runs it beside what answers' },
  running: { title: 'Running it', tone: 'good', means: 'succeeded' },
  failed: {
    title: 'Failed or back',
    tone: 'bad',
    means: 'failed, refused, timed out, or runs the version before again',
  },
  out: { title: 'Away', tone: 'warn', means: 'unreachable, cancelled, or taken over by another rollout' },
}

const placeOfState: Record<ProgressState, Place> = {
  planned: 'waiting',
  offered: 'offered',
  accepted: 'offered',
  deferred: 'offered',
  downloading: 'fetching',
  staged: 'fetching',
  shadowing: 'shadow',
  activating: 'trying',
  probation: 'trying',
  succeeded: 'running',
  already_current: 'running',
  failed: 'failed',
  rolled_back: 'failed',
  rejected: 'failed',
  timed_out: 'failed',
  unreachable: 'out',
  cancelled: 'out',
  superseded: 'out',
}

const isKnown = (state: string): state is ProgressState => Object.hasOwn(placeOfState, state)

/** Of a state that a newer hub may have made: where those are that are out of it. */
export const placeOf = (state: string): Place => (isKnown(state) ? placeOfState[state] : 'out')

/** `rolled back` of `rolled_back`. */
export const inWords = (state: string): string => state.replaceAll('_', ' ')

export const devicesOf = (stages: readonly Pick<Stage, 'devices'>[]): number =>
  stages.reduce((sum, { devices }) => sum + countIn(devices), 0)

export const countIn = (counts: Record<string, number>, which: (place: Place) => boolean = () => true): number =>
  Object.entries(counts).reduce((sum, [state, count]) => (which(placeOf(state)) ? sum + count : sum), 0)

const ended: ReadonlySet<RolloutState> = new Set(['completed', 'rolled_back', 'aborted', 'superseded', 'rejected'])
export const hasEnded = (state: RolloutState): boolean => ended.has(state)

/** The stage that things happen in, or where they ended: the first that has not passed, else the last. */
export function presentStage<S extends Pick<Stage, 'state'>>(stages: readonly S[]): S | undefined {
  return stages.find(({ state }) => state !== 'passed') ?? stages.at(-1)
}

/** As a sentence begins and ends. */
export const sentence = (text: string): string =>
  text === '' ? '' : `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`
