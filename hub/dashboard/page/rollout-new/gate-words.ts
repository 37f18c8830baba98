// The gates that a plan may have: what each is called, what can be set of it, and what it means in a sentence.

import { gateDefaults } from '../../../rollouts/plan/defaults.ts'
import { spellDuration } from '../../../rollouts/plan/spelled-duration.ts'

export type Metric = keyof typeof gateDefaults
export type FieldKind = 'number' | 'duration' | 'text' | 'boolean'
export type FieldForm = {
  name: string
  label: string
  kind: FieldKind | { choices: readonly string[] }
  unit?: string
  isNeeded?: boolean
}
export type GateForm = { title: string; fields: readonly FieldForm[] }

const margin: FieldForm = { name: 'margin', label: 'Margin', kind: 'number' }

export const gateForms: Readonly<Record<Metric, GateForm>> = {
  installation: { title: 'Installation', fields: [{ name: 'failuresMax', label: 'Failures borne', kind: 'number' }] },
  silence: { title: 'Silence', fields: [{ name: 'silentMs', label: 'Silent for', kind: 'duration' }, margin] },
  error_rate: { title: 'Error rate', fields: [margin] },
  latency: {
    title: 'Latency',
    fields: [
      { name: 'quantile', label: 'Quantile', kind: 'number' },
      { name: 'ratioMax', label: 'At most ×', kind: 'number' },
      { name: 'slackUs', label: 'Slack', kind: 'number', unit: 'µs' },
    ],
  },
  agreement: { title: 'Agreement', fields: [{ name: 'min', label: 'At least', kind: 'number' }] },
  prediction_drift: {
    title: 'Prediction drift',
    fields: [margin, { name: 'output', label: 'Output', kind: 'text' }],
  },
  accuracy: { title: 'Accuracy', fields: [margin] },
  custom: {
    title: 'Metric of the application',
    fields: [
      { name: 'name', label: 'Name', kind: 'text', isNeeded: true },
      { name: 'better', label: 'Better', kind: { choices: ['lower', 'higher'] }, isNeeded: true },
      { ...margin, isNeeded: true },
      { name: 'relative', label: 'Margin is a share', kind: 'boolean' },
    ],
  },
}

/** What is put into the plan when a gate is added. */
export const newGate = (metric: Metric): Record<string, unknown> =>
  metric === 'custom' ? { metric, name: 'scrap_rate', better: 'lower', margin: 0.1, relative: true } : { metric }

export const metricOf = (gate: unknown): Metric | undefined =>
  isFields(gate) && typeof gate.metric === 'string' && Object.hasOwn(gateForms, gate.metric)
    ? (gate.metric as Metric)
    : undefined

type Fields = Readonly<Record<string, unknown>>
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null

/** What the gate does, with its settings or their defaults; undefined where one of them makes no sense. */
export function gateSentence(gate: unknown): string | undefined {
  const metric = metricOf(gate)
  if (metric === undefined || !isFields(gate)) return undefined
  const settings: Fields = { ...gateDefaults[metric], ...gate }
  const numbers = gateForms[metric].fields.filter(({ name, kind }) => kind === 'number' && settings[name] !== undefined)
  if (numbers.some(({ name }) => typeof settings[name] !== 'number')) return undefined
  const number = (name: string) => Number(settings[name])
  const points = (name: string) =>
    `${rounded(100 * number(name))} percentage ${number(name) === 0.01 ? 'point' : 'points'}`
  switch (metric) {
    case 'installation':
      return `Fails when ${number('failuresMax') === 0 ? 'any device fails' : `more than ${number('failuresMax')} devices fail`} to install it, take it back, or lose its runtime three times.`
    case 'silence': {
      const silent = typeof gate.silent === 'string' ? gate.silent : spellDuration(number('silentMs'))
      return `Fails when the share of canaries that say nothing for ${silent} is shown to be more than ${points('margin')} above the others’.`
    }
    case 'error_rate':
      return `Fails when the canaries’ share of failed inferences is shown to be more than ${points('margin')} above the others’.`
    case 'latency':
      return `Fails when the canaries’ latency p${rounded(100 * number('quantile'))} is shown to be more than ${rounded(number('ratioMax'))} times the others’; ${rounded(number('slackUs') / 1_000)} ms more is always allowed.`
    case 'agreement':
      return `In shadow: fails when both versions are shown to agree on fewer than ${rounded(100 * number('min'))} % of the inputs.`
    case 'prediction_drift':
      return `Fails when the canaries’ predictions${typeof settings.output === 'string' ? ` of ${settings.output}` : ''} are shown to have moved from their own past by more than ${rounded(number('margin'))} (Jensen-Shannon distance) beyond the others’.`
    case 'accuracy':
      return `Fails when the canaries’ share of right answers is shown to be more than ${points('margin')} below the others’. Needs labels.`
    case 'custom': {
      const much = settings.relative === true ? `${rounded(100 * number('margin'))} %` : rounded(number('margin'))
      return `Fails when ${String(settings.name)}, as the application reports it, is shown to be ${settings.better === 'higher' ? 'lower' : 'higher'} than on the others by more than ${much}.`
    }
  }
}

const rounded = (value: number): string => String(Number(value.toPrecision(4)))
