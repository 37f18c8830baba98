// The demo's recount of labels: on whole days it must come to what the training counted for that mote and version.

import { describe, expect, test } from 'vitest'
import { loadMotes } from '../../../scripts/demo/motes.ts'
import { expectedLabels } from '../../../scripts/demo/recount.ts'
import { type TrainedModel, trainDetectors } from '../../../scripts/demo/train.ts'

const motes = loadMotes()
const detectors = trainDetectors(motes)
const gateway = { name: 'one', site: 'outdoor', mote: 4, source: 'replay', firstReading: 0 } as const
const day = motes.find(({ id }) => id === gateway.mote)?.rows.length ?? 0

function countedInTraining({ confusions }: TrainedModel) {
  const rows = confusions.filter(({ mote }) => mote === gateway.mote)
  const sum = (of: 'found' | 'missed' | 'falseAlarms' | 'quiet') => rows.reduce((total, row) => total + row[of], 0)
  return {
    truePositive: sum('found'),
    falsePositive: sum('falseAlarms'),
    trueNegative: sum('quiet'),
    falseNegative: sum('missed'),
  }
}

const both = (times1: number, times2: number) => {
  const [one, two] = [countedInTraining(detectors.v1), countedInTraining(detectors.v2)]
  return {
    truePositive: times1 * one.truePositive + times2 * two.truePositive,
    falsePositive: times1 * one.falsePositive + times2 * two.falsePositive,
    trueNegative: times1 * one.trueNegative + times2 * two.trueNegative,
    falseNegative: times1 * one.falseNegative + times2 * two.falseNegative,
  }
}

describe('the labels that the hub must have', () => {
  test.each<[string, number[], ReturnType<typeof both>]>([
    ['nothing', [0, 0, 0], both(0, 0)],
    ['a day of v1', [day, 0, 0], both(1, 0)],
    ['a day of v2', [0, day, 0], both(0, 1)],
    ['a day of v1, then one shared by v2 and v3', [day, day - 1000, 1000], both(1, 1)],
  ])('after %s are those of the training', (_, replayed, labels) => {
    expect(expectedLabels({ motes, detectors }, gateway, replayed)).toEqual(labels)
  })

  test('count every reading once, also when the recording is replayed for the fifth day', () => {
    const counts = expectedLabels({ motes, detectors }, gateway, [day, 3 * day + 500, 0])
    expect(Object.values(counts).reduce((sum, times) => sum + times, 0)).toBe(4 * day + 500)
  })

  test('are none where an application asks and nothing is replayed', () => {
    const asked = { ...gateway, source: 'application' } as const
    expect(expectedLabels({ motes, detectors }, asked, [0, 0, 0])).toEqual(both(0, 0))
  })
})
