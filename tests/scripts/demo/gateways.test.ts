// What the demo's gateways replay and are asked: the recorded day, whole and in order, and the answers to it.

import { describe, expect, test } from 'vitest'
import { parseCsv } from '../../../agent/runtime/serve/rows.ts'
import { gateways, questionsOf, replayCsv } from '../../../scripts/demo/gateways.ts'
import { loadMotes } from '../../../scripts/demo/motes.ts'
import { threshold, trainDetectors } from '../../../scripts/demo/train.ts'

const motes = loadMotes()
const moteOf = (id: number) => {
  const mote = motes.find((mote) => mote.id === id)
  if (mote === undefined) throw new Error(`no mote ${id}`)
  return mote
}

describe('gateways of the demo', () => {
  test('are six, three at each site, and replay only motes of their site', () => {
    expect(gateways.map(({ site }) => site).sort()).toEqual([
      'indoor',
      'indoor',
      'indoor',
      'outdoor',
      'outdoor',
      'outdoor',
    ])
    for (const { mote, site } of gateways) expect(moteOf(mote).indoor).toBe(site === 'indoor')
  })

  test('replay the rest of the first day, then whole days, each under a key of its own', () => {
    const mote = moteOf(3)
    const rows = parseCsv(replayCsv(mote, 1400))
    expect(rows[0]).toMatchObject({ mote_id: '3-day-1', reading: String(mote.rows[1400]?.reading) })
    const days = [...Map.groupBy(rows, ({ mote_id }) => mote_id).values()]
    expect(days[0]).toHaveLength(mote.rows.length - 1400)
    for (const day of days.slice(1)) {
      expect(day.map(({ temperature }) => Number(temperature))).toEqual(mote.rows.map(({ temperature }) => temperature))
    }
  })

  test('are asked questions to which the versions give the answers they were trained to', () => {
    const { v1, v2 } = trainDetectors(motes)
    const mote = moteOf(1)
    const questions = questionsOf(
      mote,
      new Map([
        ['1', v1],
        ['2', v2],
      ]),
    )
    expect(questions).toHaveLength(mote.rows.length)
    for (const [version, { confusions }] of [
      ['1', v1],
      ['2', v2],
    ] as const) {
      const found = questions.filter(
        ({ answers }, i) => mote.rows[i]?.label === 1 && (answers.get(version) ?? 0) > threshold,
      )
      const counted = confusions.filter((row) => row.mote === 1).reduce((sum, row) => sum + row.found, 0)
      expect(found).toHaveLength(counted)
    }
  })
})
