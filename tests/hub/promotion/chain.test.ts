// The whole chain with a whole hub and its real evaluator: registered, measured, gated, approved by two people, champion;
// then a worse version that stays where it is, and is let out to no device.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { aRunningHub } from '../cli/a-running-hub.ts'
import { aLogisticModel } from '../evaluation/a-contest.ts'
import { aForm, post } from '../registry/an-upload.ts'

const rows = Array.from({ length: 200 }, (_, i) => {
  const level = ((i * 37) % 41) / 10 - 2
  return `${level},${((i * 17) % 23) - 11},${level + (i % 10 === 0 ? 1.5 : 0) > 0 ? 1 : 0}`
})
const csv = ['x[0],x[1],fault', ...rows].join('\n')

test('a better version becomes champion by two approvals; a worse one is measured against it and let out nowhere', async () => {
  await using hub = await aRunningHub()
  const ask = async (method: string, path: string, body?: unknown, token = hub.token, headers = {}) => {
    const type = typeof body === 'string' ? 'text/csv' : 'application/json'
    const response = await hub.app.request(path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': type }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    return { status: response.status, body: z.looseObject({}).parse(await response.json()) }
  }
  const tokenOf = async (name: string, role: string) =>
    z.object({ token: z.string() }).parse((await ask('POST', '/v1/tokens', { name, role })).body).token
  const [ci, ann, bob] = [await tokenOf('ci', 'ci'), await tokenOf('ann', 'approver'), await tokenOf('bob', 'approver')]
  const { digest } = z
    .object({ digest: z.string() })
    .parse((await ask('POST', '/v1/datasets/bench/snapshots', csv, ci)).body)
  await hub.database.write([
    {
      sql: `INSERT INTO device_groups (name, query, description, created_by, created_at, changed_at) VALUES ('all', 'all', '', 't', 0, 0)`,
    },
    {
      sql: `INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at) VALUES ('c', zeroblob(32), '{}', 1, 't', 0, 0)`,
    },
    {
      sql: `INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at)
            VALUES ('d-1', '{}', 'generic-x64', zeroblob(32), zeroblob(32), zeroblob(32), 'c', 0)`,
    },
  ])
  const policy = {
    stages: {
      staging: { gates: ['size <= 1 MB'], automatic: true },
      production: {
        gates: ['accuracy >= 0.8', 'accuracy >= champion - 0.02 with 95 % confidence'],
        automatic: true,
        approvals: { needed: 2 },
      },
    },
    rolloutFrom: 'production',
    withoutChampion: 'pass',
    evaluations: { datasets: [digest], label: 'fault' },
  }
  expect((await ask('PUT', '/v1/models/fault/promotion', policy, hub.token, { 'if-match': '"0"' })).status).toBe(200)

  const version = (number: number, what = '') => `/v1/models/fault/versions/${number}${what}`
  const register = async (weights: number[]) => {
    const metadata = { task: { kind: 'binary-classification', output: 'y', threshold: 0.5 } }
    const response = await post(hub.app, ci, aForm({ model: aLogisticModel(weights), metadata }), 'fault')
    return z.object({ version: z.number() }).parse(await response.json()).version
  }
  const evaluate = async (number: number) => {
    const body = { dataset: 'bench/1', label: 'fault', importance: false }
    const { body: asked } = await ask('POST', version(number, '/evaluations'), body, ci)
    for (;;) {
      const { body: found } = await ask('GET', version(number, `/evaluations/${z.string().parse(asked.id)}`))
      if (found.state !== 'queued' && found.state !== 'running') return found
      await sleep(20)
    }
  }
  /** Promotion hears of an evaluation after it has ended. */
  const judged = async (number: number, evaluation: unknown) => {
    for (;;) {
      const { body } = await ask('GET', version(number, '/gates'))
      const { verdicts } = z.object({ verdicts: z.array(z.looseObject({})) }).parse(body)
      const found = verdicts.find((verdict) => verdict.to === 'production' && verdict.evaluation === evaluation)
      if (found !== undefined) return found
      await sleep(20)
    }
  }
  const stageOf = async (number: number) => (await ask('GET', version(number))).body.stage
  const requests = async () =>
    z
      .object({ requests: z.array(z.object({ id: z.string(), version: z.number() })) })
      .parse((await ask('GET', '/v1/promotion-requests?state=open')).body).requests

  const first = await register([4, 0])
  expect(await stageOf(first)).toBe('staging')
  const measured = await evaluate(first)
  expect(measured).toMatchObject({ state: 'succeeded', champion: null, request: { variant: 'fp32' } })
  expect(await judged(first, measured.id)).toMatchObject({ answer: 'pass' })
  const [request] = await requests()
  expect(request?.version).toBe(first)
  const answer = (token: string) =>
    ask('POST', `/v1/promotion-requests/${request?.id}/approvals`, { decision: 'approve' }, token)
  expect((await answer(ci)).status).toBe(403)
  expect((await answer(ann)).body).toMatchObject({ state: 'open', approved: 1 })
  expect((await answer(ann)).body).toMatchObject({ code: 'answered-already' })
  expect(await stageOf(first)).toBe('staging')
  expect((await answer(bob)).body).toMatchObject({ state: 'approved', approved: 2 })
  expect(await stageOf(first)).toBe('production')
  expect((await ask('GET', '/v1/models/fault/versions/@champion')).body).toMatchObject({ version: first })

  const second = await register([0.2, 2])
  const worse = await evaluate(second)
  expect(worse).toMatchObject({ state: 'succeeded', champion: { version: first } })
  const { rules, answer: said } = await judged(second, worse.id)
  expect(said).toBe('fail')
  const right = (score: (level: number, other: number) => number) =>
    rows.filter((row) => {
      const [level = 0, other = 0, fault] = row.split(',').map(Number)
      return (score(level, other) >= 0 ? 1 : 0) === fault
    }).length / rows.length
  const [before, after] = [right((level) => level), right((level, other) => 0.2 * level + 2 * other)]
  expect(rules).toMatchObject([
    { answer: 'fail', value: after, bound: 0.8, sentence: expect.stringContaining('not >= 0.8') },
    {
      answer: 'fail',
      value: after,
      champion: { version: first, value: before },
      difference: { value: expect.closeTo(after - before, 12) },
      sentence: expect.stringContaining('lies wholly beyond -0.02'),
    },
  ])
  expect(await requests()).toEqual([])
  expect(await stageOf(second)).toBe('staging')
  expect(await ask('POST', version(second, '/promotion'), { to: 'production' })).toMatchObject({
    status: 409,
    body: { code: 'gates-not-passed' },
  })
  expect((await ask('GET', '/v1/models/fault/versions/@champion')).body).toMatchObject({ version: first })

  const rollOut = (number: number) => ask('POST', '/v1/rollouts', { model: 'fault', version: number, group: 'all' })
  const wish = (number: number) => ask('PUT', '/v1/devices/d-1/desired/main', { model: 'fault', version: number })
  for (const refused of [await rollOut(second), await wish(second)]) {
    expect(refused).toMatchObject({ status: 409, body: { code: 'stage-too-low', field: 'version' } })
  }
  expect((await wish(first)).status).toBe(200)
  expect((await rollOut(first)).status).toBe(201)
})
