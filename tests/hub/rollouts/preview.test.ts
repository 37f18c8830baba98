// The dry run and the start over HTTP: they say the same, and a plan that cannot be met starts nothing.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../hub/app.ts'
import { insertToken, makeToken, type Role } from '../../../hub/governance/tokens.ts'
import { Decision, Member, RolloutDetail } from '../../../hub/rollouts/documents.ts'
import type { WrittenPlan } from '../../../hub/rollouts/plan/plan.ts'
import { Preview } from '../../../hub/rollouts/plan/preview.ts'
import { planRoutes } from '../../../hub/rollouts/plan/routes.ts'
import { rolloutRoutes } from '../../../hub/rollouts/routes.ts'
import { aFleet, type TestFleet } from './a-fleet.ts'

const size = 20
let fleet: TestFleet
let token: string
let app: ReturnType<typeof createApp>

beforeEach(async () => {
  fleet = await aFleet(size)
  await fleet.obey()
  const link = { isConnected: (device: string) => fleet.online.has(device), push: () => undefined }
  app = createApp(fleet.hub, [rolloutRoutes(fleet.hub, fleet.engine(), link), planRoutes(fleet.hub, link)])
  token = await fleet.hub.tokenOf('operator')
})
afterEach(() => fleet[Symbol.asyncDispose]())

const stages: WrittenPlan['stages'] = [
  { name: 'shadow', mode: 'shadow', devices: 3, bakeMs: 3_600_000 },
  { name: 'canary', percent: 20, bakeMs: 3_600_000 },
  { name: 'all', percent: 100, bakeMs: 600_000 },
]
const aWish = (over: object = {}) => ({ model: 'vibration', version: 2, group: 'all', plan: { stages }, ...over })

async function ask(path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const request = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) }
  const response = await app.request(path, request)
  return { status: response.status, body: await response.json() }
}
async function preview(over: object = {}): Promise<Preview> {
  const { status, body } = await ask('/v1/rollouts/plan', aWish(over))
  expect(status, JSON.stringify(body)).toBe(200)
  return Preview.parse(body)
}
const planned = (over: object) => ({ plan: { stages, ...over } })
const codes = ({ warnings }: Pick<Preview, 'warnings'>) => warnings.map(({ code }) => code)
const change = (sql: string, ...args: (string | number)[]) => fleet.hub.database.write([{ sql, args }])

async function everythingStored(): Promise<number[]> {
  const tables = ['rollouts', 'rollout_devices', 'rollout_decisions', 'desired', 'audit_log']
  const counts = tables.map((name) =>
    fleet.hub.database.first(z.object({ n: z.number() }), `SELECT count(*) AS n FROM ${name}`),
  )
  return (await Promise.all(counts)).map((row) => row?.n ?? -1)
}

