// A rollout whose plan another version of Roost has written: it is shown, goes no further, and can be ended.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { createApp } from '../../../hub/app.ts'
import { ProblemDocument } from '../../../hub/problem.ts'
import { RolloutDetail } from '../../../hub/rollouts/documents.ts'
import type { Rollouts } from '../../../hub/rollouts/engine.ts'
import { Explanation } from '../../../hub/rollouts/evidence/explain.ts'
import { evidenceRoutes } from '../../../hub/rollouts/evidence/routes.ts'
import { rolloutRoutes } from '../../../hub/rollouts/routes.ts'
import { membersOf, rolloutById } from '../../../hub/rollouts/store.ts'
import { readAs } from '../a-hub.ts'
import { aFleet, aPlan, type TestFleet } from './a-fleet.ts'

const ops = { actor: 'token:ops' }
let fleet: TestFleet
let engine: Rollouts
let app: ReturnType<typeof createApp>
let token: string
let id: string

/** One canary runs the version, the other is at it. */
beforeEach(async () => {
  fleet = await aFleet(10)
  await fleet.obey()
  engine = fleet.engine()
  const link = { isConnected: (device: string) => fleet.online.has(device) }
  app = createApp(fleet.hub, [rolloutRoutes(fleet.hub, engine, link), evidenceRoutes(fleet.hub, link)])
  token = await fleet.hub.tokenOf('admin')
  const stages = [
    { name: 'canary', devices: 2, bakeMs: 60_000 },
    { name: 'all', percent: 100, bakeMs: 0 },
  ]
  const wanted = { model: 'vibration', version: 2, group: 'all', plan: aPlan({ stages }), supersede: true }
  id = (await engine.start(wanted, ops)).id
  const canaries = (await membersOf(fleet.hub.database, id)).filter(({ stage }) => stage === 0)
  await fleet.obey((device) => (device === canaries[1]?.device ? 'downloading' : 'succeeded'))
  await engine.look()
  const unread = '{"version":9,"stages":"another way"}'
  await fleet.hub.database.write([{ sql: 'UPDATE rollouts SET plan = ? WHERE id = ?', args: [unread, id] }])
})

afterEach(() => fleet[Symbol.asyncDispose]())

const ask = (path: string, body?: unknown) =>
  app.request(`/v1/rollouts/${id}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
const states = async () => (await membersOf(fleet.hub.database, id)).map(({ state }) => state)

test('is shown, with its stages and devices, and with what can be done', async () => {
  const shown = await readAs(RolloutDetail, ask(''))
  expect(shown).toMatchObject({ state: 'running', plan: null, stages: [{ name: 'canary' }, { name: 'all' }] })
  expect(shown.waits).toEqual({
    for: expect.stringMatching(/cannot be read here: abort it, roll it back/),
    until: null,
  })
  for (const path of ['/devices', '/decisions', '/looks']) expect([path, (await ask(path)).status]).toEqual([path, 200])
  const { sentences } = await readAs(Explanation, ask('/explanation'))
  expect(sentences.at(-1)?.text).toMatch(/waits for a person: its plan was written by another version/)
})

test('goes no further by itself, and refuses what needs the plan', async () => {
  const before = await states()
  fleet.clock.nowMs += 10 * 86_400_000
  await engine.look()
  expect(await states()).toEqual(before)
  expect((await rolloutById(fleet.hub.database, id))?.state).toBe('running')
  const refused: [string, object][] = [
    ['/pause', {}],
    ['/advance', { stage: 'canary' }],
    ['/retry', {}],
    ['/rollback', { stage: 'canary' }],
    ['/start', {}],
    ['/approvals', { decision: 'approve' }],
  ]
  for (const [path, body] of refused) {
    const problem = await readAs(ProblemDocument, ask(path, body))
    expect([path, problem.status, problem.code]).toEqual([path, 409, 'plan-unreadable'])
  }
})

test('can be aborted: what is active stays, what is not is withdrawn', async () => {
  expect(await readAs(RolloutDetail, ask('/abort', { reason: 'downgraded' }))).toMatchObject({
    state: 'aborted',
    reason: 'abort: downgraded',
    waits: null,
  })
  await engine.look()
  expect((await states()).filter((state) => state !== 'planned').toSorted()).toEqual(['cancelled', 'succeeded'])
  expect(await readAs(RolloutDetail, ask('/abort', {}))).toMatchObject({ state: 'aborted' })
})

test('can be rolled back to its end, and taken over', async () => {
  expect(await readAs(RolloutDetail, ask('/rollback', {}))).toMatchObject({ state: 'rolling_back', plan: null })
  for (let round = 0; round < 3; round += 1) {
    await fleet.obey()
    await engine.look()
    fleet.clock.nowMs += 1_000
  }
  expect((await rolloutById(fleet.hub.database, id))?.state).toBe('rolled_back')
  const next = { model: 'vibration', version: 3, group: 'all', plan: aPlan(), supersede: true }
  expect((await engine.start(next, ops)).state).toBe('running')
})
