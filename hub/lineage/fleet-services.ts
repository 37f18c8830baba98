// What all devices have served, out of what they told. Read once a minute at most, however many pages ask.

import { setImmediate as letOthers } from 'node:timers/promises'
import { ProgressState } from '@roost/shared/protocol/progress.ts'
import { z } from 'zod'
import type { Reader } from '../storage/database.ts'
import { type Progress, type Service, serviceHistory } from './service-history.ts'

/** Of a fleet of ten thousand devices: ten installations each. */
const eventsMax = 200_000
/** Some ten milliseconds. */
const rowsPerRead = 1_000
const devicesPerTurn = 500
const freshMs = 60_000

export type FleetServices = {
  /** Hub clock, when this was read. */
  at: number
  byDevice: ReadonlyMap<string, readonly Service[]>
  /** There were more events: before this moment the picture is not whole. Null: it is. */
  wholeSince: number | null
}

/** Answers are at most a minute old. */
export function createFleetServices(reader: Reader, clock: () => number): () => Promise<FleetServices> {
  let known: { at: number; services: Promise<FleetServices> } | undefined
  return () => {
    const nowMs = clock()
    if (known === undefined || Math.abs(nowMs - known.at) >= freshMs) {
      const services = readFleetServices(reader, nowMs)
      const mine = { at: nowMs, services }
      known = mine
      // what failed is tried again by the next who asks
      services.catch(() => {
        if (known === mine) known = undefined
      })
    }
    return known.services
  }
}

async function readFleetServices(reader: Reader, nowMs: number): Promise<FleetServices> {
  const { reports, wholeSince } = await serviceReports(reader)
  const byDevice = new Map<string, Service[]>()
  let turn = 0
  for (const [device, own] of reports) {
    byDevice.set(device, serviceHistory(own))
    if (++turn % devicesPerTurn === 0) await letOthers()
  }
  for (const [device, deployment, manifest, from] of await running(reader)) {
    const own = byDevice.get(device) ?? []
    byDevice.set(device, own)
    const isTold = own.some((one) => one.deployment === deployment && one.to === null)
    if (!isTold) own.push({ deployment, manifest, from: from ?? 0, to: null, ended: null })
  }
  return { at: nowMs, byDevice, wholeSince }
}

const Text = z.object({ rows: z.string() })
const First = z.object({ id: z.number(), at: z.number() })
const Reports = z.array(z.tuple([z.number(), z.string(), z.number(), z.string(), z.string(), ProgressState]))
const tells = `event = 'progress' AND body ->> '$.state' IN
  ('probation', 'succeeded', 'already_current', 'failed', 'rolled_back')`

/** By device, in the order in which they came in. */
async function serviceReports(
  reader: Reader,
): Promise<{ reports: Map<string, Progress[]>; wholeSince: number | null }> {
  const oldest = await reader.first(
    First,
    `SELECT id, at FROM device_events WHERE ${tells} ORDER BY id DESC LIMIT 1 OFFSET ${eventsMax}`,
  )
  const reports = new Map<string, Progress[]>()
  for (let after = oldest?.id ?? 0; ; ) {
    // as one text: a value that is handed over by itself costs ten times as much
    const row = await reader.first(
      Text,
      `SELECT json_group_array(json_array(id, device, at, deployment, manifest, state)) AS rows FROM (
         SELECT id, device, at, body ->> '$.deployment' AS deployment, body ->> '$.manifest' AS manifest,
                body ->> '$.state' AS state
         FROM device_events WHERE ${tells} AND body ->> '$.role' IS NULL AND id > ? ORDER BY id LIMIT ${rowsPerRead})`,
      [after],
    )
    const rows = Reports.parse(JSON.parse(row?.rows ?? '[]'))
    for (const [, device, at, deployment, manifest, state] of rows) {
      const own = reports.get(device) ?? []
      reports.set(device, own)
      own.push({ at, deployment, manifest, state })
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < rowsPerRead) return { reports, wholeSince: oldest?.at ?? null }
    after = last[0]
    await letOthers()
  }
}

const Running = z.array(z.tuple([z.string(), z.string(), z.string(), z.number().nullable()]))

/** What serves by the devices' latest word, also where the events that told it have expired. */
async function running(reader: Reader): Promise<z.infer<typeof Running>> {
  const row = await reader.first(
    Text,
    `SELECT json_group_array(json_array(device, deployment, manifest, ran_at)) AS rows
     FROM device_deployments WHERE running = 1`,
  )
  return Running.parse(JSON.parse(row?.rows ?? '[]'))
}
