// What a device has served, read out of its events, and out of its record where the events have expired.

import { z } from 'zod'
import { jsonColumn, type Reader } from '../storage/database.ts'
import type { ServiceDocument } from './documents.ts'
import type { Allows } from './neighbours.ts'
import { versionName } from './nodes.ts'
import { ProgressBody, type Service, serviceHistory } from './service-history.ts'

/** Events a history is made of at most, the newest: a device that installs something every hour has 8,760 a year. */
export const eventsMax = 20_000

const EventRow = z.object({ at: z.number(), body: jsonColumn(ProgressBody) })
const RecordRow = z.object({ deployment: z.string(), manifest: z.string(), ran_at: z.number() })
const BundleRow = z.object({ digest: z.string(), model: z.string(), version: z.number(), variant: z.string() })

/** Oldest first. What is of a model that is not allowed is left out. */
export async function readHistory(
  reader: Reader,
  device: string,
  allows: Allows,
): Promise<{ services: z.infer<typeof ServiceDocument>[]; cut: boolean }> {
  const rows = await reader.all(
    EventRow,
    `SELECT at, body FROM device_events WHERE device = ? AND event = 'progress'
     ORDER BY id DESC LIMIT ?`,
    [device, eventsMax + 1],
  )
  const reports = rows
    .slice(0, eventsMax)
    .toReversed()
    .map(({ at, body }) => ({ ...body, at }))
  const fromEvents = serviceHistory(reports)
  const fromRecord = await recordsBeside(reader, device, fromEvents)
  const bundles = await bundlesOf(reader, [...fromEvents, ...fromRecord])
  const show = (source: 'events' | 'record') => (service: Service) => {
    const bundle = bundles.get(service.manifest)
    if (bundle !== undefined && !allows(bundle.model)) return []
    return [
      {
        deployment: service.deployment,
        manifest: service.manifest,
        version: bundle === undefined ? null : versionName(bundle.model, bundle.version),
        variant: bundle?.variant ?? null,
        from: new Date(service.from).toISOString(),
        to: service.to === null ? null : new Date(service.to).toISOString(),
        ended: service.ended,
        source,
      },
    ]
  }
  return {
    services: [...fromRecord.flatMap(show('record')), ...fromEvents.flatMap(show('events'))],
    cut: rows.length > eventsMax,
  }
}

/** What once served and of which no event is left. */
async function recordsBeside(reader: Reader, device: string, known: readonly Service[]): Promise<Service[]> {
  const rows = await reader.all(
    RecordRow,
    `SELECT deployment, manifest, ran_at FROM device_deployments WHERE device = ? AND ran_at IS NOT NULL
     ORDER BY ran_at LIMIT ?`,
    [device, eventsMax],
  )
  const told = new Set(known.map(({ deployment, manifest }) => `${deployment} ${manifest}`))
  return rows
    .filter(({ deployment, manifest }) => !told.has(`${deployment} ${manifest}`))
    .map(({ deployment, manifest, ran_at }) => ({ deployment, manifest, from: ran_at, to: null, ended: null }))
}

async function bundlesOf(
  reader: Reader,
  services: readonly Service[],
): Promise<Map<string, z.infer<typeof BundleRow>>> {
  const digests = [...new Set(services.map(({ manifest }) => manifest))]
  const rows = await reader.all(
    BundleRow,
    'SELECT digest, model, version, variant FROM manifests WHERE digest IN (SELECT value FROM json_each(?))',
    [JSON.stringify(digests)],
  )
  return new Map(rows.map((row) => [row.digest, row]))
}
