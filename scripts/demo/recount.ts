// What the hub's label counts must be, worked out from the recording: which rows a gateway replayed, in order, which
// version had its turn when, and what that version answers. Sums say that nothing is lost or counted twice, labels that
// each reading got its own answer, also where one runtime took over from another.

import { compileFeatures, createPipeline } from '@roost/shared/features/compile.ts'
import type { LabelCounts } from '@roost/shared/protocol/records.ts'
import { type Gateway, replayedRows } from './gateways.ts'
import { probabilityOf } from './logistic.ts'
import type { Scene } from './story.ts'
import { threshold } from './train.ts'
import { DemoError } from './waiting.ts'

export type { LabelCounts } from '@roost/shared/protocol/records.ts'

/** @param replayed rows by version, v1 first. v2 and v3 may have had turns in any order: they answer alike. */
export function expectedLabels(
  { motes, detectors }: Pick<Scene, 'motes' | 'detectors'>,
  { name, mote: id, source, firstReading }: Gateway,
  replayed: readonly number[],
): LabelCounts {
  const counts = { truePositive: 0, falsePositive: 0, trueNegative: 0, falseNegative: 0 }
  const mote = motes.find((mote) => mote.id === id)
  const total = replayed.reduce((sum, rows) => sum + rows, 0)
  const rows = mote === undefined || source !== 'replay' ? [] : replayedRows(mote, firstReading)
  const pipeline = createPipeline(compileFeatures(detectors.v1.features))
  for (let i = 0; i < total; i++) {
    // As the agent does, from the first again after the last.
    const row = rows[i % rows.length]
    const result = row === undefined ? undefined : pipeline.push(row)
    if (row === undefined || !result?.ok) throw new DemoError(`${name} has counted a reading ${i} that is none`, name)
    const { model } = i < (replayed[0] ?? 0) ? detectors.v1 : detectors.v2
    const alarm = probabilityOf(model, Float64Array.from(result.values, Math.fround)) >= threshold
    if (row.label === 1) counts[alarm ? 'truePositive' : 'falseNegative'] += 1
    else counts[alarm ? 'falsePositive' : 'trueNegative'] += 1
  }
  return counts
}
