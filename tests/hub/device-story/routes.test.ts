// A device's story over HTTP: assignments by hand and by rollout, what it told of them, and why it runs what it runs.

import type { ProgressState } from '@roost/shared/protocol/progress.ts'
import { DeviceEvent } from '@roost/shared/protocol/records.ts'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../hub/app.ts'
import { DeviceReason, DeviceSeriesDocument, TimelinePage } from '../../../hub/device-story/documents.ts'
import { deviceStoryRoutes } from '../../../hub/device-story/routes.ts'
import { timelineKinds } from '../../../hub/device-story/timeline-entry.ts'
import { storeWishes } from '../../../hub/fleet/desired.ts'
import { progressStatements } from '../../../hub/fleet/progress.ts'
import { fleetRoutes } from '../../../hub/fleet/routes.ts'
import { insertToken, makeToken } from '../../../hub/governance/tokens.ts'
import { fleetHistoryRoutes } from '../../../hub/lineage/fleet-history-routes.ts'
import { createIngest } from '../../../hub/telemetry/ingest.ts'
import { aRecord, aWindow } from '../../builders/windows.ts'
import { aFleet, aFleetHub, anEnrolledDevice, aRelease } from '../fleet/a-fleet.ts'

const Reasons = z.object({ reasons: z.array(DeviceReason) })

/** A device with one version by hand, then another by a rollout that was taken back. */
async function aDeviceWithAStory() {
  const hub = await aFleetHub()
  const fleet = await aFleet(hub)
  const app = createApp(hub, [fleetRoutes(hub, fleet), deviceStoryRoutes(hub, fleet), fleetHistoryRoutes(hub)])
  const { device } = await anEnrolledDevice(hub, 'gw-1', { labels: { site: 'north' } })
  const one = await aRelease(hub, 'press', new Uint8Array(1000).fill(1))
  const two = await aRelease(hub, 'press', new Uint8Array(1000).fill(2))
  const { database, clock } = hub
  const asking = async (models: string[] | null) => {
    const made = makeToken(hub.random)
    const row = { name: 'Ann', role: 'operator' as const, createdBy: 'test', createdAt: 0, expiresAt: undefined }
    await database.write([insertToken(made, { ...row, models })])
    return async (path: string, init: RequestInit = {}) => {
      const headers = { authorization: `Bearer ${made.token}`, 'content-type': 'application/json' }
      const response = await app.request(path, { ...init, headers })
      return { status: response.status, body: response.status === 204 ? undefined : await response.json() }
    }
  }
  const ask = await asking(null)
  const ingest = createIngest({
    database,
    clock,
    log: hub.log,
    onEvent: (device, event) => progressStatements(device, event, clock()),
  })
  let seq = 0
  const tell = async (...bodies: Parameters<typeof aRecord>[1][]) => {
    const records = bodies.map((body) => aRecord(++seq, body))
    await ingest.take(device, { epoch: '00000000000000aa', records })
  }
  const progress = (manifest: string, state: ProgressState, at = clock()) =>
    DeviceEvent.parse({
      kind: 'event',
      event: 'progress',
      at,
      deployment: 'main',
      manifest,
      generation: 1,
      attempt: 1,
      state,
    })
  return { hub, device, one, two, ask, asking, tell, progress }
}
type Story = Awaited<ReturnType<typeof aDeviceWithAStory>>

