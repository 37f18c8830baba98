// What the gates of a stage could see with so many devices: said before anything starts, so that nobody waits for an answer
// that cannot come.

import { counted } from '../../wording.ts'
import { powerOf } from '../gates/power.ts'
import type { StageContext } from '../gates/verdict.ts'
import { type Gate, labelOf, scaleOf, usualOf } from '../metrics/list.ts'
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
  /** What a person calls the gate. */
  label: string
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

export function sightOf(gate: Gate, arms: Arms, past: Past, stage: StageContext): Sight {
  return { ...seenBy(gate, arms, past, stage), label: labelOf(gate) }
}

function seenBy(gate: Gate, arms: Arms, past: Past, stage: StageContext): Omit<Sight, 'label'> {
  const { metric } = gate
  if (gate.metric === 'installation') {
    const bound = 1 - 0.05 ** (1 / Math.max(1, arms.taking))
    const sentence = `${counted(arms.taking, 'device')} without a failure would show that at most ${percent(bound)} of such fail (95 %)`
    return { metric, method: 'counts', sees: bound, blind: false, sentence }
  }
  const none = (sentence: string, blind = false) => ({ metric, method: 'none' as const, sees: null, blind, sentence })
  if (arms.canary + arms.control === 0)
    return none('no device runs another version, so there is nothing to compare with: it passes')
  if (metric === 'agreement' && stage.mode !== 'shadow')
    return none('both versions answer the same inputs in shadow only: it passes')
  if (stage.mode === 'shadow' && metric !== 'silence') {
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
  const scale = scaleOf(gate)
  const values = usualOf(gate, past).map(scale.toScale).filter(Number.isFinite)
  const margin = values.length === 0 ? 0 : scale.margin(mean(values))
  const power = powerOf(margin, { strata: arms.strata, spread: deviation(values) }, stage)
  if (power.sees === null && metric !== 'silence' && arms.canary + arms.control <= blocksMax) {
    const sentence = `${counted(arms.canary, 'device is', 'devices are')} too few to draw again: each is compared with its own past, beside what the other ${arms.control} did meanwhile`
    return { metric, method: 'blocks', sees: null, blind: false, sentence }
  }
  if (power.sees === null && metric === 'silence') {
    return none(
      `passes where none of ${counted(arms.canary, 'canary', 'canaries')} is silent; if one is, they are too few to tell why, and a person decides`,
    )
  }
  if (power.sees === null) {
    const sentence = `${counted(arms.canary, 'canary', 'canaries')} beside ${counted(arms.control, 'other')}: too few ways to draw them to tell a difference from chance`
    return none(sentence, true)
  }
  const sides = `${arms.canary} beside ${counted(arms.control, 'device')}`
  if (values.length < 2) {
    const sentence = `${sides}; too few have reported to say which effect that shows`
    return { metric, method: 'redraw', sees: null, blind: false, sentence }
  }
  const wide = power.passesAt !== null && power.passesAt > margin
  const doubt = wide
    ? `; one that changes nothing passes surely only where ${scale.inWords(power.passesAt ?? 0)} is allowed`
    : ''
  const sentence = `${sides}: ${scale.inWords(power.sees)} fails in four of five rollouts${doubt}`
  return { metric, method: 'redraw', sees: scale.shown(power.sees), blind: false, sentence }
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
/** Standard deviation; 0 where there is nothing to tell it from. */
function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0
  const middle = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1))
}
const percent = (share: number) => `${Number((share * 100).toPrecision(2))} %`
