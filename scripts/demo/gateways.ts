// The six gateways of the demo and what their sensors say: the recorded day of a mote, over and over, as rows of a file
// that the gateway replays. One gateway replays nothing: there an application asks with the readings of its mote.

import { compileFeatures, createPipeline } from '@roost/shared/features/compile.ts'
import type { Question } from './application.ts'
import { probabilityOf } from './logistic.ts'
import type { Mote, MoteRow } from './motes.ts'
import type { TrainedModel } from './train.ts'

export type Gateway = {
  name: string
  site: 'indoor' | 'outdoor'
  mote: number
  source: 'replay' | 'application'
  /** The reading it begins with: before the recorded events, and outdoors before the warm afternoon. */
  firstReading: number
}

export const gateways: readonly Gateway[] = [
  { name: 'indoor-1', site: 'indoor', mote: 1, source: 'replay', firstReading: 1200 },
  { name: 'indoor-2', site: 'indoor', mote: 2, source: 'replay', firstReading: 1200 },
  { name: 'indoor-3', site: 'indoor', mote: 2, source: 'application', firstReading: 0 },
  { name: 'outdoor-1', site: 'outdoor', mote: 3, source: 'replay', firstReading: 1400 },
  { name: 'outdoor-2', site: 'outdoor', mote: 4, source: 'replay', firstReading: 1400 },
  { name: 'outdoor-3', site: 'outdoor', mote: 4, source: 'replay', firstReading: 1600 },
]

/** Nothing is replayed here: an application asks. */
export const applicationGateway = 'indoor-3'
/** Its link is cut for a while. */
export const cutOff = 'outdoor-3'

/** More than the story takes; after them the replay begins anew. */
const daysReplayed = 4

export type ReplayedRow = Omit<MoteRow, 'mote_id'> & { mote_id: string }

/** The mote's day from `firstReading` on, then whole days. Each day has a key of its own, so that the last readings of an
 *  evening are no history of the next morning. */
export function replayedRows({ rows }: Mote, firstReading: number): ReplayedRow[] {
  const days = Array.from({ length: daysReplayed }, (_, day) =>
    rows
      .slice(day === 0 ? firstReading : 0)
      .map((row): ReplayedRow => ({ ...row, mote_id: `${row.mote_id}-day-${day + 1}` })),
  )
  return days.flat()
}

/** The same as a file. */
export function replayCsv(mote: Mote, firstReading: number): string {
  const lines = replayedRows(mote, firstReading).map((row) =>
    [row.mote_id, row.reading, row.temperature, row.humidity, row.label].join(','),
  )
  return ['mote_id,reading,temperature,humidity,label', ...lines, ''].join('\n')
}

/** The mote's day as requests of an application, with what each version must answer. */
export function questionsOf({ rows }: Mote, versions: ReadonlyMap<string, TrainedModel>): Question[] {
  const [any] = versions.values()
  if (any === undefined) return []
  const pipeline = createPipeline(compileFeatures(any.features))
  return rows.flatMap((row) => {
    const result = pipeline.push(row)
    const x = result.ok ? result.inputs[0]?.data : undefined
    if (x === undefined) return []
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, x.length], data: [...x] }]
    const answers = [...versions].map(([version, { model }]): [string, number] => [version, probabilityOf(model, x)])
    return [{ body: JSON.stringify({ inputs }), answers: new Map(answers) }]
  })
}