async function tellStory({ hub, device, one, two, ask, tell, progress }: Story): Promise<void> {
  const { database, clock } = hub
  const put = { method: 'PUT', body: JSON.stringify({ model: 'press', version: one.version }) }
  expect((await ask('/v1/devices/gw-1/desired/main', put)).status).toBe(200)
  await tell(
    progress(one.manifest, 'accepted'),
    progress(one.manifest, 'probation'),
    progress(one.manifest, 'succeeded'),
  )
  const labels = { method: 'PATCH', body: JSON.stringify({ labels: { site: null, rack: '7' } }) }
  expect((await ask('/v1/devices/gw-1', labels)).status).toBe(200)
  await database.write([
    {
      sql: `INSERT INTO rollouts (id, model, version, deployment, group_name, query, plan, state, reason, created_by, created_at, changed_at, started_by)
            VALUES ('r-1', 'press', ?, 'main', 'everywhere', 'all', '{}', 'rolled_back', 'too slow', 'token:x', 0, 0, 'token:x')`,
      args: [two.version],
    },
    { sql: `INSERT INTO rollout_stages (rollout, idx, name, state) VALUES ('r-1', 0, 'canary', 'failed')` },
    {
      sql: `INSERT INTO rollout_devices (rollout, device, deployment, stage, stratum, rank, target, previous, state, active)
            VALUES ('r-1', ?, 'main', 0, '', 0, ?, ?, 'rolled_back', 0)`,
      args: [device, two.manifest, one.manifest],
    },
    ...['offer', 'withdraw'].map((action, n) => ({
      sql: `INSERT INTO rollout_decisions (rollout, seq, at, actor, action, detail) VALUES ('r-1', ?, ?, 'engine', ?, ?)`,
      args: [
        n + 1,
        clock(),
        action,
        JSON.stringify({ do: action, device, as: n === 0 ? 'offered' : 'rolled_back', role: 'primary' }),
      ],
    })),
    {
      sql: `INSERT INTO rollout_decisions (rollout, seq, at, actor, action, detail) VALUES ('r-1', 9, 0, 'engine', 'offer', ?)`,
      args: [JSON.stringify({ do: 'offer', device: 'another', as: 'offered' })],
    },
  ])
  for (const manifest of [two.manifest, one.manifest]) {
    await storeWishes(database, [{ device, deployment: 'main', manifest, by: 'r-1' }], clock())
  }
  await tell(
    DeviceEvent.parse({
      kind: 'event',
      event: 'runtime_died',
      at: clock(),
      detail: 'signal 11',
      manifests: [one.manifest],
    }),
    { kind: 'gap', at: clock(), reason: 'outbox_full', records: 3, inferences: 40 },
    DeviceEvent.parse({ kind: 'event', event: 'started', at: clock(), detail: '0.1.0' }),
  )
}

test('who assigned it, what was taken back, and that it is so, in one sentence', async () => {
  const story = await aDeviceWithAStory()
  await tellStory(story)
  const { reasons } = Reasons.parse((await story.ask('/v1/devices/gw-1/reasons')).body)
  expect(reasons).toHaveLength(1)
  const [reason] = reasons
  expect(reason?.sentence.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d UTC/g, 'T')).toBe(
    'It serves press v1 since T because rollout r-1 of press v2 was taken back at T (too slow); it was here since Ann assigned it by hand.',
  )
  expect(reason?.parts.map(({ text }) => text).join('')).toBe(reason?.sentence)
  expect(reason?.runs).toMatchObject({ model: 'press', version: 1 })
  // whoever may see no such model learns nothing of it
  const others = await story.asking(['elsewhere'])
  expect((await others('/v1/devices/gw-1/reasons')).body).toEqual({ reasons: [] })
  expect(JSON.stringify((await others('/v1/devices/gw-1/timeline')).body)).not.toMatch(/press|r-1/)
  expect((await story.ask('/v1/devices/gw-2/reasons')).status).toBe(404)
})

