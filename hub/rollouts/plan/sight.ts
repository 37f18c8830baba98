// What the gates of a stage could see with so many devices: said before anything starts, so that nobody waits for an answer
// that cannot come.

import { type ComparingGate, scaleOf } from '../gates/scale.ts'
import type { Gate } from './gate.ts'
import type { Past } from './past.ts'

/** `taking`: all devices of the stages so far. `canary` and `control`: those that serve it by then, and those that do
 *  not, as far as they replace another version. */
export type Arms = {
  taking: number
  canary: number
  control: number
  strata: readonly { canary: number; control: number }[]
}

export type Sight = {
  metric: Gate['metric']
  /** `redraw`: canary against other draws. `blocks`: few devices, each beside its own past. `paired`: both versions on the
   *  same inputs. `counts`: a number against what is allowed. `none`: nothing to compare with. */
  method: 'counts' | 'redraw' | 'blocks' | 'paired' | 'none'
  /** The smallest true effect that fails in four of five rollouts, in the metric's unit (latency: a factor); null where
   *  nobody can say. */
  sees: number | null
  /** It could give no answer, however long it waits. */
  blind: boolean
  sentence: string
}

/** Up to so many devices are compared with their own past window by window where other draws cannot tell. */
const blocksMax = 40
/** Of all other draws at most this share may look as bad. */
const level = 0.05
/** Normal quantiles: 95 % to fail, 80 % of the time. */
const standardErrors = 1.645 + 0.842

/** @param mode of the stage  @param isLast then nobody is left to compare with */
export function sightOf(
  gate: Gate,
  arms: Arms,
  past: Past,
  stage: { mode: 'shadow' | 'canary' | 'full'; isLast: boolean },
): Sight {
  const { metric } = gate
  if (gate.metric === 'installation') {
    const bound = 1 - 0.05 ** (1 / Math.max(1, arms.taking))
    const sentence = `${arms.taking} devices without a failure say that at most ${percent(bound)} of such fail (95 %)`
    return { metric, method: 'counts', sees: bound, blind: false, sentence }
  }
  const none = (sentence: string, blind = false): Sight => ({ metric, method: 'none', sees: null, blind, sentence })
  if (arms.canary + arms.control === 0)
    return none('no device runs another version, so there is nothing to compare with: it passes')
  if (stage.mode === 'shadow') {
    return {
      metric,
      method: 'paired',
      sees: null,
      blind: false,
      sentence: 'both versions see the same inputs on each device, so few devices are enough',
    }
  }
  if (stage.isLast)
    return none('nobody is left to compare with: it fails only where devices become worse than their own past')
  const canTell = smallestP(arms.strata) <= level
  if (!canTell && arms.canary + arms.control <= blocksMax) {
    const sentence = `${arms.canary} devices are too few to draw again: each is compared with its own past, beside what the other ${arms.control} did meanwhile`
    return { metric, method: 'blocks', sees: null, blind: false, sentence }
  }
  if (!canTell) {
    return none(
      `${arms.canary} canaries beside ${arms.control} others: too few ways to draw them to tell a difference from chance`,
      true,
    )
  }
  const scale = scaleOf(gate)
  const values = valuesOf(gate, past).map(scale.toScale).filter(Number.isFinite)
  if (values.length < 2) {
    const sentence = `${arms.canary} beside ${arms.control} devices; too few have reported to say which effect that shows`
    return { metric, method: 'redraw', sees: null, blind: false, sentence }
  }
  const error = deviation(values) * Math.sqrt(1 / arms.canary + 1 / arms.control)
  const effect = scale.margin(mean(values)) + standardErrors * error
  const sentence = `${arms.canary} beside ${arms.control} devices: ${scale.inWords(effect)} fails in four of five rollouts or more`
  return { metric, method: 'redraw', sees: scale.shown(effect), blind: false, sentence }
}

/** One over the number of ways in which the canaries could have been drawn. */
function smallestP(strata: Arms['strata']): number {
  let draws = 1
  for (const { canary, control } of strata) {
    for (let i = 1; i <= Math.min(canary, control) && draws < 1e6; i++) draws *= (canary + control - i + 1) / i
  }
  return 1 / draws
}

/** One value a device, in the metric's unit, of what it reported before. */
export function valuesOf(gate: ComparingGate, { devices, metrics }: Past): number[] {
  switch (gate.metric) {
    case 'error_rate':
      return devices.flatMap(({ errors, inferences }) => (inferences === 0 ? [] : [errors / inferences]))
    case 'latency':
      return devices.flatMap(({ latencyUs }) => latencyUs ?? [])
    case 'accuracy':
      return devices.flatMap(({ right, labelled }) => (labelled === 0 ? [] : [right / labelled]))
    case 'custom':
      return [...(metrics.get(gate.name) ?? [])]
    case 'silence':
    case 'agreement':
    case 'prediction_drift':
      return []
  }
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
function deviation(values: readonly number[]): number {
  const middle = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1))
}
const percent = (share: number) => `${Number((share * 100).toPrecision(2))} %`