describe('dry run', () => {
  test('names as many devices as one asks for, and counts all', async () => {
    const asked = async (query: string) => ask(`/v1/rollouts/plan${query}`, aWish({ id: 'r-0mwxcbjiu-3c8666ce50' }))
    const [all, few] = [await asked(''), await asked('?members=2')].map(({ body }) => Preview.parse(body))
    expect(few?.members).toEqual(all?.members.slice(0, 2))
    expect([few?.devices, few?.stages]).toEqual([size, all?.stages])
    expect((await asked('?members=10001')).status).toBe(422)
  })

  test('says who would be where and why, stores nothing, and the rollout that is started so has the same draw', async () => {
    const before = await everythingStored()
    const seen = await preview()
    expect(await everythingStored()).toEqual(before)
    expect(seen.stages.map(({ name, mode, devices }) => [name, mode, devices])).toEqual([
      ['shadow', 'shadow', 3],
      ['canary', 'canary', 4],
      ['all', 'full', 16],
    ])
    expect(seen.stages[1]?.strata).toEqual({ 'generic-x64/north': 2, 'generic-x64/south': 2 })
    expect(seen.members[0]).toMatchObject({ stage: 'shadow', servesFrom: 'canary', place: 1, variant: 'fp32' })
    expect(seen.members[0]?.why).toMatch(
      /place 1 of 20 in line \(connected; hash 0\.\d+ within generic-x64\/(north|south)\); shadow takes .*3 devices.*; canary takes .*20 %/,
    )

    const started = await ask('/v1/rollouts', aWish({ id: seen.id }))
    expect(started.status, JSON.stringify(started.body)).toBe(201)
    const { id, warnings } = RolloutDetail.parse(started.body)
    expect([id, warnings]).toEqual([seen.id, seen.warnings])
    const { devices } = z.object({ devices: z.array(Member) }).parse((await ask(`/v1/rollouts/${id}/devices`)).body)
    const drawOf = (all: readonly { device: string; stage: string; servesFrom: string; rank: number }[]) =>
      all
        .map(({ device, stage, servesFrom, rank }) => ({ device, stage, servesFrom, rank }))
        .sort((a, b) => (a.device < b.device ? -1 : 1))
    expect(drawOf(devices)).toEqual(drawOf(seen.members))
    const history = z.object({ decisions: z.array(Decision) }).parse((await ask(`/v1/rollouts/${id}/decisions`)).body)
    expect(history.decisions[0]?.detail).toMatchObject({ warnings: seen.warnings, skippedCount: 0 })
    expect(await ask('/v1/rollouts', aWish({ id, supersede: true }))).toMatchObject({
      status: 409,
      body: { code: 'rollout-exists', field: 'id' },
    })
  })

  test('says how long, how many bytes, and what the gates could see', async () => {
    const seen = await preview(
      planned({ concurrency: 4, gates: [{ metric: 'installation' }, { metric: 'error_rate', margin: 0.05 }] }),
    )
    expect(seen.durationMs).toBe((1 + 60 + 1 + 60 + 4 + 10) * 60_000)
    // every bundle is one byte, and all have the same one before: two stages of newcomers to it
    expect(seen.bytes).toEqual({ perDevice: { least: 0, most: 0 }, apart: 0, broadcast: 0 })
    const [shadow, canary, all] = seen.stages.map(({ gates }) => gates)
    expect(shadow?.map(({ method }) => method)).toEqual(['counts', 'paired'])
    expect(shadow?.[0]).toMatchObject({
      sentence: '3 devices without a failure would show that at most 63 % of such fail (95 %)',
    })
    expect(canary?.[1]?.method).toMatch(/redraw|blocks/)
    expect(all?.[1]).toMatchObject({ method: 'none', sentence: expect.stringMatching(/nobody is left/) })
  })

  test('bytes are those of files that a device does not have yet', async () => {
    const payload = (file: string) =>
      change(
        `UPDATE manifests SET payload = CAST(replace(CAST(payload AS TEXT), ?, ?) AS BLOB) WHERE version = 2`,
        'ab'.repeat(32),
        file,
      )
    await payload('cd'.repeat(32))
    await change(
      `UPDATE manifests SET payload = CAST(replace(CAST(payload AS TEXT), '"sizeBytes":1,', '"sizeBytes":1000000,') AS BLOB) WHERE version = 2`,
    )
    const { bytes, stages: shown } = await preview()
    // who is in shadow has it when it is a canary
    expect(bytes).toEqual({ perDevice: { least: 1e6, most: 1e6 }, apart: 20e6, broadcast: 3e6 })
    expect(shown.map(({ bytes }) => bytes.apart)).toEqual([3e6, 1e6, 16e6])
  })

  test('without a plan it shows the plan there would be', async () => {
    const seen = await preview({ plan: undefined })
    expect(seen.stages.map(({ name, reach }) => `${name}: ${reach}`)).toEqual([
      'shadow: 5 devices',
      'canary: 10 %',
      'half: 50 %',
      'all: 100 %',
    ])
    expect(seen.durationMs).toBeLessThan(4 * 3_600_000)
  })

  test('a viewer may, and only of models that are theirs', async () => {
    token = await fleet.hub.tokenOf('viewer')
    expect((await ask('/v1/rollouts/plan', aWish())).status).toBe(200)
    expect((await ask('/v1/rollouts', aWish())).status).toBe(403)
  })
})

const tooLargeFor = (profile: string) => ({
  profile,
  verdict: 'cannot-run',
  reasons: ['its files are 2.0 MiB, the device keeps 1.4 MiB'],
  memoryBytes: null,
  latencyMs: null,
})

