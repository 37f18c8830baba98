// A hub in which something has happened: data, runs, versions, evaluations, approvals, rollouts and devices, as rows.

import type { Statement } from '../../../hub/storage/database.ts'
import { aHub, type TestHub } from '../a-hub.ts'

export const digestOf = (letter: string) => letter.repeat(64)
export const runOf = (letter: string) => letter.repeat(32)
const bytes = (text: string) => Buffer.from(text.padEnd(32, '.'))

export const snapshot = (dataset: string, version: number, digest: string): Statement[] => [
  {
    sql: `INSERT OR IGNORE INTO datasets (name, last_version, created_by, created_at) VALUES (?, 9, 'token:data', 10)`,
    args: [dataset],
  },
  {
    sql: `INSERT INTO dataset_snapshots (dataset, version, digest, format, size_bytes, row_count, columns, created_by, created_at)
          VALUES (?, ?, ?, 'csv', 100, 4, ?, 'token:data', 20)`,
    args: [dataset, version, digest, JSON.stringify([aColumn('temperature'), aColumn('broken')])],
  },
]

const aColumn = (name: string) => ({
  name,
  type: 'number',
  nullable: false,
  statistics: {
    count: 4,
    missing: 0,
    distinct: 4,
    distinctExact: true,
    min: 0,
    max: 1,
    mean: 0.5,
    standardDeviation: 0.4,
    quantiles: [],
    quantileRankError: 0,
    top: [],
    topError: 0,
  },
  scale: null,
})

export const run = (id: string, inputs: readonly { name: string; digest: string }[] = []): Statement[] => [
  {
    sql: `INSERT INTO runs (id, experiment, name, user_id, status, start_time, created_at)
          VALUES (?, 0, ?, 'ann', 'RUNNING', 100, 100)`,
    args: [id, `run ${id.slice(0, 1)}`],
  },
  ...inputs.flatMap(({ name, digest }) => [
    {
      sql: `INSERT OR IGNORE INTO run_datasets (experiment, name, digest, source_type, source)
            VALUES (0, ?, ?, 'local', '{}')`,
      args: [name, digest],
    },
    {
      sql: `INSERT INTO run_inputs (run, dataset, tags)
            SELECT r.number, d.id, '{"context":"training"}' FROM runs r, run_datasets d
            WHERE r.id = ? AND d.name = ? AND d.digest = ?`,
      args: [id, name, digest],
    },
  ]),
]

export type VersionParts = {
  run?: string
  dataset?: string
  datasets?: readonly { digest: string; role: string }[]
  createdAt?: number
}

/** Two variants, whose manifests are `<model>-<version>-fp32` and `…-int8`. */
export function version(model: string, number: number, parts: VersionParts = {}): Statement[] {
  const { createdAt = 200 } = parts
  return [
    {
      sql: `INSERT INTO models (name, last_version, last_counter, created_at) VALUES (?, ?, ?, 0)
            ON CONFLICT DO UPDATE SET last_version = excluded.last_version`,
      args: [model, number, number],
    },
    {
      sql: `INSERT INTO versions (model, version, description, metrics, source_commit, run, dataset, created_by, created_at)
            VALUES (?, ?, '', '{}', 'c0ffee', ?, ?, 'token:ci', ?)`,
      args: [model, number, parts.run ?? null, parts.dataset ?? null, createdAt],
    },
    ...['fp32', 'int8'].map((variant, i) => ({
      sql: `INSERT INTO manifests (digest, model, version, variant, counter, payload, envelope, content, inspection, baseline)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, '{}', '{}')`,
      args: [
        `${model}-${number}-${variant}`,
        model,
        number,
        variant,
        2 * number + i,
        bytes(''),
        bytes(''),
        `${number}${variant}`,
      ],
    })),
    ...(parts.datasets ?? []).map(({ digest, role }) => ({
      sql: 'INSERT INTO version_datasets (model, version, dataset, role) VALUES (?, ?, ?, ?)',
      args: [model, number, digest, role],
    })),
  ]
}

export const evaluation = (id: string, model: string, number: number, dataset: string): Statement => ({
  sql: `INSERT INTO evaluations (id, model, version, state, request, dataset, manifest, code_version, created_by, created_at)
        VALUES (?, ?, ?, 'queued', '{}', ?, ?, '1', 'token:ci', 300)`,
  args: [id, model, number, dataset, `${model}-${number}-fp32`],
})

