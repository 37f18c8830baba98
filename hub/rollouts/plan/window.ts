// Maintenance windows: when a device may be changed, in its own time zone.

import { z } from 'zod'
import { windowDefaults } from './defaults.ts'

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Weekday = (typeof weekdays)[number]

const TimeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'write a time of day as HH:MM, from 00:00 to 23:59')

/** Whether the runtime knows this IANA name. */
export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

export const Timezone = z
  .string()
  .max(64)
  .refine(isTimezone, 'is no time zone; use a name such as Europe/Berlin, America/New_York or UTC')

/** From `from` until `to`; where `to` is not later than `from` it ends on the day after. `days` are those on which it
 *  begins (all, if left out). `timezone` holds for devices without a label `timezone`. */
export const Window = z.strictObject({
  days: z.array(z.enum(weekdays)).min(1, 'a window without days never opens').max(7).optional(),
  from: TimeOfDay,
  to: TimeOfDay,
  timezone: Timezone.default(windowDefaults.timezone),
})
export type Window = z.infer<typeof Window>

/** Whether a device may be changed now: the clock on the device's wall decides. What that clock leaps over in spring
 *  never comes, what it repeats in autumn comes twice.
 *  @param timezone the device's label; the window's own where it is missing or no time zone
 *  @param nowMs hub time */
export function isOpen(window: Window, timezone: string | undefined, nowMs: number): boolean {
  return isOpenAt(window, wallMs(zoneOf(window, timezone), nowMs))
}

/** When it is open next, hub time: `nowMs` where it is open already; undefined where that is never. */
export function opensAt(window: Window, timezone: string | undefined, nowMs: number): number | undefined {
  const zone = zoneOf(window, timezone)
  let at = nowMs
  // each round ends at an opening or at a change of the clocks, of which there are few in three weeks
  for (let round = 0; round < 16; round++) {
    const wall = wallMs(zone, at)
    if (isOpenAt(window, wall)) return at
    const opening = at + nextOpening(window, wall) - wall
    const offset = wall - at
    at = wallMs(zone, opening) - opening === offset ? opening : clockChange(zone, at, opening)
  }
  return undefined
}

/** When work that takes `busyMs` of open time is done; undefined where that is never. Exact to five minutes where a
 *  window ends in between.
 *  @param fromMs hub time at which it may begin */
export function openTimeAfter(
  window: Window,
  timezone: string | undefined,
  fromMs: number,
  busyMs: number,
): number | undefined {
  const step = Math.max(5 * minuteMs, busyMs / 1_000)
  let at = opensAt(window, timezone, fromMs)
  for (let left = busyMs; left > 0 && at !== undefined; ) {
    if (isOpen(window, timezone, at)) {
      at += Math.min(step, left)
      left -= step
    } else at = opensAt(window, timezone, at)
  }
  return at
}

const minuteMs = 60_000
const dayMs = 1_440 * minuteMs

const minuteOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3))
/** Of a time of the wall's clock; the epoch was a Thursday. */
const weekdayOf = (wall: number): Weekday => weekdays[(((Math.floor(wall / dayMs) + 3) % 7) + 7) % 7] ?? 'mon'
const beginsOn = ({ days }: Window, wall: number): boolean => days === undefined || days.includes(weekdayOf(wall))

function isOpenAt(window: Window, wall: number): boolean {
  const [from, to] = [minuteOf(window.from), minuteOf(window.to)]
  const minute = Math.floor((wall - Math.floor(wall / dayMs) * dayMs) / minuteMs)
  if (from < to) return beginsOn(window, wall) && minute >= from && minute < to
  return (beginsOn(window, wall) && minute >= from) || (beginsOn(window, wall - dayMs) && minute < to)
}

/** The first beginning of the window after a time of the wall's clock, in that clock's time. */
function nextOpening(window: Window, wall: number): number {
  const today = Math.floor(wall / dayMs) * dayMs
  const from = minuteOf(window.from) * minuteMs
  const days = Array.from({ length: 9 }, (_, day) => today + day * dayMs + from)
  return days.find((opening) => opening > wall && beginsOn(window, opening)) ?? today + 8 * dayMs
}

/** When between two times the clocks of the zone change. */
function clockChange(zone: string, fromMs: number, toMs: number): number {
  const offset = wallMs(zone, fromMs) - fromMs
  let [before, after] = [fromMs, toMs]
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (wallMs(zone, middle) - middle === offset) before = middle
    else after = middle
  }
  return after
}

/** Labels are written by people: one that is no time zone counts as none. */
const zoneOf = (window: Window, timezone: string | undefined): string =>
  timezone !== undefined && formatterOf(timezone) !== undefined ? timezone : window.timezone

/** What the wall's clock shows, as the milliseconds that UTC would show it at. */
function wallMs(zone: string, nowMs: number): number {
  const formatter = formatterOf(zone)
  if (formatter === undefined) throw new Error(`${zone} is no time zone`)
  const shown = new Map(formatter.formatToParts(nowMs).map(({ type, value }) => [type, Number(value)]))
  const part = (type: Intl.DateTimeFormatPartTypes) => shown.get(type) ?? 0
  const second = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'))
  return second + (((nowMs % 1000) + 1000) % 1000)
}

const formattersMax = 1_000
const formatters = new Map<string, Intl.DateTimeFormat | undefined>()

/** Undefined where there is no such zone. Making one takes longer than using it a hundred times, so they are kept. */
function formatterOf(zone: string): Intl.DateTimeFormat | undefined {
  if (formatters.has(zone)) return formatters.get(zone)
  if (formatters.size >= formattersMax) formatters.clear()
  const formatter = isTimezone(zone) ? new Intl.DateTimeFormat('en-US', { timeZone: zone, ...numbers }) : undefined
  formatters.set(zone, formatter)
  return formatter
}

const numbers = {
  hourCycle: 'h23',
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: 'numeric',
  minute: 'numeric',
  second: 'numeric',
} as const satisfies Intl.DateTimeFormatOptions
