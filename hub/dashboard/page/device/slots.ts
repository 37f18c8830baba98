// What is in each deployment of a device: what serves, what is wanted, what was before, what runs beside. Pure.

import type { components } from '../api-types.d.ts'
import type { Tone } from '../parts/tone.ts'

type Detail = Pick<components['schemas']['DeviceDetail'], 'desired' | 'reported'>
type Desired = Detail['desired'][number]
type Reported = Detail['reported'][number]

export type Slot = {
  deployment: string
  serving: Reported | undefined
  desired: Desired | undefined
  /** The last other one that had been installed. */
  previous: Reported | undefined
  shadow: Desired | undefined
  /** What the device says of what is wanted; `waiting`: nothing yet. */
  state: { words: string; tone: Tone; reason: string | undefined }
  /** It was given up, and stays so until somebody asks again. */
  isGivenUp: boolean
}

const installed: ReadonlySet<string> = new Set(['succeeded', 'already_current'])
const givenUp: ReadonlySet<string> = new Set(['failed', 'rolled_back', 'rejected', 'timed_out'])
const idle: ReadonlySet<string> = new Set(['cancelled', 'superseded', 'unreachable', 'deferred'])

export function slotsOf({ desired, reported }: Detail): Slot[] {
  const names = new Set([
    ...desired.map(({ deployment }) => deployment),
    ...reported.filter(({ running }) => running).map(({ deployment }) => deployment),
  ])
  return [...names].sort().map((deployment) => {
    const said = reported.filter((one) => one.deployment === deployment)
    const serving = said.find(({ running }) => running)
    const primary = desired.find((one) => one.deployment === deployment && one.role === 'primary')
    const ofWanted = primary && said.find(({ manifest }) => manifest === primary.manifest)
    const isCurrent = ofWanted !== undefined && primary !== undefined && ofWanted.attempt >= primary.attempt
    const previous = said
      .filter(
        ({ manifest, state }) =>
          manifest !== serving?.manifest && manifest !== primary?.manifest && installed.has(state),
      )
      .sort((a, b) => a.changedAt.localeCompare(b.changedAt))
      .at(-1)
    return {
      deployment,
      serving,
      desired: primary,
      previous,
      shadow: desired.find((one) => one.deployment === deployment && one.role === 'shadow'),
      state: stateOf(primary, isCurrent ? ofWanted : undefined, serving),
      isGivenUp: isCurrent && givenUp.has(ofWanted.state),
    }
  })
}

function stateOf(
  desired: Desired | undefined,
  said: Reported | undefined,
  serving: Reported | undefined,
): Slot['state'] {
  if (desired === undefined) {
    return { words: serving === undefined ? 'empty' : 'withdrawn, still serves', tone: 'idle', reason: undefined }
  }
  if (said === undefined) return { words: 'not heard of yet', tone: 'idle', reason: undefined }
  const reason = [said.reason?.replaceAll('_', ' '), said.detail ?? undefined].filter(Boolean).join(': ') || undefined
  return { words: said.state.replaceAll('_', ' '), tone: toneOf(said.state), reason }
}

function toneOf(state: string): Tone {
  if (installed.has(state)) return 'good'
  if (givenUp.has(state)) return 'bad'
  return idle.has(state) ? 'idle' : 'busy'
}

/** `motes v2`; the beginning of its digest where the registry does not know it. */
export const versionWords = ({ model, version, manifest }: Pick<Desired, 'model' | 'version' | 'manifest'>): string =>
  model === null || version === null ? `unknown ${manifest.slice(0, 12)}` : `${model} v${version}`
