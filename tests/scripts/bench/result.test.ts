import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { type BenchResult, benchResult, type Goal } from '../../../scripts/bench/result.ts'
import { median, quantile } from '../../../scripts/bench/statistics.ts'

const measured = { bench: 'b', metric: 'm', value: 30, unit: 'µs' }

describe('a figure', () => {
  const cases: [string, number | undefined, Goal | undefined, Partial<BenchResult>][] = [
    ['without limit or goal only informs', undefined, undefined, { limit: null, ratio: null, goal: null, holds: true }],
    ['has the ratio to its limit', 20, undefined, { limit: 20, ratio: 1.5, holds: true }],
    ['meets its goal at the bound', 20, { of: 'ratio', bound: '<=', number: 1.5 }, { holds: true }],
    ['misses a goal it is above', 20, { of: 'ratio', bound: '<=', number: 1.49 }, { holds: false }],
    ['misses a goal it is below', 20, { of: 'ratio', bound: '>=', number: 1.51 }, { holds: false }],
    ['is judged by itself where the goal says so', 20, { of: 'value', bound: '<=', number: 30 }, { holds: true }],
    ['needs no limit for that', undefined, { of: 'value', bound: '>=', number: 31 }, { holds: false, ratio: null }],
    ['does not meet a ratio that cannot be had', undefined, { of: 'ratio', bound: '<=', number: 9 }, { holds: false }],
    ['nor one to a limit of nothing', 0, { of: 'ratio', bound: '>=', number: 0 }, { holds: false, ratio: null }],
    ['nor with what is not a number', Number.NaN, { of: 'ratio', bound: '<=', number: 9 }, { holds: false }],
  ]
  test.each(cases)('%s', (_, limit, goal, expected) => {
    expect(benchResult({ ...measured, ...(limit !== undefined && { limit }) }, goal)).toMatchObject(expected)
  })

  test('says its goal in words, and has the fields that others read', () => {
    const result = benchResult({ ...measured, limit: 20 }, { of: 'ratio', bound: '<=', number: 1.3 })
    expect(result.goal).toBe('ratio <= 1.3')
    expect(Object.keys(result)).toEqual(['bench', 'metric', 'value', 'unit', 'limit', 'ratio', 'goal', 'holds'])
  })
})

describe('a quantile', () => {
  test('is a value that was measured, whatever the order', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2)
    expect(quantile([10, 9, 100], 1)).toBe(100)
    expect(() => median([])).toThrow(RangeError)
  })
})

test('a benchmark nobody knows is refused before any is run', () => {
  const main = fileURLToPath(new URL('../../../scripts/bench/main.ts', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'recorder', 'warp-drive', 'ingst'], {
    encoding: 'utf8',
  })
  expect(status).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).toMatch(/no benchmark is called warp-drive, ingst; there are inference, ingest, recorder, footprint/)
})
