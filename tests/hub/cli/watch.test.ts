// Watching a rollout through the real command, also while the hub that it asks goes away, and its history.

import { expect, test } from 'vitest'
import { createApp } from '../../../hub/app.ts'
import { startHttpServer } from '../../../hub/http-server.ts'
import type { WrittenPlan } from '../../../hub/rollouts/plan/plan.ts'
import { rolloutRoutes } from '../../../hub/rollouts/routes.ts'
import { asStarted } from '../a-hub.ts'
import { aFleet, aPlan } from '../rollouts/a-fleet.ts'
import { roost, startRoost } from './roost.ts'

/** A running rollout, and an API that can be closed and opened again where it was. */
async function aWatchedRollout(plan: Partial<WrittenPlan> = {}) {
  const fleet = await aFleet(4)
  await fleet.obey()
  const engine = fleet.engine()
  const { id } = await engine.start(
    { model: 'vibration', version: 2, group: 'all', plan: aPlan(plan), supersede: false },
    { actor: 'token:ops' },
  )
  const open = (httpPort: number) => {
    const hub = { ...asStarted(fleet.hub), config: { ...fleet.hub.config, httpPort } }
    return startHttpServer(hub, createApp(hub, [rolloutRoutes(hub, engine, { isConnected: () => true })]))
  }
  let server = await open(0)
  const { port } = server
  return {
    hub: { url: `http://127.0.0.1:${port}`, token: await fleet.hub.tokenOf('viewer') },
    id,
    go: async (rounds: number) => {
      for (let round = 0; round < rounds; round += 1) {
        await engine.look()
        await fleet.obey()
        await fleet.report()
        fleet.clock.nowMs += 1_000
      }
    },
    pause: () => engine.operate(id, { operation: 'pause', reason: '' }, { actor: 'token:ops' }),
    abort: () => engine.operate(id, { operation: 'abort', reason: 'enough' }, { actor: 'token:ops' }),
    close: () => server.close(),
    reopen: async () => {
      server = await open(port)
    },
    [Symbol.asyncDispose]: async () => {
      await server.close()
      await fleet[Symbol.asyncDispose]()
    },
  }
}

test('goes on after a restart of the hub, says once that it is away, and ends with the rollout', async () => {
  await using watched = await aWatchedRollout()
  const watching = startRoost(watched.hub, 'rollout', 'watch', watched.id)
  await watching.saysOn('stdout', 'running')
  await watched.close()
  await watching.saysOn('stderr', 'no hub answers')
  await watched.abort()
  await watched.reopen()
  const { code, stdout, stderr } = await watching.ended
  expect(stdout).toContain('aborted: abort: enough')
  expect(stderr.match(/no hub answers/g)).toHaveLength(1)
  expect(stderr).toContain('the hub answers again')
  expect(code).toBe(1)
})

test('ends with an exit code of its own where the hub stays away', async () => {
  await using watched = await aWatchedRollout()
  await watched.close()
  const { code, stderr } = await roost(watched.hub, 'rollout', 'watch', watched.id, '--patience', '1')
  expect(stderr).toContain(`how ${watched.id} goes on is not known`)
  expect(code).toBe(3)
})

test('ends where a person must act, saying what to do, and not before', async () => {
  await using watched = await aWatchedRollout({
    stages: [
      { name: 'canary', percent: 50, bakeMs: 1_000 },
      { name: 'all', percent: 100, bakeMs: 1_000, hold: true },
    ],
  })
  const watching = startRoost(watched.hub, 'rollout', 'watch', watched.id)
  await watching.saysOn('stdout', 'running')
  await watched.go(12)
  const { code, stdout } = await watching.ended
  expect(stdout).toMatch(/all \[held/)
  expect(stdout).toContain('running, and waits for a person to release stage all\n')
  expect(code).toBe(1)
})

test('ends at once where the hub is there and refuses', async () => {
  await using watched = await aWatchedRollout()
  const { code, stderr } = await roost(watched.hub, 'rollout', 'watch', 'r-none')
  expect(stderr).toContain('there is no rollout')
  expect(code).toBe(1)
})

test('the history is told in words', async () => {
  await using watched = await aWatchedRollout()
  await watched.go(12)
  await watched.pause()
  await watched.abort()
  const { stdout, stderr } = await roost(watched.hub, 'rollout', 'history', watched.id)
  expect(stderr).toBe('')
  expect(stdout).not.toMatch(/[{}"]/)
  expect(stdout).toMatch(/token:ops +started +4 devices of all/)
  expect(stdout).toMatch(/hub +offer +d-\d{3}$/m)
  expect(stdout).toMatch(/hub +stage +canary is passed; pass installation: .*; pass error rate: /)
  expect(stdout).toMatch(/token:ops +operation +pause *$/m)
  expect(stdout).toMatch(/token:ops +rollout +aborted: abort: enough/)
})
