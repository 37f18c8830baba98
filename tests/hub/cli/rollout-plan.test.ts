// A plan as people write it, tried dry and started through the real command.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { setAlias } from '../../../hub/registry/aliases.ts'
import { RolloutDetail } from '../../../hub/rollouts/documents.ts'
import { Preview } from '../../../hub/rollouts/plan/preview.ts'
import { aRunningHub, type RunningHub } from './a-running-hub.ts'
import { roost } from './roost.ts'

let hub: RunningHub
let yaml: string

beforeAll(async () => {
  hub = await aRunningHub()
  yaml = join(hub.folder, 'plan.yaml')
  await writeFile(
    yaml,
    `# a canary by night, then all
stages:
  - { name: canary, devices: 3, bake: 90m }
  - { name: all, percent: 100, bake: 1h, approvals: 1 }
gates:
  - metric: installation
window: { from: 01:00, to: 05:00, timezone: Europe/Berlin }
`,
  )
  const nothing = new Uint8Array(32)
  const manifest = {
    type: 'manifest',
    formatVersion: 1,
    model: 'motes',
    version: 1,
    counter: 1,
    variant: 'fp32',
    profiles: ['generic-x64'],
    files: [{ role: 'model', sha256: 'ab'.repeat(32), sizeBytes: 2_500_000, chunks: 'AAAA' }],
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [1] }],
    opset: 17,
    limits: { memoryBytes: 1, trialMs: 1, inferenceMs: 1 },
    window: { seconds: 60 },
    created: '2026-01-01T00:00:00Z',
  }
  await hub.database.write([
    {
      sql: `INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
            VALUES ('c', ?, '{}', 1, 'test', 0, 0)`,
      args: [nothing],
    },
    ...Array.from({ length: 8 }, (_, i) => ({
      sql: `INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at)
            VALUES (?, '{}', ?, ?, ?, ?, 'c', 0)`,
      args: [`d-${i}`, i === 7 ? 'gateway-small' : 'generic-x64', Buffer.from(`d-${i}`), nothing, nothing],
    })),
    {
      sql: `INSERT INTO device_groups (name, query, description, created_by, created_at, changed_at)
            VALUES ('everywhere', 'all', '', 't', 0, 0)`,
    },
    { sql: `INSERT INTO models (name, last_version, last_counter, created_at) VALUES ('motes', 1, 1, 0)` },
    {
      sql: `INSERT INTO versions (model, version, description, metrics, created_by, created_at)
            VALUES ('motes', 1, '', '{}', 'test', 0)`,
    },
    {
      sql: `INSERT INTO manifests (digest, model, version, variant, counter, payload, envelope, content, inspection, baseline)
            VALUES (?, 'motes', 1, 'fp32', 1, ?, ?, '1', '{}', '{}')`,
      args: ['1'.repeat(64), Buffer.from(JSON.stringify(manifest)), nothing],
    },
    setAlias('motes', 'live', 1, 'test', 0),
  ])
})

afterAll(() => hub[Symbol.asyncDispose]())

const motes = ['motes', '1', '--group', 'everywhere']

test('a plan in YAML is tried dry and started with the draw that was shown', async () => {
  const dry = await roost(hub, 'rollout', 'plan', ...motes, '--plan', yaml, '--dry-run', '--devices', '2')
  expect(dry.code, dry.stderr).toBe(0)
  expect(dry.stdout).toMatch(/^motes 1 to everywhere \(all\), deployment motes: 7 devices, 1 left out$/m)
  expect(dry.stdout).toMatch(/2\.38 MiB a device: 4\.77 MiB broadcast, or 16\.7 MiB if each fetches it for itself/)
  expect(dry.stdout).toMatch(/^ {2}canary \(3 devices, canary\): 3 devices \(3 generic-x64\/\)$/m)
  expect(dry.stdout).toMatch(/^ {4}waits for 1 approval$/m)
  expect(dry.stdout).toMatch(/^ {4}installation: 3 devices without a failure would show that at most 63 %/m)
  expect(dry.stdout).toMatch(/^warning \(version\): .*no variant for 1 of 8 devices \(1 of profile gateway-small\)/m)
  expect(dry.stdout).toMatch(/^left out: d-7, because motes 1 has no variant for profile gateway-small$/m)
  expect(dry.stdout).toMatch(
    /^d-\d .*place 1 of 7 in line \(not connected, so behind those that are;.*canary takes the first up to 3 devices$/m,
  )
  expect(dry.stdout).toMatch(/^and 5 more: --devices 7, or --json$/m)
  const [, id = ''] = /--as (r-[0-9a-z]{9}-[0-9a-f]{10}) /.exec(dry.stdout) ?? []

  const byAlias = ['motes', '@live', ...motes.slice(2)]
  const json = await roost(hub, 'rollout', 'plan', ...byAlias, '--plan', yaml, '--as', id, '--json')
  const seen = Preview.parse(JSON.parse(json.stdout))
  const started = await roost(hub, 'rollout', 'start', ...motes, '--plan', yaml, '--as', id, '--json')
  expect(started.code, started.stderr).toBe(0)
  const detail = RolloutDetail.parse(JSON.parse(started.stdout))
  expect(detail).toMatchObject({ id, version: 1, warnings: seen.warnings })
  const unknown = await roost(hub, 'rollout', 'plan', 'motes', '@gone', ...motes.slice(2))
  expect(unknown).toMatchObject({ code: 1, stderr: 'roost: Not found: there is no alias "motes@gone"\n' })
  expect(detail.plan).toMatchObject({
    stages: [
      { devices: 3, bakeMs: 5_400_000, mode: 'canary' },
      { percent: 100, bakeMs: 3_600_000, mode: 'full', approvals: 1 },
    ],
    window: { from: '01:00', to: '05:00', timezone: 'Europe/Berlin' },
  })
})

test.each([
  ['that cannot be read', 'stages: [', /plan-bad\.yaml is neither YAML nor JSON: .*line 1/],
  ['without anything', '', /holds no plan: write stages:/],
  ['with one key twice', 'stages: []\nstages: []\n', /neither YAML nor JSON: .*unique.*line 2/],
  ['with a fault', 'stages: [{ name: all, percent: 90, bake: 1h }]', /plan\.stages\.0\.percent.*100 percent/],
])('a plan %s is refused with a sentence', async (_, text, sentence) => {
  const path = join(hub.folder, 'plan-bad.yaml')
  await writeFile(path, text)
  const { code, stderr, stdout } = await roost(hub, 'rollout', 'plan', ...motes, '--plan', path)
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(sentence)
  expect(stderr.trim().split('\n')).toHaveLength(1)
})
