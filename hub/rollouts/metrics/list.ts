// Every gate metric there is: a new one is a file beside this one, and its line here.

import { z } from 'zod'
import type { Scale } from '../gates/scale.ts'
import type { Past } from '../plan/past.ts'
import { accuracy } from './accuracy.ts'
import { agreement } from './agreement.ts'
import { custom } from './custom.ts'
import { errorRate } from './error-rate.ts'
import { InstallationGate } from './installation.ts'
import { latency } from './latency.ts'
import type { ComparingMetric, ToldBy } from './metric.ts'
import { predictionDrift } from './prediction-drift.ts'
import { silence } from './silence.ts'

/** In the order of the documentation. */
const comparingMetrics = [silence, errorRate, latency, agreement, predictionDrift, accuracy, custom] as const

type Listed = (typeof comparingMetrics)[number]
export type ComparingGate = z.output<Listed['schema']>
export type Gate = z.output<typeof InstallationGate> | ComparingGate

type Schemas = [typeof InstallationGate, ...Listed['schema'][]]
// `map` forgets that there is a first one
const schemas = [InstallationGate, ...comparingMetrics.map(({ schema }) => schema)] as Schemas
/** A gate as a plan has it. */
export const Gate = z.discriminatedUnion('metric', schemas)

export const gateMetrics = ['installation', ...comparingMetrics.map(({ name }) => name)] as [
  'installation',
  ...Listed['name'][],
]

const byName = new Map<string, unknown>(comparingMetrics.map((metric) => [metric.name, metric]))

/** The metric of a gate, which takes that gate. */
function metricOf<G extends ComparingGate>(gate: G): ComparingMetric<G['metric'], z.ZodType<G>> {
  // the name in a gate is that of the metric whose schema it came out of: what the compiler cannot tell of a list
  return byName.get(gate.metric) as ComparingMetric<G['metric'], z.ZodType<G>>
}

export const scaleOf = (gate: ComparingGate): Scale => metricOf(gate).scale(gate)

/** What a person calls the gate: `latency p95`, `metric torque`. */
export const labelOf = (gate: Gate): string => (gate.metric === 'installation' ? 'installation' : scaleOf(gate).label)

export const toldBy = (gate: ComparingGate): ToldBy<ComparingGate> => metricOf(gate).told

/** One value a device, in the metric's unit, of what it reported before. */
export const usualOf = (gate: ComparingGate, past: Past): number[] => metricOf(gate).usual(gate, past)
