// What is told about one device, as the API shows it.

import { z } from '@hono/zod-openapi'
import { NextCursor } from '../page.ts'
import { timelineKinds } from './timeline-entry.ts'

export const SentencePart = z
  .object({
    text: z.string(),
    link: z.object({ kind: z.enum(['rollout', 'version', 'request', 'token']), name: z.string() }).optional(),
    at: z.iso.datetime().optional(),
  })
  .openapi('SentencePart')

const Bundle = z.object({
  manifest: z.string(),
  /** Null where the registry does not know the manifest. */
  model: z.string().nullable(),
  version: z.number().int().nullable(),
})

export const DeviceReason = z
  .object({
    deployment: z.string(),
    /** In one text; times in UTC. */
    sentence: z.string(),
    /** The same in pieces: what each is about, and the moments that it names. */
    parts: z.array(SentencePart),
    /** What serves, by the device's latest word, and since when by the hub's clock. */
    runs: Bundle.extend({ since: z.iso.datetime().nullable() }).nullable(),
    wanted: Bundle.extend({ at: z.iso.datetime() }).nullable(),
    shadow: Bundle.extend({ at: z.iso.datetime() }).nullable(),
  })
  .openapi('DeviceReason')

export const TimelineEntry = z
  .object({
    id: z.string(),
    /** Hub clock. */
    at: z.iso.datetime(),
    /** Device clock, of what a device told. */
    deviceAt: z.iso.datetime().nullable(),
    kind: z.enum(timelineKinds),
    what: z.string().openapi({ example: 'progress.succeeded' }),
    tone: z.enum(['good', 'warn', 'bad', 'idle', 'busy']),
    parts: z.array(SentencePart),
  })
  .openapi('TimelineEntry')

export const TimelinePage = z.object({ entries: z.array(TimelineEntry), next: NextCursor })

const Point = z.object({
  at: z.iso.datetime(),
  /** How long the reports stretch, added up: counts over it are rates. */
  coveredMs: z.number(),
  ok: z.number().int(),
  error: z.number().int(),
  refused: z.number().int(),
  /** Microseconds; null where nothing was answered. */
  p50Us: z.number().nullable(),
  p99Us: z.number().nullable(),
  rssBytes: z.number().nullable(),
  /** Processor time over time: 1 is one core in full use. */
  cpuRatio: z.number().nullable(),
})
export const DeviceSeriesDocument = z
  .object({
    /** Device clock. */
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    stepMs: z.number().int(),
    series: z.array(
      z.object({
        deployment: z.string(),
        role: z.enum(['primary', 'shadow']),
        model: z.string(),
        version: z.number().int(),
        points: z.array(Point),
      }),
    ),
    /** There were more reports in this time than are looked at: the beginning is missing. */
    cut: z.boolean(),
  })
  .openapi('DeviceSeries')
