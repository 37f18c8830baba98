// Many devices at once: exactly those that were meant, in one transaction, recorded once.

import { DeviceEvent } from '@roost/shared/protocol/records.ts'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../hub/app.ts'
import { desiredOf, storeWishes } from '../../../hub/fleet/desired.ts'
import { findDevice } from '../../../hub/fleet/devices.ts'
import { progressStatements } from '../../../hub/fleet/progress.ts'
import { fleetRoutes } from '../../../hub/fleet/routes.ts'
import { insertToken, makeToken } from '../../../hub/governance/tokens.ts'
import { aFleet, aFleetHub, anEnrolledDevice, aRelease } from './a-fleet.ts'

const Answer = z.looseObject({
  code: z.string().optional(),
  found: z.number().optional(),
  selected: z.number().optional(),
  changed: z.number().optional(),
  refused: z.number().optional(),
  refusals: z.array(z.object({ device: z.string(), code: z.string() })).optional(),
})

async function aFleetOfFour() {
  const hub = await aFleetHub()
  const app = createApp(hub, [fleetRoutes(hub, await aFleet(hub))])
  for (const [device, site] of [
    ['d-1', 'north'],
    ['d-2', 'north'],
    ['d-3', 'south'],
    ['d-4', 'north'],
  ] as const) {
    await anEnrolledDevice(hub, device, { labels: { site, floor: '1' } })
  }
  const acting = async (models: string[] | null = null) => {
    const made = makeToken(hub.random)
    const row = { name: 'test', role: 'operator' as const, createdBy: 'test', createdAt: 0, expiresAt: undefined }
    await hub.database.write([insertToken(made, { ...row, models })])
    return async (body: unknown) => {
      const response = await app.request('/v1/devices/actions', {
        method: 'POST',
        headers: { authorization: `Bearer ${made.token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      return { status: response.status, ...Answer.parse(await response.json()) }
    }
  }
  const labels = async (device: string) => (await findDevice(hub.database, device))?.labels
  const recorded = async () => {
    const Row = z.object({ action: z.string(), subject: z.string(), after: z.string() })
    return hub.database.all(Row, `SELECT action, subject, after FROM audit_log WHERE action LIKE 'devices.%'`)
  }
  return { hub, acting, labels, recorded }
}

describe('labels', () => {
  test('are set and taken away on all that are meant, and on no other; once in the log', async () => {
    const { acting, labels, recorded } = await aFleetOfFour()
    const act = await acting()
    const action = { kind: 'label', labels: { floor: null, rack: '7' } }
    const done = await act({ query: 'site = north', expected: 3, action })
    expect(done).toMatchObject({ status: 200, selected: 3, changed: 3, refused: 0 })
    expect(await labels('d-1')).toEqual({ site: 'north', rack: '7' })
    expect(await labels('d-3')).toEqual({ site: 'south', floor: '1' })
    expect(await recorded()).toMatchObject([{ action: 'devices.label', subject: 'devices:site = north' }])
    // once more there is nothing to change, and nothing to record
    expect(await act({ query: 'site = north', expected: 3, action })).toMatchObject({ status: 200, changed: 0 })
    expect(await recorded()).toHaveLength(1)
  })

  test('are not touched where other devices are meant by now', async () => {
    const { acting, labels, recorded } = await aFleetOfFour()
    const act = await acting()
    const action = { kind: 'label', labels: { rack: '7' } }
    expect(await act({ query: 'site = north', expected: 2, action })).toMatchObject({
      status: 409,
      code: 'selection-changed',
      found: 3,
    })
    expect(await act({ query: 'site = north', state: 'connected', expected: 3, action })).toMatchObject({
      status: 409,
      found: 0,
    })
    expect(await act({ query: 'site ==', expected: 3, action })).toMatchObject({ status: 422, code: 'bad-query' })
    expect(await act({ query: 'all', expected: 4, action: { kind: 'label', labels: {} } })).toMatchObject({
      status: 422,
    })
    expect([await labels('d-1'), await recorded()]).toEqual([{ site: 'north', floor: '1' }, []])
  })

  test('that would be too many are refused where they would be, and set elsewhere', async () => {
    const { hub, acting, labels } = await aFleetOfFour()
    const full = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`l-${n}`, 'x']))
    await hub.database.write([{ sql: `UPDATE devices SET labels = ? WHERE id = 'd-2'`, args: [JSON.stringify(full)] }])
    const act = await acting()
    const done = await act({ query: 'all', expected: 4, action: { kind: 'label', labels: { rack: '7' } } })
    expect(done).toMatchObject({ changed: 3, refused: 1, refusals: [{ device: 'd-2', code: 'too-many-labels' }] })
    expect(await labels('d-2')).toEqual(full)
    expect(await labels('d-4')).toMatchObject({ rack: '7' })
  })
})

test('what was given up is tried again, and only that; of models that one may not touch it is refused', async () => {
  const { hub, acting, recorded } = await aFleetOfFour()
  const { database, clock } = hub
  const releases = {
    mine: await aRelease(hub, 'mine', new Uint8Array(100).fill(1)),
    theirs: await aRelease(hub, 'theirs', new Uint8Array(100).fill(2)),
  }
  const wanted = [
    ['d-1', 'mine', 'failed'],
    ['d-2', 'mine', 'succeeded'],
    ['d-3', 'theirs', 'rolled_back'],
  ] as const
  for (const [device, deployment, state] of wanted) {
    const { manifest } = releases[deployment]
    await storeWishes(database, [{ device, deployment, manifest, by: 'test' }], clock())
    const event = { kind: 'event', event: 'progress', at: 1, deployment, manifest, generation: 1, attempt: 1, state }
    await database.write(progressStatements(device, DeviceEvent.parse(event), clock()))
  }
  await database.write([
    {
      sql: `INSERT INTO device_failures (device, failures, aside_until) VALUES ('d-4', 0, ?)`,
      args: [clock() + 60_000],
    },
  ])
  const attempts = async () =>
    (await Promise.all(['d-1', 'd-2', 'd-3'].map((device) => desiredOf(database, device))))
      .flat()
      .map(({ attempt }) => attempt)
  const some = await acting(['mine'])
  const retry = { query: 'all', expected: 4, action: { kind: 'retry' } }
  expect(await some(retry)).toMatchObject({
    selected: 4,
    changed: 2,
    refused: 1,
    refusals: [{ device: 'd-3', code: 'model-not-granted' }],
  })
  expect(await attempts()).toEqual([2, 1, 1])
  expect((await findDevice(database, 'd-4'))?.aside_until).toBeNull()
  const all = await acting()
  // what has been asked for again already is not asked for once more
  expect(await all(retry)).toMatchObject({ changed: 1, refused: 0 })
  expect(await attempts()).toEqual([2, 1, 2])
  expect(await recorded()).toHaveLength(2)
})
