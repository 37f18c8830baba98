// Lists longer than a page of the API, through the real command.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { defaultPlanFor } from '../../../hub/rollouts/plan/default-plan.ts'
import { aRunningHub, type RunningHub } from './a-running-hub.ts'
import { roost } from './roost.ts'

const devices = 450
const logged = 60
let hub: RunningHub

const count = (length: number) => Array.from({ length }, (_, i) => String(i).padStart(3, '0'))

beforeAll(async () => {
  hub = await aRunningHub()
  const nothing = new Uint8Array(32)
  await hub.database.write([
    {
      sql: `INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
            VALUES ('c', ?, '{}', 1, 'test', 0, 0)`,
      args: [nothing],
    },
    ...count(devices).map((n) => ({
      sql: `INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at)
            VALUES (?, '{}', 'generic-x64', ?, ?, ?, 'c', 0)`,
      args: [`d-${n}`, Buffer.from(n), nothing, nothing],
    })),
    {
      sql: `INSERT INTO device_groups (name, query, description, created_by, created_at, changed_at)
            VALUES ('everywhere', 'all', '', 't', 0, 0)`,
    },
    ...count(logged).map(() => ({
      sql: `INSERT INTO device_events (device, at, received_at, event, body)
            VALUES ('d-000', 0, 0, 'started', '{"kind":"event","event":"started","at":0,"detail":""}')`,
    })),
    { sql: `INSERT INTO models (name, last_version, last_counter, created_at) VALUES ('motes', 1, 1, 0)` },
    {
      sql: `INSERT INTO versions (model, version, description, metrics, created_by, created_at)
            VALUES ('motes', 1, '', '{}', 'test', 0)`,
    },
    ...count(logged).map((n) => ({
      sql: `INSERT INTO rollouts (id, model, version, deployment, group_name, query, plan, state, reason, created_by, created_at, changed_at)
            VALUES (?, 'motes', 1, 'motes', 'everywhere', 'all', ?, 'aborted', '', 't', 0, 0)`,
      args: [`r-${n}`, JSON.stringify(defaultPlanFor(3))],
    })),
  ])
})

afterAll(() => hub[Symbol.asyncDispose]())

/** Lines that begin like a row. */
const rows = (text: string, start: string) => text.split('\n').filter((line) => line.startsWith(start)).length

test.each([
  ['the devices', ['device', 'list'], 'd-', devices],
  ['all in a group', ['group', 'show', 'everywhere'], 'd-', devices],
  ['as many rollouts as asked for', ['rollout', 'list', '--limit', '60'], 'r-', logged],
  ['as many events as asked for', ['events', 'd-000', '--limit', '1000'], '1970-', logged],
])('%s are listed whole', async (_, args, start, expected) => {
  const { code, stdout, stderr } = await roost(hub, ...args)
  expect(stderr).toBe('')
  expect(rows(stdout, start)).toBe(expected)
  expect(stdout).not.toContain('only')
  expect(code).toBe(0)
})

test.each([
  ['rollouts', ['rollout', 'list'], 'r-'],
  ['events', ['events', 'd-000'], '1970-'],
])('the newest %s are listed, and that there are older ones', async (_, args, start) => {
  const { stdout } = await roost(hub, ...args)
  expect(rows(stdout, start)).toBe(50)
  expect(stdout).toContain('only 50 are shown; older ones with --limit')
})

test('status counts every device, and says where the older rollouts are', async () => {
  const { stdout } = await roost(hub, 'status')
  expect(stdout).toContain(`${devices} devices, 0 connected, 0 stale`)
  expect(rows(stdout, 'r-')).toBe(10)
  expect(stdout).toContain('older rollouts: roost rollout list')
})

test('claims are listed without their tokens', async () => {
  const made = await roost(hub, 'claim', 'create', '--uses', '3', '--label', 'site=indoor', '--label', 'line=3')
  const { stdout } = await roost(hub, 'claim', 'list')
  const token = made.stdout.trim()
  const id = token.split('_')[1] ?? ''
  expect(stdout).toMatch(new RegExp(`^${id} +open +0 of 3 +(site=indoor line=3|line=3 site=indoor) +20`, 'm'))
  expect(stdout).not.toContain(token)
})
