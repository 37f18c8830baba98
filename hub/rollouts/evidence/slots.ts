// Values in slots of time of equal length, at most 64 of them: when the time outgrows them, neighbours are added and the
// slots become twice as long. All devices of a stage share the grid, so the same slot is the same time for each of them.

import { z } from 'zod'

export const slotsMax = 64
/** The shortest slot. Windows last seconds to hours. */
const shortestMs = 1_000

/** Slot i of `values` begins `i * slotMs` after the grid's origin; null where nothing was. */
export const slotsOf = <S extends z.ZodType>(value: S) =>
  z.object({ slotMs: z.number().positive(), values: z.array(value.nullable()).max(slotsMax) })
export type Slots<T extends object> = { slotMs: number; values: (T | null)[] }

export const noSlots: Slots<never> = { slotMs: shortestMs, values: [] }

/** @param atMs after the origin; what lies before it goes into the first slot */
export function putInSlot<T extends object>(slots: Slots<T>, atMs: number, value: T, add: (a: T, b: T) => T): Slots<T> {
  let fitting = slots
  while (atMs >= fitting.slotMs * slotsMax) fitting = coarser(fitting, add)
  const place = Math.max(0, Math.floor(atMs / fitting.slotMs))
  const values = Array.from({ length: Math.max(fitting.values.length, place + 1) }, (_, i) => fitting.values[i] ?? null)
  const present = values[place] ?? null
  values[place] = present === null ? value : add(present, value)
  return { slotMs: fitting.slotMs, values }
}

/** The same on slots of at least `slotMs`. Slot lengths are the shortest times a power of two. */
export function onSlotsOf<T extends object>(slots: Slots<T>, slotMs: number, add: (a: T, b: T) => T): Slots<T> {
  let fitting = slots
  while (fitting.slotMs < slotMs) fitting = coarser(fitting, add)
  return fitting
}

/** The least slot length that is at least `leastMs` and of which 64 cover `spanMs`. */
export function slotMsFor(leastMs: number, spanMs: number): number {
  let slotMs = shortestMs
  while (slotMs < leastMs || slotMs * slotsMax <= spanMs) slotMs *= 2
  return slotMs
}

function coarser<T extends object>({ slotMs, values }: Slots<T>, add: (a: T, b: T) => T): Slots<T> {
  const pairs = Array.from({ length: Math.ceil(values.length / 2) }, (_, i): T | null => {
    const first = values[2 * i] ?? null
    const second = values[2 * i + 1] ?? null
    if (first === null) return second
    return second === null ? first : add(first, second)
  })
  return { slotMs: slotMs * 2, values: pairs }
}
