// Maintenance windows: when a device may be changed, in its own time zone.

import { z } from 'zod'

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
  timezone: Timezone.default('UTC'),
})
export type Window = z.infer<typeof Window>