export const approval = (id: string, model: string, number: number, of: { evaluation: string; state: string }) => [
  {
    sql: `INSERT INTO promotion_verdicts (id, model, version, to_stage, answer, policy_revision, evaluation, basis, rules,
            first_at, last_at) VALUES (?, ?, ?, 'production', 'pass', 1, ?, ?, '[]', 400, 400)`,
    args: [`verdict-${id}`, model, number, of.evaluation, id],
  },
  {
    sql: `INSERT INTO promotion_requests (id, model, version, from_stage, to_stage, state, verdict, policy_revision, needed,
            requested_by, comment, requested_at, expires_at, closed_at)
          VALUES (?, ?, ?, 'staging', 'production', ?, ?, 1, 1, 'token:ci', 'please', 400, 9000, 450)`,
    args: [id, model, number, of.state, `verdict-${id}`],
  },
  {
    sql: `INSERT INTO promotion_approvals (request, approver, name, decision, comment, at)
          VALUES (?, 'token:boss', 'The boss', 'approve', 'looks good', 440)`,
    args: [id],
  },
]

export const device = (id: string): Statement => ({
  sql: `INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at)
        VALUES (?, '{"site":"north"}', 'generic-x64', ?, x'00', x'00', 'c', 50)`,
  args: [id, Buffer.from(id)],
})

export const rollout = (id: string, model: string, number: number, devices: readonly string[]): Statement[] => [
  {
    sql: `INSERT INTO rollouts (id, model, version, deployment, group_name, query, plan, state, reason, created_by,
            created_at, changed_at) VALUES (?, ?, ?, 'main', 'all', 'all', '{"stages":[]}', 'running', '', 'token:op', 500, 500)`,
    args: [id, model, number],
  },
  ...devices.map((name) => ({
    sql: `INSERT INTO rollout_devices (rollout, device, deployment, stage, stratum, rank, target, state, offered_at, active)
          VALUES (?, ?, 'main', 0, '', 0, ?, 'succeeded', 510, 0)`,
    args: [id, name, `${model}-${number}-fp32`],
  })),
]

export const serves = (
  name: string,
  model: string,
  number: number,
  { running = true, variant = 'fp32', deployment = 'main' } = {},
): Statement => ({
  sql: `INSERT INTO device_deployments (device, deployment, manifest, attempt, state, running, ran_at, changed_at)
        VALUES (?, ?, ?, 1, 'succeeded', ?, 520, 520)`,
  args: [name, deployment, `${model}-${number}-${variant}`, Number(running)],
})

/** `train` (digest a…) -> run 1… -> vibration/1 -> rollout-1 -> d-1, d-2; snapshot b… and a hand-named dataset -> vibration/2
 *  -> d-2 by hand; vibration/1 was evaluated on c…, and approved. `acoustic/1` is of a… too, on d-3. */
export async function aHistory(parts: Parameters<typeof aHub>[0] = {}): Promise<TestHub> {
  const hub = await aHub(parts)
  await fillHistory(hub.database)
  return hub
}

/** @param more in the same transaction: what must not be seen by those who work on what is open */
export async function fillHistory(database: TestHub['database'], more: readonly Statement[] = []): Promise<void> {
  await database.write([
    {
      sql: `INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
            VALUES ('c', x'00', '{}', 9, 'test', 0, 0)`,
    },
    ...snapshot('train', 1, digestOf('a')),
    ...snapshot('train', 2, digestOf('b')),
    ...snapshot('holdout', 1, digestOf('c')),
    ...run(runOf('1'), [
      { name: 'train', digest: digestOf('a') },
      { name: 'weather', digest: 'abc12345' },
    ]),
    ...version('vibration', 1, { run: runOf('1'), datasets: [{ digest: digestOf('a'), role: 'training' }] }),
    ...version('vibration', 2, { dataset: 'train/2', datasets: [{ digest: digestOf('c'), role: 'test' }] }),
    ...version('acoustic', 1, { dataset: digestOf('a') }),
    ...version('thermal', 1, { dataset: 'some folder of Ann', run: 'elsewhere 7' }),
    evaluation('e-1', 'vibration', 1, digestOf('c')),
    ...approval('p-1', 'vibration', 1, { evaluation: 'e-1', state: 'approved' }),
    ...['d-1', 'd-2', 'd-3'].map(device),
    ...rollout('r-1', 'vibration', 1, ['d-1', 'd-2']),
    serves('d-1', 'vibration', 1),
    serves('d-2', 'vibration', 1, { running: false }),
    serves('d-2', 'vibration', 2, { variant: 'int8' }),
    serves('d-3', 'acoustic', 1),
    ...more,
  ])
}