describe('what is doubtful is said', () => {
  const half = size / 2
  test.each<[string, () => Promise<unknown>, object, string, RegExp]>([
    [
      'no variant for half of the group',
      () => change(`UPDATE devices SET profile = 'other' WHERE id >= 'd-010'`).then(variantFor),
      {},
      'no-variant',
      /no variant for 10 of 20 devices, half of the group or more \(10 of profile other\)/,
    ],
    [
      'devices that another rollout holds',
      heldByAnother,
      {},
      'held-by-another',
      /r-other is active on 10 of 20 devices/,
    ],
    [
      'devices put aside',
      () => change(`INSERT INTO device_failures (device, failures, aside_until) VALUES ('d-003', 3, ?)`, 2 ** 42),
      {},
      'put-aside',
      /failed three times .*d-003/,
    ],
    ['canaries that are away', async () => fleet.online.clear(), {}, 'devices-away', /4 of 4 devices of stage canary/],
    [
      'shadows that are away',
      async () => fleet.online.clear(),
      planned({}),
      'devices-away',
      /3 of 3 devices of stage shadow/,
    ],
    [
      'fewer shadows than wanted',
      () => change(`DELETE FROM desired WHERE device > 'd-001'`),
      planned({}),
      'few-shadows',
      /wants 3 devices, and only 2/,
    ],
    [
      'nothing to compare with',
      () => change('DELETE FROM desired'),
      { plan: { stages: stages.slice(1) } },
      'nothing-to-compare',
      /nothing to compare with/,
    ],
    [
      'devices that report nothing',
      () => change('DELETE FROM window_totals'),
      {},
      'metric-not-reported',
      /none of 20 devices .* 7 days/,
    ],
    [
      'accuracy without labels',
      async () => undefined,
      planned({ gates: [{ metric: 'accuracy' }] }),
      'metric-not-reported',
      /had labels/,
    ],
    [
      'an output that nobody reports',
      async () => undefined,
      planned({ gates: [{ metric: 'prediction_drift', output: 'z' }] }),
      'metric-not-reported',
      /output z/,
    ],
    [
      'a time zone that is none',
      () => change(`UPDATE devices SET labels = '{"timezone":"Mars/Olympus"}' WHERE id = 'd-004'`),
      planned({ window: { from: '00:00', to: '23:00' } }),
      'unknown-timezone',
      /Mars\/Olympus of 1 device \(d-004\)/,
    ],
    [
      'a window that may open too late',
      async () => undefined,
      planned({ window: { days: ['sun'], from: '02:00', to: '04:00' } }),
      'window-beyond-limit',
      /closed for up to .*, and a stage pauses as undecided after 1 d: .* raise stageTimeLimit/,
    ],
    [
      'silence that a stage is too short to see',
      async () => undefined,
      planned({ gates: [{ metric: 'silence', silent: '30d' }] }),
      'silence-unseen',
      /counts as silent after 30 d/,
    ],
    [
      'a pace without effect',
      async () => undefined,
      planned({ pace: { devicesPerMinute: 1000 }, concurrency: 2 }),
      'pace-without-effect',
      /2 devices install at a time/,
    ],
    [
      'a gate that bears the failure of all canaries',
      async () => undefined,
      planned({ gates: [{ metric: 'installation', failuresMax: 4 }] }),
      'failures-all-borne',
      /of stage canary and those before it 4 devices take the version, and 4 failures are allowed/,
    ],
    [
      'a profile that the version is too large for',
      () =>
        change(
          `UPDATE manifests SET compatibility = ? WHERE version = 2`,
          JSON.stringify({ hubLatencyMs: null, profiles: [tooLargeFor('generic-x64')] }),
        ),
      {},
      'will-refuse',
      /20 devices of profile generic-x64 would refuse it \(d-000, .* and 15 more\): its files are 2\.0 MiB, the device keeps 1\.4 MiB/,
    ],
    [
      'a profile of which one has refused it before',
      () =>
        change(
          `INSERT INTO device_deployments (device, deployment, manifest, attempt, state, reason, detail, changed_at)
           VALUES ('d-007', 'vibration', ?, 1, 'rejected', 'incompatible', 'is 2000133 bytes, this device keeps 1500000', 0)`,
          fleet.digests[2] ?? '',
        ),
      {},
      'will-refuse',
      /d-007 has refused it before, because it is 2000133 bytes, this device keeps 1500000/,
    ],
    [
      'approvals that nobody could give',
      () => personWith('approver'),
      { plan: { stages: stages.map((stage, i) => ({ ...stage, approvals: i })) } },
      'nobody-to-approve',
      /stage all needs 2 approvals, and besides test operator \(token:\w{8}\), who starts it, 1 person could give one now: .*roost token create NAME --role operator.*roost hub --new-admin-token/,
    ],
  ])('%s', async (_, prepare, over, code, detail) => {
    await prepare()
    const seen = await preview(over)
    expect(seen.warnings).toContainEqual(expect.objectContaining({ code, detail: expect.stringMatching(detail) }))
    if (code === 'no-variant' || code === 'held-by-another') {
      expect([seen.devices, seen.skippedCount, seen.skipped.length]).toEqual([half, half, half])
      expect(seen.skipped[0]?.why).toMatch(code === 'no-variant' ? /no variant for profile other/ : /r-other is active/)
    }
  })

  test('a healthy fleet with a sound plan has nothing to be warned of', async () => {
    expect(codes(await preview(planned({ gates: [{ metric: 'installation' }, { metric: 'error_rate' }] })))).toEqual([])
  })

  test('devices of another rollout are taken over where that is asked for', async () => {
    await heldByAnother()
    const seen = await preview({ supersede: true })
    expect([seen.devices, seen.supersedes]).toEqual([size, ['r-other']])
    expect(codes(seen)).not.toContain('held-by-another')
  })

  test('approvals that enough others can give are no doubt; what one person holds twice, or made, counts once', async () => {
    const needing = { plan: { stages: stages.map((stage, i) => ({ ...stage, approvals: i === 2 ? 2 : 0 })) } }
    expect(codes(await preview(needing))).toContain('nobody-to-approve')
    const anna = await personWith('approver', 'anna')
    await personWith('approver', 'Anna')
    await personWith('approver', 'hers', `token:${anna}`)
    await personWith('viewer', 'vera')
    expect(codes(await preview(needing))).toContain('nobody-to-approve')
    await personWith('approver', 'bert')
    expect(codes(await preview(needing))).not.toContain('nobody-to-approve')
    await change(`UPDATE tokens SET models = '["other"]' WHERE name = 'bert'`)
    expect(codes(await preview(needing))).toContain('nobody-to-approve')
  })

  async function personWith(role: Role, name: string = role, createdBy = 'token:admin'): Promise<string> {
    const made = makeToken(fleet.hub.random)
    await fleet.hub.database.write([insertToken(made, { name, role, createdBy, createdAt: 0, expiresAt: undefined })])
    return made.id
  }
  async function variantFor(): Promise<void> {
    await change(
      `UPDATE manifests SET payload = CAST(replace(CAST(payload AS TEXT), '"profiles":[]', '"profiles":["generic-x64"]') AS BLOB)`,
    )
  }
  async function heldByAnother(): Promise<void> {
    await change(`INSERT INTO rollouts (id, model, version, deployment, group_name, query, plan, state, reason, created_by, created_at, changed_at)
                  VALUES ('r-other', 'vibration', 3, 'vibration', 'all', 'all', '{}', 'running', '', 't', 0, 0)`)
    await change(`INSERT INTO rollout_devices (rollout, device, deployment, stage, stratum, rank, target, state)
                  SELECT 'r-other', id, 'vibration', 0, '', 0, '${'3'.repeat(64)}', 'planned' FROM devices WHERE id < 'd-010'`)
  }
})

