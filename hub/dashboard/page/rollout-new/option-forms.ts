// What can be set of a plan as a whole, and of a stage, besides who is in it: names, units, and what each means.

import { planDefaults, stageDefaults } from '../../../rollouts/plan/defaults.ts'
import { spellDuration } from '../../../rollouts/plan/spelled-duration.ts'
import type { FieldForm } from './gate-words.ts'

export type OptionForm = FieldForm & { means: string }

export const onFails = ['rollback', 'rollback_stage', 'pause'] as const
export const onUndecideds = ['pause', 'rollback'] as const

export const paceForms: readonly OptionForm[] = [
  {
    name: 'concurrency',
    label: 'Installing at once',
    kind: 'number',
    means: 'devices at it at the same time',
  },
  { name: 'quorum', label: 'Quorum', kind: 'number', means: 'share of a stage that must have it before it is watched' },
  { name: 'samplesMin', label: 'Inferences needed', kind: 'number', means: 'on each side before a gate compares' },
  { name: 'stageTimeLimitMs', label: 'Stage at most', kind: 'duration', means: 'then undecided is answered' },
  { name: 'installTimeoutMs', label: 'Installation at most', kind: 'duration', means: 'then the device has failed' },
  {
    name: 'progressTimeoutMs',
    label: 'Standstill at most',
    kind: 'duration',
    means: 'of an installation while connected',
  },
  { name: 'failuresMax', label: 'Failures borne', kind: 'number', unit: 'devices', means: 'in the whole rollout' },
  { name: 'failuresMaxPercent', label: 'Or as a share', kind: 'number', unit: '%', means: 'of its devices' },
]

export const answerForms: readonly OptionForm[] = [
  { name: 'onFail', label: 'When a gate fails', kind: { choices: onFails }, means: '' },
  { name: 'onUndecided', label: 'When undecided', kind: { choices: onUndecideds }, means: '' },
]

export const stageForms: readonly OptionForm[] = [
  { name: 'timeLimitMs', label: 'At most', kind: 'duration', means: 'then undecided is answered' },
  { name: 'approvals', label: 'Approvals', kind: 'number', means: 'by others than who starts it' },
  { name: 'hold', label: 'Hold until a person releases it', kind: 'boolean', means: '' },
]

/** What counts where nothing is written; of a stage, what the plan says. */
export function defaultOf(name: string, plan?: Readonly<Record<string, unknown>>): string {
  const inherited = plan?.[name === 'timeLimitMs' ? 'stageTimeLimitMs' : name]
  const known: Readonly<Record<string, unknown>> = {
    ...planDefaults,
    ...stageDefaults,
    timeLimitMs: planDefaults.stageTimeLimitMs,
  }
  const value = inherited ?? known[name]
  if (value === undefined) return 'none'
  return name.endsWith('Ms') && typeof value === 'number' ? spellDuration(value) : String(value)
}
