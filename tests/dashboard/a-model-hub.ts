// A real hub with a model as a team has it after a few days: three versions, an evaluation of each beside the champion,
// a policy of which one version passes the gates and waits for approval and another does not, and devices that run it.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from '@libsql/client'
import { z } from 'zod'
import { aHubProcess, type HubProcess } from '../builders/hub-process.ts'
import { aLogisticModel } from '../hub/evaluation/a-contest.ts'
import { aForm } from '../hub/registry/an-upload.ts'

export const model = 'press-fault'

export type Person = { id: string; token: string }
export type ModelHub = AsyncDisposable & {
  hub: HubProcess
  admin: string
  /** Ada registers, Olaf operates, Cy and Dee approve, Vera only looks. */
  people: Record<'ada' | 'olaf' | 'cy' | 'dee' | 'vera', Person>
  ask(token: string, method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<unknown>
}

const Made = z.object({ id: z.string(), token: z.string() })
const Registered = z.object({ version: z.number(), manifest: z.string() })
const Evaluated = z.object({ id: z.string(), state: z.string(), reason: z.string().nullable() })

export async function aModelHub(): Promise<ModelHub> {
  const folder = mkdtempSync(join(tmpdir(), 'roost-models-page-'))
  const first = await aHubProcess({ folder })
  const admin = first.adminToken ?? ''
  const people = await furnish(first.url, admin)
  await first.stop()
  await addDevices(join(folder, 'hub.db'))
  const hub = await aHubProcess({ folder })
  return {
    hub,
    admin,
    people,
    ask: (...request) => ask(hub.url, ...request),
    [Symbol.asyncDispose]: async () => {
      await hub.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function furnish(url: string, admin: string): Promise<ModelHub['people']> {
  const person = async (name: string, role: string) =>
    Made.parse(await ask(url, admin, 'POST', '/v1/tokens', { name, role }))
  const people = {
    ada: await person('Ada Pipeline', 'ci'),
    olaf: await person('Olaf Operator', 'operator'),
    cy: await person('Cy Approver', 'approver'),
    dee: await person('Dee Approver', 'approver'),
    vera: await person('Vera Viewer', 'viewer'),
  }
  const { ada, olaf, cy } = people
  const rows = await fetch(`${url}/v1/datasets/bench/snapshots?format=csv`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'text/csv' },
    body: someRows(),
  })
  const { digest } = z.object({ digest: z.string() }).parse(await rows.json())
  const register = async (weights: number[], description: string) => {
    const metadata = {
      description,
      datasets: [{ digest, role: 'training' }],
      metrics: { loss: 0.31 },
      commit: '4f2c9aa',
      framework: 'scikit-learn 1.7',
      task: { kind: 'binary-classification', output: 'y', threshold: 0.5 },
    }
    const response = await fetch(`${url}/v1/models/${model}/versions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ada.token}` },
      body: aForm({ model: aLogisticModel(weights), metadata }),
    })
    const body: unknown = await response.json()
    if (response.status !== 201) throw new Error(JSON.stringify(body))
    return Registered.parse(body)
  }
  await register([2, 0], 'The first that was good enough')
  await ask(url, cy.token, 'PUT', `/v1/models/${model}/versions/1/stage`, { stage: 'production' })
  await ask(url, ada.token, 'PUT', `/v1/models/${model}/aliases/champion`, { version: 1 })
  await ask(url, admin, 'PUT', `/v1/models/${model}/promotion`, policy, { 'if-match': '"0"' })
  await register([3, 1.5], 'Trained with the rows of the north hall')
  // worse than chance
  await register([-1, 0.2], 'Quantised')
  for (const version of [2, 3]) {
    const path = `/v1/models/${model}/versions/${version}/evaluations`
    // of the bad one only what its gates ask for
    const apart = version === 2 ? { slices: ['site', 'shift'] } : { importance: false }
    const request = { dataset: 'bench/1', label: 'fault', fairness: ['shift'], ...apart }
    const { id } = Evaluated.parse(await ask(url, olaf.token, 'POST', path, request))
    await evaluated(url, olaf.token, `${path}/${id}`)
  }
  return people
}

/** Staging by itself, production behind a gate that version 2 passes and 3 does not, and one approval. */
const policy = {
  stages: {
    staging: { gates: ['size <= 4 MB', 'runs on generic-x64'], automatic: true },
    production: {
      gates: ['roc_auc >= 0.8', 'accuracy >= champion - 0.05 with 95 % confidence', 'equalised_odds_difference <= 0.5'],
      automatic: true,
      approvals: { needed: 1 },
    },
  },
}

async function evaluated(url: string, token: string, path: string): Promise<void> {
  for (;;) {
    const { state, reason } = Evaluated.parse(await ask(url, token, 'GET', path))
    if (state === 'succeeded') return
    if (state !== 'queued' && state !== 'running') throw new Error(`the evaluation ${state}: ${reason}`)
    await delay(100)
  }
}

/** 400 rows: whether a press fails by two readings; in the south by the second alone, so that version 1 is worse there. */
function someRows(): string {
  let state = 7
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const lines = Array.from({ length: 400 }, (_, n) => {
    const [a, b] = [4 * random() - 2, 4 * random() - 2]
    const site = ['north', 'south', 'east'][n % 3] ?? ''
    const shift = n % 2 === 0 ? 'day' : 'night'
    const score = (site === 'south' ? 2 * b : 2 * a + b) + random() - 0.5
    return [a.toFixed(3), b.toFixed(3), site, shift, score > 0 ? 1 : 0].join()
  })
  return `x[0],x[1],site,shift,fault\n${lines.join('\n')}\n`
}

/** Devices as if they had been enrolled: five run version 1, one has run it. */
async function addDevices(file: string): Promise<void> {
  const client = createClient({ url: `file:${file}` })
  await client.executeMultiple(`
    INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
      VALUES ('bulk', x'00', '{}', 1, 'test', 0, 1);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6)
    INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at, last_seen_at, hello_at, agent, stale)
      SELECT 'press-' || i, json_object('site', iif(i % 2, 'north', 'south')), 'generic-x64',
             CAST(printf('%05d', i) AS BLOB), x'00', x'00', 'bulk', 0, 1790000000000, NULL, '0.1.0', 0 FROM n;
    INSERT INTO device_deployments (device, deployment, manifest, attempt, state, running, ran_at, changed_at)
      SELECT d.id, '${model}', m.digest, 1, 'succeeded', d.id <> 'press-6', 1790000000000, 1790000000000
      FROM devices d JOIN manifests m ON m.model = '${model}' AND m.version = 1;`)
  client.close()
}

async function ask(
  url: string,
  token: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}
