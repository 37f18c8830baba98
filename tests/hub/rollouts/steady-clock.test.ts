// Whatever the clock of the machine does, a stage is watched for as long as its plan says.

import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { clockJump } from '../../../hub/rollouts/steady-clock.ts'
import { aHub, type TestHub } from '../a-hub.ts'
import { aPlan } from './a-fleet.ts'

const dayMs = 86_400_000
const start = 1_800_000_000_000

let hub: TestHub
beforeAll(async () => {
  hub = await aHub()
})
afterAll(() => hub[Symbol.asyncDispose]())

/** The machine: its clock may be set, its uptime not; `boot` is new when it was restarted. */
type Machine = { nowMs: number; uptimeMs: number; boot: number }
let machine: Machine

beforeEach(async () => {
  machine = { nowMs: start, uptimeMs: 1_000_000, boot: 1 }
  await hub.database.write([
    { sql: 'DELETE FROM rollout_clock' },
    { sql: 'DELETE FROM device_failures' },
    { sql: 'DELETE FROM rollout_stages' },
    { sql: 'DELETE FROM rollout_devices' },
    { sql: 'DELETE FROM rollouts' },
    {
      sql: `INSERT INTO rollouts (id, model, version, deployment, group_name, query, plan, state, reason, created_by, created_at, changed_at)
            VALUES ('r', 'm', 1, 'm', 'all', 'all', ?, 'running', '', 't', 0, 0)`,
      args: [JSON.stringify(aPlan())],
    },
    {
      sql: `INSERT INTO rollout_stages (rollout, idx, name, state, held_since, admitting_since, baking_since)
            VALUES ('r', 0, 'all', 'baking', ?1, ?1, ?1)`,
      args: [start],
    },
    {
      sql: `INSERT INTO rollout_devices (rollout, device, deployment, stage, stratum, rank, target, state, attempt, offered_at, progress_at)
            VALUES ('r', 'd', 'm', 0, '', 0, '', 'downloading', 1, ?1, ?1)`,
      args: [start],
    },
    { sql: `INSERT INTO device_failures (device, failures, aside_until) VALUES ('d', 0, ?)`, args: [start + dayMs] },
  ])
})

/** As the hub does at each look. */
async function look(): Promise<number> {
  const uptime = { boot: `b-${machine.boot}`, uptimeMs: machine.uptimeMs }
  return hub.database.exclusively(async (tx) => {
    const { jumpedMs, statements } = await clockJump(tx, uptime, machine.nowMs)
    await tx.write(statements)
    return jumpedMs
  })
}

function passes(ms: number): void {
  machine.nowMs += ms
  machine.uptimeMs += ms
}

/** How long ago by the clock now: held, admitting, baking, offered, moved; and until when the device is put aside. */
async function counted(): Promise<number[]> {
  const Times = z.object({ at: z.number() })
  const rows = await hub.database.all(
    Times,
    `SELECT held_since AS at FROM rollout_stages WHERE rollout = 'r' UNION ALL
     SELECT admitting_since FROM rollout_stages WHERE rollout = 'r' UNION ALL
     SELECT baking_since FROM rollout_stages WHERE rollout = 'r' UNION ALL
     SELECT offered_at FROM rollout_devices WHERE rollout = 'r' UNION ALL
     SELECT progress_at FROM rollout_devices WHERE rollout = 'r' UNION ALL
     SELECT aside_until - ${dayMs} FROM device_failures`,
  )
  return rows.map(({ at }) => machine.nowMs - at)
}

const all = (ms: number) => new Array<number>(6).fill(ms)

describe.each([
  ['a day forward', dayMs],
  ['a day back', -dayMs],
  ['a minute forward', 60_000],
  ['to the year 1970', -start],
])('a clock that jumps %s', (_, jumpMs) => {
  test.each(['running', 'paused', 'rolling_back'])('while the rollout is %s changes no time', async (state) => {
    await hub.database.write([{ sql: `UPDATE rollouts SET state = ? WHERE id = 'r'`, args: [state] }])
    await look()
    passes(5_000)
    machine.nowMs += jumpMs
    passes(1_000)
    expect(await look()).toBe(jumpMs)
    expect(await counted()).toEqual(all(6_000))
    expect(await look()).toBe(0)
  })

  test.each(['held', 'admitting', 'baking', 'open'])('while a stage is %s changes no time', async (state) => {
    await hub.database.write([{ sql: `UPDATE rollout_stages SET state = ? WHERE rollout = 'r'`, args: [state] }])
    await look()
    machine.nowMs += jumpMs
    passes(1_000)
    await look()
    expect(await counted()).toEqual(all(1_000))
  })

  test('while the hub is down changes no time, and how long it was down counts', async () => {
    await look()
    passes(3_600_000)
    machine.nowMs += jumpMs
    await look()
    expect(await counted()).toEqual(all(3_600_000))
  })

  test.each([
    ['under another boot', 2],
    ['under the same boot of its host, as a container', 1],
  ])('as the machine is restarted %s counts for nothing, nor does setting it right then', async (_name, boot) => {
    await look()
    machine = { nowMs: machine.nowMs + jumpMs, uptimeMs: 10_000, boot }
    await look()
    expect(await counted()).toEqual(all(0))
    passes(5_000)
    machine.nowMs -= jumpMs
    await look()
    expect(await counted()).toEqual(all(5_000))
  })
})

test('of stages and rollouts that have ended the times stay as they were', async () => {
  await hub.database.write([
    { sql: `UPDATE rollout_stages SET state = 'passed' WHERE rollout = 'r'` },
    { sql: `UPDATE rollout_devices SET active = 0 WHERE rollout = 'r'` },
  ])
  await look()
  machine.nowMs += dayMs
  await look()
  expect((await counted()).slice(0, 5)).toEqual(all(dayMs).slice(0, 5))
})

test('a clock that is slewed has not jumped, and keeps in step', async () => {
  await look()
  for (let minute = 0; minute < 100; minute += 1) {
    passes(60_000)
    // 500 parts in a million is what the kernel slews at most
    machine.nowMs += 30
    expect(await look()).toBe(0)
  }
})

const Event = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('passes' as const), ms: fc.integer({ min: 0, max: 3_600_000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('jumps' as const), ms: fc.integer({ min: -3 * dayMs, max: 3 * dayMs }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('restarts' as const), ms: fc.integer({ min: -dayMs, max: dayMs }) }),
  },
)

test('whatever happens in any order, what counts is the time that the machine was on', async () => {
  const seed = 20_261_126
  await fc.assert(
    fc.asyncProperty(fc.array(Event, { maxLength: 12 }), async (events) => {
      const stage = { sql: `UPDATE rollout_stages SET baking_since = ? WHERE rollout = 'r'`, args: [machine.nowMs] }
      await hub.database.write([stage, { sql: 'DELETE FROM rollout_clock' }])
      await look()
      let onMs = 0
      let inexactMs = 0
      for (const { kind, ms } of events) {
        if (kind === 'passes') {
          passes(ms)
          onMs += ms
        } else if (kind === 'jumps') machine.nowMs += ms
        else machine = { nowMs: machine.nowMs + ms, uptimeMs: 0, boot: machine.boot + 1 }
        await look()
        // what is less than a jump is let be; what passed since the last note counts for nothing after a restart
        inexactMs += kind === 'restarts' ? 30_000 : 2_000
      }
      const baking = (await counted())[2] ?? 0
      expect(Math.abs(baking - onMs)).toBeLessThanOrEqual(inexactMs)
    }),
    { seed, numRuns: 60 },
  )
})
