// docs/drift.md held against the code: its constants, its charts, and its figures on real readings, worked out anew.

import { readFileSync } from 'node:fs'
import { baselineBins, baselineWindowsMax } from '@roost/shared/drift/baseline.ts'
import { numericCharts } from '@roost/shared/drift/chart-values.ts'
import { baselineWindowsMin, prepareCharts } from '@roost/shared/drift/charts.ts'
import { measureColumn, measuredRowsMin } from '@roost/shared/drift/measures.ts'
import { evidenceLimit, Movement, movementsMax } from '@roost/shared/drift/verdict.ts'
import { elementsMax } from '@roost/shared/sketch/tensor-columns.ts'
import { expect, test } from 'vitest'
import { driftWindowsMax } from '../../hub/telemetry/drift/report.ts'
import { type Mote, readMote } from '../shared/drift/motes.ts'
import { baselineOf, drifted, verdicts, windowsOf } from '../shared/drift/streams.ts'
import { codeIn, readSections } from './document.ts'

const page = readFileSync(new URL('../../docs/drift.md', import.meta.url), 'utf8')
const rowsUnder = (heading: string) =>
  readSections(page).find((section) => section.heading === heading)?.tables[0]?.rows ?? []

test.each([
  [`At most ${baselineWindowsMax} windows are kept`],
  [`Fewer than ${baselineWindowsMin} windows give no verdict`],
  [`numbers: at most ${baselineBins} bins`],
  [`more than ${elementsMax} elements is watched`],
  [`\`drifted\` at ${evidenceLimit.toLocaleString('en-US')}`],
  [`in a row below ${evidenceLimit / 10}`],
  [`12 ${evidenceLimit.toString().slice(1)} × number of charts`],
  [`At most ${movementsMax}.`],
  [`newest ${driftWindowsMax.toLocaleString('en-US')} windows`],
  [`fewer than ${measuredRowsMin} present rows`],
])('says: %s', (sentence) => {
  expect(page.replaceAll(/\s+/g, ' ')).toContain(sentence)
})

test('the charts are those of the code', () => {
  expect(rowsUnder('Charts').flatMap(([chart]) => codeIn(chart))).toEqual([...numericCharts, 'category'])
  expect([...numericCharts, 'category']).toEqual(Movement.shape.chart.options)
})

test('the figures on the motes are what the code gives', () => {
  const [one, two, three, four] = [readMote(1), readMote(2), readMote(3), readMote(4)]
  const columnSets: Record<string, (keyof Mote)[]> = {
    'temperature, humidity': ['temperature', 'humidity'],
    'difference, deviation': ['difference', 'deviation'],
    'all four': ['temperature', 'humidity', 'difference', 'deviation'],
  }
  const halves = (values: readonly number[]) => [values.slice(0, values.length >> 1), values.slice(values.length >> 1)]
  const second = (mote: Mote, name: keyof Mote) => halves(mote[name])[1] ?? []
  const streams: Record<string, (name: keyof Mote) => readonly number[]> = {
    'indoor mote 2, nothing happens': (name) => second(two, name),
    'indoor mote 1, labelled events': (name) => second(one, name),
    'outdoor mote 3': (name) => three[name],
    'outdoor mote 4': (name) => four[name],
  }
  let stream = ''
  const worked = rowsUnder('What it does on real readings').map(([title = '', columns = '']) => {
    stream = title === '' ? stream : title
    const names = columnSets[columns] ?? []
    const readings = streams[stream]
    const firsts = names.map((name): [string, number[]] => [
      name,
      [one, two].flatMap((mote) => halves(mote[name])[0] ?? []),
    ])
    const ofOne = one.temperature.length >> 1
    const groups = Array.from({ length: firsts[0]?.[1].length ?? 0 }, (_, row) => (row < ofOne ? 1 : 2))
    const baseline = baselineOf(Object.fromEntries(firsts), 100, groups)
    const windows = windowsOf(baseline, Object.fromEntries(names.map((name) => [name, readings?.(name) ?? []])), 100)
    const states = drifted(verdicts(prepareCharts(baseline), windows))
    const byThreshold = windows.map((window) =>
      Object.entries(window).some(([name, counts]) => {
        const column = baseline.columns[name]
        const { psi, jensenShannon } = column === undefined ? {} : measureColumn(column, counts)
        return (psi ?? 0) > 0.2 || (jensenShannon ?? 0) > 0.1
      }),
    )
    const count = (all: readonly boolean[]) => `${all.filter(Boolean).length} of ${all.length}`
    const first = states.indexOf(true)
    return [title, columns, count(byThreshold), count(states), first < 0 ? '' : `window ${first}`]
  })
  expect(worked).toHaveLength(10)
  expect(rowsUnder('What it does on real readings')).toEqual(worked)
})
