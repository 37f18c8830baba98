// The first act: the detectors are trained, here and now, and what each is worth on the whole recording.

import { loadMotes, type Mote } from './motes.ts'
import { count, type Narration } from './narration.ts'
import { type TrainedModel, trainDetectors } from './train.ts'
import type { VersionName } from './versions.ts'

export type Trained = { motes: readonly Mote[]; detectors: Record<VersionName, TrainedModel> }

/** Takes seconds in which this process does nothing else. */
export function train(narration: Narration): Trained {
  narration.step('train three event detectors on the recorded motes')
  const motes = loadMotes()
  const trained = { motes, detectors: trainDetectors(motes) }
  tellTraining(narration, trained)
  return trained
}

function tellTraining({ say, table }: Narration, { motes, detectors }: Trained): void {
  const names = ['v1', 'v2'] as const
  const readingsOf = (name: 'v1' | 'v2', mote: number) => detectors[name].confusions.filter((row) => row.mote === mote)
  const cells = (name: 'v1' | 'v2', mote: number) => {
    const rows = readingsOf(name, mote)
    const sum = (of: 'found' | 'missed' | 'falseAlarms') => rows.reduce((total, row) => total + row[of], 0)
    const events = sum('found') + sum('missed')
    return [events === 0 ? '-' : `${sum('found')} of ${events}`, count(sum('falseAlarms'))]
  }
  const readings = count(motes.reduce((sum, { rows }) => sum + rows.length, 0))
  say(
    `${readings} readings of temperature and humidity: two motes stood indoors, two outdoors, and at two of them events were introduced. Logistic regression on ten features of the last ten minutes; v1 has seen the indoor motes only, v2 all four, v3 answers as v2 and takes far longer. They learned from the first 60 % of their motes' readings. On the whole recording, readings of an event that each finds, and false alarms:`,
  )
  table(
    ['mote', ...names.flatMap((name) => [`${name} finds`, 'false alarms'])],
    [1, 2, 3, 4].map((mote) => [
      `${mote}, ${mote < 3 ? 'indoors' : 'outdoors'}`,
      ...names.flatMap((name) => cells(name, mote)),
    ]),
  )
}
