// Rollouts over HTTP and from the command line: who may do what, once, and on which revision; and what `show` says.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../hub/app.ts'
import { insertToken, makeToken, type Role } from '../../../hub/governance/tokens.ts'
import { startHttpServer } from '../../../hub/http-server.ts'
import { ProblemDocument } from '../../../hub/problem.ts'
import { RolloutDetail } from '../../../hub/rollouts/documents.ts'
import type { Rollouts } from '../../../hub/rollouts/engine.ts'
import { rolloutRoutes } from '../../../hub/rollouts/routes.ts'
import { asStarted, readAs } from '../a-hub.ts'
import { roost } from '../cli/roost.ts'
import { aFleet, type TestFleet } from './a-fleet.ts'

let fleet: TestFleet
let engine: Rollouts
let server: Awaited<ReturnType<typeof startHttpServer>>
let app: ReturnType<typeof createApp>
const tokens = new Map<string, string>()

beforeAll(async () => {
  fleet = await aFleet(4)
  await fleet.obey()
  engine = fleet.engine()
  const hub = { ...asStarted(fleet.hub), config: { ...fleet.hub.config, httpPort: 0 } }
  app = createApp(hub, [rolloutRoutes(hub, engine, { isConnected: (device) => fleet.online.has(device) })])
  server = await startHttpServer(hub, app)
  for (const [name, role] of [
    ['olga', 'operator'],
    ['anna', 'approver'],
    ['bert', 'approver'],
    ['vera', 'viewer'],
  ] as const) {
    tokens.set(name, await aToken(name, role))
  }
})
afterAll(async () => {
  await server.close()
  await fleet[Symbol.asyncDispose]()
})

async function aToken(name: string, role: Role): Promise<string> {
  const made = makeToken(fleet.hub.random)
  const row = { name, role, createdBy: 'token:admin', createdAt: 0, expiresAt: undefined }
  await fleet.hub.database.write([insertToken(made, row)])
  return made.token
}

