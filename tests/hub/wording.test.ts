import { expect, test } from 'vitest'
import { counted, named, utcTime } from '../../hub/wording.ts'

test.each([
  [0, '0 devices are'],
  [1, '1 device is'],
  [2, '2 devices are'],
  [12_345, '12,345 devices are'],
])('%d of them are counted in good English', (count, words) => {
  expect(counted(count, 'device is', 'devices are')).toBe(words)
  expect(counted(count, 'device')).toBe(words.replace(/ (is|are)$/, ''))
})

test('names are listed as far as one can read them, and the rest is counted', () => {
  expect(named([])).toBe('')
  expect(named(['a', 'b'], 2)).toBe('a, b')
  expect(named(['a', 'b', 'c', 'd'], 2)).toBe('a, b and 2 more')
})

test('times are written in one way, to the second', () => {
  expect(utcTime(Date.UTC(2026, 10, 24, 8, 15, 2, 999))).toBe('2026-11-24 08:15:02')
})
