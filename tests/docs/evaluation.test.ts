// docs/evaluation.md held against the code: the fields of a request, the figures, the bounds, and every reason.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { queuedMax } from '../../hub/evaluation/evaluations.ts'
import { prepare } from '../../hub/evaluation/figures.ts'
import { fairnessGroupsMax, slicesMax } from '../../hub/evaluation/groupings.ts'
import { rowsMax, valuesMax } from '../../hub/evaluation/input-table.ts'
import { sliceRowsMin } from '../../hub/evaluation/measure.ts'
import { resamples } from '../../hub/evaluation/metrics/bootstrap.ts'
import { fairnessColumnsMax, NewEvaluation, samplesMax, sliceColumnsMax } from '../../hub/evaluation/request.ts'
import { codeIn, readSections } from './document.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/evaluation.md'), 'utf8')
const text = page.replaceAll(/\s+/g, ' ')
const rowsUnder = (heading: string) =>
  readSections(page).find((section) => section.heading === heading)?.tables[0]?.rows ?? []
const grouped = (count: number) => count.toLocaleString('en-US')

test('the fields of a request', () => {
  const written = rowsUnder('The request').flatMap(([field]) => codeIn(field))
  expect(written.toSorted()).toEqual(Object.keys(NewEvaluation.shape).toSorted())
})

test('every figure', () => {
  const row = Float64Array.of(0.5)
  const common = { labels: Int32Array.of(0), predicted: Int32Array.of(0), latencies: row }
  const classes = prepare(
    { kind: 'classification', classes: ['0', '1'], probabilities: [row, row], scores: row, ...common },
    [{ column: 'site', names: ['a'], of: Int32Array.of(0) }],
  )()
  const numbers = prepare({ kind: 'regression', targets: row, predicted: row, latencies: row })()
  const named = new Set([...Object.keys(classes), ...Object.keys(numbers)].filter((name) => !name.includes('[')))
  expect(new Set(rowsUnder('Figures').flatMap(([names]) => codeIn(names)))).toEqual(named)
})

test('the bounds', () => {
  for (const bound of [
    `${queuedMax} may wait`,
    `${grouped(rowsMax)} rows and ${grouped(valuesMax)} input numbers`,
    `up to ${sliceColumnsMax} columns`,
    `up to ${fairnessColumnsMax} columns`,
    `the ${slicesMax} values of a column`,
    `more than ${fairnessGroupsMax} values is refused`,
    `fewer than ${sliceRowsMin} rows`,
    `of ${grouped(resamples)} resamples`,
    `at most ${grouped(samplesMax)})`,
  ]) {
    expect(text).toContain(bound)
  }
})

test('every reason', () => {
  const folder = join(root, 'hub/evaluation')
  const sources = readdirSync(folder).filter((name) => name.endsWith('.ts'))
  const thrown = sources.flatMap((name) => {
    const source = readFileSync(join(folder, name), 'utf8')
    return [...source.matchAll(/(?:new (?:EvaluationError|Problem)\(|code:)\s*(?:\d{3},\s*)?'([a-z-]+)'/g)].map(
      ([, code]) => code ?? '',
    )
  })
  // of running a model, and of the hub itself
  const elsewhere = new Set(['time-limit', 'internal'])
  // the scorer's own, passed on
  const expected = new Set([...thrown.filter((code) => !elsewhere.has(code)), 'busy'])
  const heading = 'Why one is refused or fails'
  expect(new Set(rowsUnder(heading).flatMap(([code]) => codeIn(code)))).toEqual(expected)
})