describe('what can never work is refused before anything starts', () => {
  const refused: [string, object, number, string, string | undefined, RegExp][] = [
    [
      'more devices than there are',
      { plan: { stages: [{ name: 'a', devices: 21, bakeMs: 0 }, ...stages.slice(2)] } },
      422,
      'too-many-devices',
      'plan.stages.0',
      /wants 21 devices, and there are only 20/,
    ],
    [
      'falling percentages',
      { plan: { stages: [{ name: 'a', percent: 50, bakeMs: 0 }, ...stages.slice(1)] } },
      422,
      'invalid-request',
      'plan.stages.1.percent',
      /larger than the one before/,
    ],
    [
      'an empty stage',
      {
        plan: {
          stages: [{ name: 'a', percent: 16, bakeMs: 0 }, { name: 'b', percent: 20, bakeMs: 0 }, ...stages.slice(2)],
        },
      },
      422,
      'empty-stage',
      'plan.stages.1',
      /merge it/,
    ],
    [
      'an end before all',
      {
        plan: {
          stages: [
            { name: 'a', devices: 4, bakeMs: 0 },
            { name: 'b', devices: 19, bakeMs: 0 },
          ],
        },
      },
      422,
      'stages-left-over',
      'plan.stages.1',
      /1 of 20 devices/,
    ],
    [
      'a bake longer than its limit',
      planned({ stageTimeLimit: '1h' }),
      422,
      'bake-beyond-limit',
      'plan.stages.0.bakeMs',
      /longer timeLimit/,
    ],
    [
      'a pace that cannot be kept',
      planned({ pace: { devicesPerMinute: 0.001 } }),
      422,
      'pace-too-slow',
      'plan.pace',
      /raise the pace/,
    ],
    [
      'agreement without a shadow',
      { plan: { stages: stages.slice(1), gates: [{ metric: 'agreement' }] } },
      422,
      'gate-without-shadow',
      'plan.gates.0',
      /mode shadow/,
    ],
    [
      'a metric that nobody reports',
      planned({ gates: [{ metric: 'installation' }, { metric: 'custom', name: 'scrap', better: 'lower', margin: 1 }] }),
      422,
      'metric-not-reported',
      'plan.gates.1',
      /scrap/,
    ],
    [
      'a time zone that is none',
      planned({ window: { from: '02:00', to: '03:00', timezone: 'Moon' } }),
      422,
      'invalid-request',
      'plan.window.timezone',
      /Europe\/Berlin/,
    ],
    ['a model that is not there', { model: 'nomodel' }, 404, 'not-found', undefined, /no model "nomodel"/],
    [
      'a version that is not there',
      { version: 9 },
      404,
      'not-found',
      'version',
      /no version 9 of vibration; its newest is 3/,
    ],
    ['a group that is not there', { group: 'nobody' }, 404, 'not-found', undefined, /group/],
    ['an id that is none', { id: 'r-1' }, 422, 'invalid-request', 'id', /dry run/],
  ]

  test('with the field and what to do, by the start and by the dry run alike', async () => {
    const before = await everythingStored()
    for (const [what, over, status, code, field, detail] of refused) {
      const started = await ask('/v1/rollouts', aWish(over))
      expect(started.status, `${what}: ${JSON.stringify(started.body)}`).toBe(status)
      const problem = { code, detail: expect.stringMatching(detail), ...(field === undefined ? {} : { field }) }
      expect(started.body, what).toMatchObject(problem)
      expect(await ask('/v1/rollouts/plan', aWish(over)), what).toMatchObject({ status, body: { code } })
    }
    expect(await everythingStored()).toEqual(before)
  })

  test('a version that no device could take says why: deleted, not signed, or for others', async () => {
    const asked = () => ask('/v1/rollouts/plan', aWish({ version: 3 }))
    await change(
      `UPDATE manifests SET payload = CAST(replace(CAST(payload AS TEXT), '"profiles":[]', '"profiles":["other"]') AS BLOB)`,
    )
    await change(`INSERT INTO manifests (digest, model, version, variant, counter, payload, content, inspection, baseline)
                  SELECT 'int8', model, version, 'int8', 99, payload, 'int8', '{}', '{}' FROM manifests WHERE version = 3`)
    expect(await asked()).toMatchObject({
      status: 409,
      body: {
        code: 'not-released',
        detail:
          'version 3 of vibration has no signed variant for generic-x64; signed are fp32 for other; int8 awaits its signature',
      },
    })
    await change('UPDATE manifests SET envelope = NULL WHERE version = 3')
    expect(await asked()).toMatchObject({
      status: 409,
      body: {
        code: 'not-signed',
        field: 'version',
        detail: expect.stringMatching(/\(fp32, int8\); sign .*roost sign/),
      },
    })
    await change('UPDATE versions SET deleted_at = 1 WHERE version = 3')
    expect(await asked()).toMatchObject({
      status: 409,
      body: { code: 'version-deleted', detail: 'version 3 of vibration is deleted; its newest is 2' },
    })
  })
})