test('the timeline has everything once, whatever the pages’ length; the kinds share it out', async () => {
  const story = await aDeviceWithAStory()
  await tellStory(story)
  const read = async (limit: number, kind = '') => {
    const found: z.infer<typeof TimelinePage>['entries'] = []
    for (let cursor = ''; ; ) {
      const { body } = await story.ask(`/v1/devices/gw-1/timeline?limit=${limit}${kind}${cursor}`)
      const { entries, next } = TimelinePage.parse(body)
      found.push(...entries)
      if (next === null) return found
      cursor = `&cursor=${next}`
    }
  }
  const whole = await read(200)
  expect(whole.map(({ what }) => what).sort()).toEqual(
    [
      'device.enrol',
      'device.desire',
      'progress.accepted',
      'progress.probation',
      'progress.succeeded',
      'device.label',
      'offer',
      'withdraw',
      'runtime_died',
      'gap',
      'started',
    ].sort(),
  )
  for (const limit of [1, 2, 3, 7]) expect(await read(limit)).toEqual(whole)
  const byKind = await Promise.all(timelineKinds.map((kind) => read(2, `&kind=${kind}`)))
  expect(
    byKind
      .flat()
      .map(({ id }) => id)
      .sort(),
  ).toEqual(whole.map(({ id }) => id).sort())
  for (const [n, entries] of byKind.entries()) expect(entries.every(({ kind }) => kind === timelineKinds[n])).toBe(true)
  const sentence = (what: string) =>
    whole
      .find((entry) => entry.what === what)
      ?.parts.map(({ text }) => text)
      .join('')
  expect(sentence('device.desire')).toBe('Ann assigned press v1 in main by hand')
  expect(sentence('device.label')).toBe('Ann changed labels: +rack = 7, −site')
  expect(sentence('offer')).toBe('rollout r-1 offered press v2')
  expect(sentence('withdraw')).toBe('rollout r-1 took press v2 back; it counts as rolled back')
  expect(sentence('runtime_died')).toBe('the runtime process died, with press v1: signal 11')
  expect((await story.ask('/v1/devices/gw-1/timeline?cursor=bm9uc2Vuc2U')).status).toBe(422)
})

test('series and versions over time come of the same reports', async () => {
  const story = await aDeviceWithAStory()
  const { one, two, tell, progress, ask, hub } = story
  const nowMs = hub.clock()
  const hourMs = 3_600_000
  expect((await ask('/v1/devices/gw-1/series')).body).toEqual({ series: null })
  await tell(
    progress(one.manifest, 'succeeded', nowMs - 20 * hourMs),
    progress(two.manifest, 'probation', nowMs - 10 * hourMs),
    progress(two.manifest, 'rolled_back', nowMs - 5 * hourMs),
    ...[one, two].map(({ manifest, version }, n) =>
      aWindow({
        manifest,
        version,
        model: 'press',
        deployment: 'main',
        from: nowMs - (20 - 10 * n) * hourMs,
        to: nowMs - (19 - 10 * n) * hourMs,
        resources: { rssBytes: 1_000, cpuMs: hourMs / 4 },
      }),
    ),
  )
  const { series } = z.object({ series: DeviceSeriesDocument }).parse((await ask('/v1/devices/gw-1/series')).body)
  expect(series.series.map(({ version, points }) => [version, points.length, points[0]?.ok])).toEqual([
    [2, 1, 100],
    [1, 1, 100],
  ])
  expect(series.series[0]?.points[0]).toMatchObject({ rssBytes: 1_000, cpuRatio: 0.25 })
  const History = z.object({
    times: z.array(z.string()),
    series: z.array(z.object({ version: z.number(), devices: z.array(z.number()) })),
  })
  const history = History.parse((await ask('/v1/fleet/history?days=1&points=25')).body)
  const served = (version: number) => history.series.find((one) => one.version === version)?.devices.join('')
  // the picture begins with the first that served: v1 for ten hours, v2 for five, and v1 again
  expect([served(1), served(2)]).toEqual([
    `${'1'.repeat(12)}${'0'.repeat(6)}${'1'.repeat(7)}`,
    `${'0'.repeat(12)}${'1'.repeat(6)}${'0'.repeat(7)}`,
  ])
  expect(History.parse((await ask('/v1/fleet/history?days=1&points=25&query=site%20%3D%20south')).body).series).toEqual(
    [],
  )
})
