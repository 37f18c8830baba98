import { expect, test } from 'vitest'
import { counted, inAllBytes, inBytes, named, utcTime } from '../../hub/wording.ts'

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

test.each([
  [0, '0 B', '0 bytes'],
  [1, '1 B', '1 byte'],
  [1_023, '1,020 B', '1,023 bytes'],
  [1_024, '1 KiB', '1 KiB (1,024 bytes)'],
  [53_410, '52.2 KiB', '52.2 KiB (53,410 bytes)'],
  [4_000_000, '3.81 MiB', '3.81 MiB (4,000,000 bytes)'],
  [512 * 1_048_576, '512 MiB', '512 MiB (536,870,912 bytes)'],
  [5e15, '4,550 TiB', '4,550 TiB (5,000,000,000,000,000 bytes)'],
])('%d bytes are %s, and %s where the last one decides', (sizeBytes, short, exact) => {
  expect([inBytes(sizeBytes), inAllBytes(sizeBytes)]).toEqual([short, exact])
})

test('a bound below nothing, out of what a champion has and what is taken off, is told as it is', () => {
  expect(inAllBytes(-3_000_000)).toBe('-2.86 MiB (-3,000,000 bytes)')
})