const ask = (who: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  app.request(`/v1/rollouts${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${tokens.get(who)}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
const detailOf = (response: Response | Promise<Response>) => readAs(RolloutDetail, response)
const codeOf = async (response: Response | Promise<Response>) => (await readAs(ProblemDocument, response)).code

const plan = {
  stages: [
    { name: 'canary', where: 'site = north', bake: '3s' },
    { name: 'rest', percent: 75, bake: '3s', hold: true },
    { name: 'all', percent: 100, bake: '3s', approvals: 2 },
  ],
  gates: [{ metric: 'installation', failuresMax: 9 }],
  installTimeout: '1m',
}
const wanted = (over: object = {}) => ({ model: 'vibration', version: 2, group: 'all', plan, supersede: true, ...over })

const go = async (rounds: number) => {
  for (let round = 0; round < rounds; round += 1) {
    await engine.look()
    await fleet.obey()
    fleet.clock.nowMs += 1_000
  }
}
const DevicePage = z.object({
  devices: z.array(z.object({ device: z.string() })),
  total: z.number(),
  next: z.string().nullable(),
})
const Audited = z.object({ action: z.string(), actor: z.string() })
const audited = (id: string) =>
  fleet.hub.database.all(
    Audited,
    `SELECT action, actor FROM audit_log WHERE subject = ? AND actor <> 'hub' ORDER BY seq`,
    [`rollout:${id}`],
  )

describe('over HTTP', () => {
  test('each may do what is theirs, and every word is on record', async () => {
    const draft = await detailOf(ask('olga', '', wanted({ draft: true })))
    expect(draft).toMatchObject({
      state: 'draft',
      startedBy: null,
      waits: { for: 'somebody to start it', until: null },
    })
    const at = `/${draft.id}`
    for (const who of ['vera', 'anna']) expect((await ask(who, `${at}/start`, {})).status).toBe(403)
    expect(await detailOf(ask('olga', `${at}/start`, {}))).toMatchObject({ state: 'running' })
    await go(6)
    const held = await detailOf(ask('vera', at))
    expect(held.waits).toEqual({ for: 'a person to release stage rest', until: null })
    expect(held.stages.map(({ state }) => state)).toEqual(['passed', 'held', 'pending'])
    expect((await ask('anna', `${at}/release`, { stage: 'rest' })).status).toBe(403)
    expect(await codeOf(ask('olga', `${at}/release`, {}))).toBe('rollout-state')
    expect((await ask('olga', `${at}/release`, { stage: 'rest', reason: 'looks good' })).status).toBe(200)
    await go(6)
    expect((await detailOf(ask('vera', at))).waits?.for).toBe('approvals of stage all: 0 of 2 given')
    expect((await ask('olga', `${at}/approvals`, { decision: 'approve' })).status).toBe(403)
    await ask('anna', `${at}/approvals`, { decision: 'approve', comment: 'ship it' })
    const approved = await detailOf(ask('anna', `${at}/approvals`, { decision: 'approve' }))
    expect(approved.approvals).toMatchObject([{ stage: 'all', name: 'anna', comment: 'ship it', void: false }])
    await ask('bert', `${at}/approvals`, { decision: 'approve' })
    await go(8)
    expect(await detailOf(ask('vera', at))).toMatchObject({ state: 'completed', waits: null })
    expect((await audited(draft.id)).map(({ action }) => action)).toEqual([
      'rollout.create',
      'rollout.start',
      'rollout.release',
      'rollout.approve',
      'rollout.approve',
    ])
  })

  test('on the revision they saw, or not at all', async () => {
    const response = await ask('olga', '', wanted())
    const etag = response.headers.get('etag') ?? ''
    const { id } = await detailOf(Promise.resolve(response))
    await go(3)
    expect((await ask('olga', `/${id}/pause`, {}, { 'if-match': etag })).status).toBe(412)
    expect((await ask('olga', `/${id}/pause`, {}, { 'if-match': 'nonsense' })).status).toBe(412)
    const now = (await ask('olga', `/${id}`)).headers.get('etag') ?? ''
    expect((await ask('olga', `/${id}/pause`, {}, { 'if-match': now })).status).toBe(200)
    expect((await ask('olga', `/${id}/abort`, {}, { 'if-match': now })).status).toBe(412)
    expect((await detailOf(ask('vera', `/${id}`))).waits?.for).toContain('a person')
  })

  test('a page of devices begins behind the last one of the page before, also where that is asked for no more', async () => {
    const stages = [{ name: 'all', percent: 100, bake: '3s', hold: true }]
    const { id } = await detailOf(ask('olga', '', wanted({ version: 3, plan: { ...plan, stages } })))
    const page = (cursor = '') =>
      readAs(DevicePage, ask('vera', `/${id}/devices?state=planned&limit=2${cursor && `&cursor=${cursor}`}`))
    const { devices: line } = await readAs(DevicePage, ask('vera', `/${id}/devices`))
    const first = await page()
    expect(first).toMatchObject({ devices: line.slice(0, 2), total: 4 })
    await fleet.hub.database.write([
      {
        sql: `UPDATE rollout_devices SET state = 'cancelled' WHERE rollout = ? AND device = ?`,
        args: [id, line[1]?.device ?? ''],
      },
    ])
    expect(await page(first.next ?? '')).toEqual({ devices: line.slice(2), total: 3, next: null })
    await ask('olga', `/${id}/abort`, {})
  })

  test('once for each key, also when asked at the same instant', async () => {
    const key = { 'idempotency-key': 'start-1' }
    const first = await detailOf(ask('olga', '', wanted({ version: 3 }), key))
    const again = await ask('olga', '', wanted({ version: 3 }), key)
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect((await detailOf(Promise.resolve(again))).id).toBe(first.id)
    const statuses = await Promise.all(
      Array.from(
        { length: 5 },
        async () => (await ask('olga', `/${first.id}/pause`, { reason: 'x' }, { 'idempotency-key': 'p-1' })).status,
      ),
    )
    expect(statuses).toContain(200)
    expect(statuses.every((status) => status === 200 || status === 409)).toBe(true)
    expect((await audited(first.id)).filter(({ action }) => action === 'rollout.pause')).toHaveLength(1)
  })

  test.each([
    ['an operation that is none', '/dance', {}],
    ['a device that is no name', '/retry', { devices: ['no way!'] }],
    ['a field that is none', '/pause', { why: 'x' }],
    ['a reason without end', '/pause', { reason: 'x'.repeat(501) }],
    ['a decision that is none', '/approvals', { decision: 'perhaps' }],
  ])('%s is refused', async (_, path, body) => {
    const { id } = await detailOf(ask('olga', '', wanted()))
    expect((await ask(path === '/approvals' ? 'anna' : 'olga', `/${id}${path}`, body)).status).toBe(422)
  })
})

describe('from the command line', () => {
  const run = (who: string, ...words: string[]) =>
    roost({ url: `http://127.0.0.1:${server.port}`, token: tokens.get(who) ?? '' }, 'rollout', ...words)

  test('show says what is waited for, release and advance name the present stage, history has it in words', async () => {
    const { id } = await detailOf(ask('olga', '', wanted()))
    await go(8)
    const shown = await run('vera', 'show', id)
    expect(shown.stdout).toMatch(/waits for a person to release stage rest\n/)
    expect(shown.stdout).toMatch(/rest \(75 %\): held, 1 planned/)
    const released = await run('olga', 'release', id, '--reason', 'fine')
    expect([released.code, released.stderr]).toEqual([0, ''])
    await ask('olga', `/${id}/rollback`, { stage: 'canary', reason: 'no' })
    const told = await run('vera', 'history', id)
    expect(told.stdout).toMatch(/operation +release rest: fine/)
    expect(told.stdout).toMatch(/operation +rollback canary: no/)
    expect(told.stdout).not.toMatch(/[{}"]/)
  })

  test('people have names, stages their ends, and devices that were taken back are counted as they come', async () => {
    const { id } = await detailOf(ask('olga', '', wanted({ version: 3 })))
    await go(3)
    expect((await run('vera', 'show', id)).stdout).toMatch(/running: started by olga \(token:\w{8}\)/)
    expect((await run('vera', 'history', id)).stdout).toMatch(/olga \(token:\w{8}\) +started/)
    await ask('olga', `/${id}/rollback`, { stage: 'canary', reason: 'no' })
    const canary = async () =>
      (await run('vera', 'show', id)).stdout.split('\n').find((line) => /^ +canary /.test(line))
    expect(await canary()).toContain('failed, 2 planned, 0 of 2 that had been offered it back on what ran before')
    await fleet.obey()
    expect(await canary()).toContain('failed, 2 planned, 2 of 2 that had been offered it back on what ran before')
    await ask('olga', `/${id}/abort`, { reason: 'enough' })
    expect((await run('vera', 'show', id)).stdout).toMatch(/rest \(75 %\): not reached, 1 planned/)
  })

  test('devices say why they refused in their own words', async () => {
    const { id } = await detailOf(ask('olga', '', wanted({ version: 3 })))
    await engine.look()
    await fleet.hub.database.write([
      {
        sql: `INSERT OR REPLACE INTO device_deployments
                (device, deployment, manifest, attempt, state, reason, detail, running, changed_at)
              SELECT device, deployment, manifest, attempt, 'rejected', 'incompatible', 'is 9 bytes, this device keeps 8', 0, ?
              FROM desired WHERE device = 'd-000'`,
        args: [fleet.clock.nowMs],
      },
    ])
    await engine.look()
    expect((await run('vera', 'devices', id)).stdout).toMatch(
      /d-000 .*rejected +incompatible: is 9 bytes, this device keeps 8/,
    )
    await ask('olga', `/${id}/abort`, {})
  })

  test('exit codes say what became of it: refused, changed since', async () => {
    const { id } = await detailOf(ask('olga', '', wanted()))
    const stale = await run('olga', 'pause', id, '--if-match', '1')
    expect([stale.code, stale.stderr]).toEqual([4, expect.stringContaining('It has changed since you looked')])
    const refused = await run('anna', 'approve', id)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('waits for no approval')])
  })
})
