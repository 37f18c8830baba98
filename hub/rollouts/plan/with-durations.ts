// A schema whose durations may be written with a unit.

import { z } from 'zod'
import { durationNames, parseDuration } from './spelled-duration.ts'

const depthMax = 6

/** A schema that takes durations in words as well: what comes out has `…Ms` only. */
export const withDurations = <S extends z.ZodType>(schema: S) =>
  z.preprocess(
    (value, context) => inMs(value, [], (path, message) => context.addIssue({ code: 'custom', path, message })),
    schema,
  )

type Complain = (path: PropertyKey[], message: string) => void

function inMs(value: unknown, path: PropertyKey[], complain: Complain): unknown {
  if (typeof value !== 'object' || value === null || path.length > depthMax) return value
  if (Array.isArray(value)) return value.map((item: unknown, i) => inMs(item, [...path, i], complain))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, unknown]) => {
      if (!durationNames.has(key)) return [key, inMs(item, [...path, key], complain)]
      const ms = typeof item === 'string' ? parseDuration(item) : undefined
      if (ms === undefined) {
        complain(
          [...path, key],
          `write a duration with its unit, such as 90s, 30m, 24h or 3d (or ${key}Ms in milliseconds)`,
        )
      }
      if (Object.hasOwn(value, `${key}Ms`)) complain([...path, key], `give ${key} or ${key}Ms, not both`)
      return [`${key}Ms`, ms]
    }),
  )
}
