import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isOpen, opensAt, Window, weekdays } from '../../../hub/rollouts/plan/window.ts'

const seed = 2503
console.log(`window: seed ${seed}`)

const minuteMs = 60_000
const dayMs = 1_440 * minuteMs
const at = (text: string) => Date.parse(text)

// half an hour, an hour, none, three quarters of an hour beside UTC; one of them skipped a whole day in 2011
const zones = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'UTC',
] as const
const changes = [
  '2026-03-29T01:00Z',
  '2026-10-25T01:00Z',
  '2026-03-08T07:00Z',
  '2026-11-01T06:00Z',
  '2026-10-03T15:30Z',
  '2011-12-30T10:00Z',
]

const time = fc.integer({ min: 0, max: 1_439 }).map((minute) => {
  const two = (n: number) => String(n).padStart(2, '0')
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`
})
const someWindow = fc
  .record({
    days: fc.option(fc.uniqueArray(fc.constantFrom(...weekdays), { minLength: 1 }), { nil: undefined }),
    from: time,
    to: time,
  })
  .map(({ days, ...times }) => Window.parse(days === undefined ? times : { days, ...times }))
/** Within four days of a change of some clock. */
const instant = fc
  .tuple(fc.constantFrom(...changes), fc.integer({ min: -4 * dayMs, max: 4 * dayMs }))
  .map(([change, offset]) => at(change) + offset)

/** The same said with words of the calendar. */
function isOpenByCalendar({ days, from, to }: Window, zone: string, nowMs: number): boolean {
  const format = (ms: number) =>
    new Date(ms).toLocaleString('en-GB', {
      timeZone: zone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
  const [name = '', clock = ''] = format(nowMs).split(/,? /)
  const today = weekdays.map(String).indexOf(name.toLowerCase())
  const on = (day: number) => days === undefined || days.some((one) => one === weekdays[(day + 7) % 7])
  return from < to
    ? on(today) && clock >= from && clock < to
    : (on(today) && clock >= from) || (on(today - 1) && clock < to)
}

describe('maintenance window', () => {
  test('is open when the clock and the calendar on the wall say so', () => {
    fc.assert(
      fc.property(someWindow, fc.constantFrom(...zones), instant, (window, zone, nowMs) => {
        expect(isOpen(window, zone, nowMs)).toBe(isOpenByCalendar(window, zone, nowMs))
      }),
      { seed, numRuns: 500 },
    )
  })

  test('opens at the first minute at which it is open, also across changes of the clocks', () => {
    fc.assert(
      fc.property(someWindow, fc.constantFrom(...zones), instant, (window, zone, nowMs) => {
        const opening = opensAt(window, zone, nowMs)
        let expected = nowMs
        // openings and changes of clocks are at whole minutes
        while (!isOpen(window, zone, expected) && expected < nowMs + 22 * dayMs) {
          expected = Math.floor(expected / minuteMs + 1) * minuteMs
        }
        expect(opening).toBe(expected)
      }),
      { seed, numRuns: 200 },
    )
  })

  test.each<[string, Partial<Window>, string, string, string]>([
    ['in the zone of the device', {}, 'America/New_York', '2026-06-01T00:00Z', '2026-06-01T06:00Z'],
    ['in its own where a device says nothing useful', {}, 'Mars/Olympus', '2026-06-01T00:30Z', '2026-06-02T00:00Z'],
    ['on its days', { days: ['sun'] }, 'Europe/Berlin', '2026-06-01T12:00Z', '2026-06-07T00:00Z'],
    [
      'where the clock leaps into it, at the leap',
      { from: '02:30', to: '04:00' },
      'Europe/Berlin',
      '2026-03-28T12:00Z',
      '2026-03-29T01:00Z',
    ],
    [
      'where the clock leaps over it, a day later',
      { from: '02:15', to: '02:45' },
      'Europe/Berlin',
      '2026-03-28T12:00Z',
      '2026-03-30T00:15Z',
    ],
    [
      'where the clock leaps over the only one of a week, in the next',
      { days: ['sun'], from: '02:15', to: '02:45' },
      'Europe/Berlin',
      '2026-03-28T12:00Z',
      '2026-04-05T00:15Z',
    ],
    [
      'again in the hour that is repeated',
      { from: '02:00', to: '02:30' },
      'Europe/Berlin',
      '2026-10-25T00:40Z',
      '2026-10-25T01:00Z',
    ],
    [
      'over midnight',
      { days: ['fri'], from: '22:00', to: '05:00' },
      'UTC',
      '2026-06-06T04:59:30Z',
      '2026-06-06T04:59:30Z',
    ],
  ])('opens %s', (_, over, zone, now, expected) => {
    const window = Window.parse({ from: '02:00', to: '02:30', timezone: 'Europe/Berlin', ...over })
    expect(new Date(opensAt(window, zone, at(now)) ?? 0)).toEqual(new Date(expected))
  })

  test.each([
    [{ from: '2:00', to: '05:00' }, /HH:MM/],
    [{ from: '02:00', to: '24:00' }, /HH:MM/],
    [{ from: '02:00', to: '05:00', timezone: 'Berlin' }, /Europe\/Berlin/],
    [{ from: '02:00', to: '05:00', days: [] }, /never opens/],
  ])('%j is no window', (written, why) => {
    expect(() => Window.parse(written)).toThrow(why)
  })
})
