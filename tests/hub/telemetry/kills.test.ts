// P10 at the hub's end: a hub process that is killed with -9 at random moments while devices report to it over MQTT.
// What it confirmed is there, nothing is there twice, and in the end it holds what the devices recorded, to the unit.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EnrolResponse } from '@roost/shared/protocol/enrolment.ts'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { openDatabase } from '../../../hub/storage/database.ts'
import { Totals, totals } from '../../../hub/telemetry/windows.ts'
import { startTcpProxy } from '../../../scripts/demo/tcp-proxy.ts'
import { aHubProcess } from '../../builders/hub-process.ts'
import { readAs } from '../a-hub.ts'
import { until } from '../fleet/a-broker.ts'
import { anEnrolment } from '../fleet/a-fleet.ts'
import { type Counts, type ReportingDevice, startHonestDevice, startRudeDevice } from './reporting-device.ts'

const seed = Number(process.env.ROOST_TEST_SEED ?? 20261125)
const kills = Number(process.env.ROOST_TEST_KILLS ?? 20)
const rudeDevices = 4
const honestDevices = 2
const killAfterMsMax = 200

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-report-kills-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** A linear congruential generator (Numerical Recipes): the same moments in every run of a seed. */
function seededChance(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const Position = z.object({ seq: z.number().int() })
const Counted = z.object({ count: z.number().int() })

/** Looks at the files while no hub runs: each device is taken in up to one sequence, exactly, and at least up to where
 *  it was told so. */
async function inspect(devices: readonly ReportingDevice[]): Promise<void> {
  const database = await openDatabase(join(folder, 'hub', 'hub.db'), pino({ level: 'silent' }))
  const [integrity] = await database.all(z.object({ integrity_check: z.string() }), 'PRAGMA integrity_check')
  expect(integrity).toEqual({ integrity_check: 'ok' })
  for (const { device, epoch, countsUpTo, acknowledged } of devices) {
    const where = [device, epoch]
    const position = await database.first(
      Position,
      'SELECT seq FROM outbox_positions WHERE device = ? AND epoch = ?',
      where,
    )
    const seq = position?.seq ?? 0
    expect(seq, `${device} was told ${acknowledged()}`).toBeGreaterThanOrEqual(acknowledged())
    const count = async (table: string) =>
      (await database.first(Counted, `SELECT count(*) AS count FROM ${table} WHERE device = ?`, [device]))?.count ?? 0
    const { ok, error, refused, windows } = await totals(database, { devices: [device] })
    const held: Counts = { ok, error, refused, windows, events: await count('device_events') }
    expect(held, `${device} up to ${seq}`).toEqual(countsUpTo(seq))
    expect(await count('window_reports')).toBe(held.windows)
  }
  await database.close()
}

test(`after each of ${kills} kills all that was confirmed is there, once; in the end all there is (seed ${seed})`, async () => {
  const chance = seededChance(seed)
  const start = () => aHubProcess({ folder: join(folder, 'hub') })
  let hub = await start()
  const bearer = { authorization: `Bearer ${hub.adminToken}`, 'content-type': 'application/json' }
  // the hub comes back on another port each time; the devices know only this one
  const target = { port: hub.ports.mqtt ?? 0 }
  await using proxy = await startTcpProxy(target)
  const url = `mqtt://127.0.0.1:${proxy.port}`

  const claimed = await fetch(`${hub.url}/v1/claims`, {
    method: 'POST',
    headers: bearer,
    body: JSON.stringify({ uses: rudeDevices + honestDevices }),
  })
  const { token } = await readAs(z.object({ token: z.string() }), claimed)
  const enrol = async (device: string) => {
    const body = JSON.stringify(anEnrolment(token, { device }))
    const response = fetch(`${hub.url}/v1/enrol`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    const { secret } = await readAs(EnrolResponse, response)
    return { device, secret, url }
  }
  const devices: ReportingDevice[] = []
  try {
    for (let i = 0; i < rudeDevices; i++)
      devices.push(startRudeDevice(await enrol(`rude-${i}`), seededChance(seed + i + 1)))
    for (let i = 0; i < honestDevices; i++)
      devices.push(await startHonestDevice(await enrol(`honest-${i}`), join(folder, `outbox-${i}`)))
    const confirmed = () => devices.reduce((sum, { acknowledged }) => sum + acknowledged(), 0)

    for (let round = 0; round < kills; round++) {
      // every other round something has been confirmed before the moment is drawn
      const before = confirmed()
      if (round % 2 === 0) await until(() => confirmed() > before)
      await delay(chance() * killAfterMsMax)
      await hub.kill()
      await inspect(devices)
      hub = await start()
      target.port = hub.ports.mqtt ?? 0
    }

    for (const device of devices) device.endRecording()
    await until(() => devices.every(({ recorded, acknowledged }) => acknowledged() === recorded()))
    let inferences = 0
    for (const { device, recorded, countsUpTo, lies } of devices) {
      const response = await fetch(`${hub.url}/v1/devices/${device}/telemetry`, { headers: bearer })
      const told = (await readAs(z.object({ totals: Totals }), response)).totals
      const { events: _, ...expected } = countsUpTo(recorded())
      expect(told, device).toMatchObject(expected)
      expect(lies(), device).toEqual([])
      inferences += told.ok + told.error + told.refused
    }
    console.log(`${confirmed()} records, ${inferences} inferences counted once over ${kills} kills, seed ${seed}`)
    expect(confirmed()).toBeGreaterThan(kills)
    expect(proxy.connections()).toBeGreaterThan(kills)
  } finally {
    await Promise.all(devices.map((device) => device.close()))
    await hub.kill()
  }
  await inspect(devices)
}, 600_000)
