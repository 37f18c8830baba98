import fc from 'fast-check'
import { expect, test } from 'vitest'
import { watchdogPauseMs } from '../../../agent/control/watchdog.ts'

const pid = 4711
const asked = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '120000000' }

test('a process that is waited for tells three times as often as it must', () => {
  expect(watchdogPauseMs(asked, pid)).toBe(40_000)
  expect(watchdogPauseMs({ ...asked, WATCHDOG_PID: String(pid) }, pid)).toBe(40_000)
  fc.assert(
    fc.property(fc.integer({ min: 3_000, max: 2 ** 50 }), (usec) => {
      const pauseMs = watchdogPauseMs({ ...asked, WATCHDOG_USEC: String(usec) }, pid) ?? Number.NaN
      expect(pauseMs).toBeGreaterThanOrEqual(1)
      expect(pauseMs * 3000).toBeLessThanOrEqual(usec)
    }),
    { seed: 5 },
  )
})

test('nothing is told where nobody waits, or for another process, or what is asked makes no sense', () => {
  for (const environment of [
    {},
    { WATCHDOG_USEC: '120000000' },
    { NOTIFY_SOCKET: '/run/systemd/notify' },
    { ...asked, NOTIFY_SOCKET: '' },
    { ...asked, WATCHDOG_USEC: '0' },
    { ...asked, WATCHDOG_USEC: 'soon' },
    { ...asked, WATCHDOG_PID: String(pid + 1) },
  ]) {
    expect(watchdogPauseMs(environment, pid)).toBeUndefined()
  }
})
