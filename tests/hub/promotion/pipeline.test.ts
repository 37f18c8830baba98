// The way of versions through the stages over HTTP: by themselves, by hand, and what the policy keeps others from doing.

import { expect, test } from 'vitest'
import { EvaluationTask } from '../../../hub/evaluation/task.ts'
import { aPipeline, approvedBy, type Pipeline, policyPath, versionPath } from './a-pipeline.ts'

const gated = (gates: string[], over: Record<string, unknown> = {}) => ({
  stages: { staging: { automatic: true }, production: { gates, automatic: true } },
  ...over,
})
const move = (pipeline: Pipeline, who: Parameters<Pipeline['ask']>[0], version: number, body: unknown) =>
  pipeline.ask(who, 'POST', versionPath(version, 'promotion'), body)

test('without a policy nothing moves by itself, and hands move without gates', async () => {
  await using pipeline = await aPipeline()
  const version = await pipeline.register(pipeline.admin)
  await pipeline.evaluate(version)
  expect(await pipeline.stageOf(version)).toBe('development')
  const operator = await pipeline.tokenOf('operator', 'operator')
  expect((await pipeline.ask(operator, 'GET', policyPath)).body).toMatchObject({ revision: 0, createdAt: null })
  expect(await move(pipeline, operator, version, { to: 'production' })).toMatchObject({
    status: 409,
    body: { code: 'stage-skipped' },
  })
  expect((await move(pipeline, operator, version, { to: 'staging' })).status).toBe(200)
  expect((await move(pipeline, operator, version, { to: 'production' })).status).toBe(200)
  expect(await pipeline.champion()).toBe(version)
})

test('a policy is put by an admin who has seen the one before, and every one is kept', async () => {
  await using pipeline = await aPipeline()
  const { admin } = pipeline
  const ci = await pipeline.tokenOf('ci', 'ci')
  const put = (body: unknown, ifMatch?: string, who = admin) =>
    pipeline.ask(who, 'PUT', policyPath, body, ifMatch === undefined ? {} : { 'if-match': ifMatch })
  expect((await put({}, '"0"', ci)).status).toBe(403)
  expect((await put({})).status).toBe(428)
  expect(await put({ stages: { production: { gates: ['accuracy>=.9'] } } }, '"0"')).toMatchObject({
    status: 200,
    etag: '"1"',
    body: {
      policy: { stages: { production: { gates: ['accuracy >= 0.9'], automatic: false, approvals: { needed: 0 } } } },
    },
  })
  expect((await put({ rolloutFrom: 'staging' }, '"0"')).status).toBe(412)
  expect(await put({ rolloutFrom: 'staging' }, '"1"')).toMatchObject({ status: 200, etag: '"2"' })
  expect(await put({ rolloutFrom: 'staging' }, '*')).toMatchObject({ status: 200, etag: '"2"' })
  const { body } = await pipeline.ask(ci, 'GET', `${policyPath}/revisions?limit=1`)
  expect(body).toMatchObject({ revisions: [{ revision: 2, createdBy: `token:${admin.id}` }], next: expect.any(String) })
  for (const [bad, field, words] of [
    [{ gate: [] }, '', 'gate'],
    [
      { stages: { production: { gates: ['accuracy >='] } } },
      'stages.production.gates.0',
      'found the end (at character 12)',
    ],
    [
      { stages: { production: { gates: ['metrics.own >= 1', 'acuracy[site=north] >= 0.9'] } } },
      'stages.production.gates.1',
      '"acuracy[site=north] >= 0.9": there is no figure acuracy; there are accuracy, precision',
    ],
    [
      { stages: { staging: { gates: ['size <= 1 MB', 'runs on pi5'] } } },
      'stages.staging.gates.1',
      '"runs on pi5": there is no profile pi5; there are gateway-small, generic-x64, raspberry-pi-4, raspberry-pi-5',
    ],
    [{ evaluations: { datasets: ['bench/1'] } }, 'evaluations.datasets.0', 'roost datasets show <name> has it'],
    [{ stages: { production: { approvals: { needed: 1.5 } } } }, 'stages.production.approvals.needed', ''],
    [
      { stages: { production: { approvals: { needed: 1, expireDays: 0 } } } },
      'stages.production.approvals.expireDays',
      '',
    ],
    [
      { stages: { production: { gates: Array.from({ length: 65 }, () => 'size <= 1 MB') } } },
      'stages.production.gates',
      '',
    ],
    [{ alias: 'latest' }, 'alias', ''],
  ] as const) {
    const refused = await put(bad, '*')
    expect([refused.status, refused.body.field ?? '']).toEqual([422, field])
    expect(String(refused.body.detail)).toContain(words)
  }
})

test('a version moves as far as its gates let it, on registration and after an evaluation', async () => {
  await using pipeline = await aPipeline()
  await pipeline.putPolicy({
    stages: {
      staging: { gates: ['size <= 1 MB'], automatic: true },
      production: { gates: ['accuracy >= 0.9 with 95 % confidence'], automatic: true },
    },
  })
  const ci = await pipeline.tokenOf('ci', 'ci')
  const version = await pipeline.register(ci)
  expect(await pipeline.stageOf(version)).toBe('staging')
  await pipeline.evaluate(version, { accuracy: 0.92 }, { halfWidth: 0.03 })
  expect(await pipeline.stageOf(version)).toBe('staging')
  const { body } = await pipeline.ask(ci, 'POST', versionPath(version, 'gates'), {})
  expect(body).toMatchObject({
    answer: 'undecided',
    to: 'production',
    rules: [{ value: 0.92, low: 0.89, high: 0.9500000000000001 }],
  })
  await pipeline.evaluate(version, { accuracy: 0.92 }, { halfWidth: 0.02 })
  expect(await pipeline.stageOf(version)).toBe('production')
})

test('a gate that fails stops registration where it is, and says why', async () => {
  await using pipeline = await aPipeline()
  await pipeline.putPolicy({
    stages: { staging: { gates: ['size <= 10 B', 'runs on raspberry-pi-5'], automatic: true } },
  })
  const operator = await pipeline.tokenOf('operator', 'operator')
  const version = await pipeline.register(pipeline.admin)
  expect(await pipeline.stageOf(version)).toBe('development')
  const refused = await move(pipeline, operator, version, { to: 'staging' })
  expect(refused).toMatchObject({
    status: 409,
    body: { code: 'gates-not-passed', verdict: [{ rule: 'size <= 10 B', answer: 'fail' }, {}] },
  })
  expect(String(refused.body.detail)).toMatch(
    /size <= 10 B: size is [\d,]+( bytes|\.?\d* KiB \([\d,]+ bytes\)), not <= 10 bytes/,
  )
})

test('only an admin overrides, saying why; the verdict it went against is kept', async () => {
  await using pipeline = await aPipeline()
  await pipeline.putPolicy(gated(['accuracy >= 0.9']))
  const version = await pipeline.register(pipeline.admin)
  const operator = await pipeline.tokenOf('operator', 'operator')
  const override = { to: 'production', override: true, comment: 'the line stands still' }
  expect(await move(pipeline, operator, version, override)).toMatchObject({ status: 403, body: { field: 'override' } })
  expect((await move(pipeline, pipeline.admin, version, { ...override, comment: ' ' })).status).toBe(422)
  const { body } = await move(pipeline, pipeline.admin, version, override)
  expect(body).toMatchObject({
    stage: 'production',
    moves: [{ kind: 'override', reason: 'the line stands still', verdict: expect.stringMatching(/^g-/) }, {}],
  })
})

test('a ci token asks for approval but moves nothing', async () => {
  await using pipeline = await aPipeline()
  const ci = await pipeline.tokenOf('ci', 'ci')
  await pipeline.putPolicy({ stages: { production: { approvals: { needed: 1 } } } })
  const version = await pipeline.register(ci)
  expect((await move(pipeline, ci, version, { to: 'staging' })).status).toBe(403)
  expect((await move(pipeline, ci, version, { to: 'archived' })).status).toBe(403)
  await move(pipeline, pipeline.admin, version, { to: 'staging' })
  expect((await move(pipeline, ci, version, { to: 'production' })).status).toBe(202)
})

test('what a person moved back is not moved forward by itself', async () => {
  await using pipeline = await aPipeline()
  await pipeline.putPolicy(gated(['accuracy >= 0.9']))
  const version = await pipeline.register(pipeline.admin)
  await pipeline.evaluate(version)
  expect(await pipeline.stageOf(version)).toBe('production')
  const operator = await pipeline.tokenOf('operator', 'operator')
  expect((await move(pipeline, operator, version, { to: 'staging', comment: 'odd in the field' })).body).toMatchObject({
    hold: { kind: 'moved-back', reason: 'odd in the field' },
  })
  await pipeline.evaluate(version)
  expect(await pipeline.stageOf(version)).toBe('staging')
  expect((await move(pipeline, operator, version, { to: 'production' })).body).toMatchObject({
    stage: 'production',
    hold: null,
  })
})

test('no version takes the place of a newer one by itself', async () => {
  await using pipeline = await aPipeline()
  await pipeline.putPolicy(gated(['accuracy >= 0.9'], { previousProduction: 'staging' }))
  const [one, two] = [await pipeline.register(pipeline.admin), await pipeline.register(pipeline.admin)]
  await pipeline.evaluate(two)
  await pipeline.evaluate(one)
  expect([await pipeline.stageOf(one), await pipeline.stageOf(two)]).toEqual(['staging', 'production'])
})

test('the champion moves only by promotion once there is a policy, and so do stages', async () => {
  await using pipeline = await aPipeline()
  const ci = await pipeline.tokenOf('ci', 'ci')
  const approver = await pipeline.tokenOf('approver', 'approver')
  const version = await pipeline.register(ci)
  const alias = (name: string) => pipeline.ask(ci, 'PUT', `/v1/models/scale/aliases/${name}`, { version })
  expect((await alias('champion')).status).toBe(200)
  const second = await pipeline.register(ci)
  await pipeline.putPolicy(approvedBy(1))
  const point = await pipeline.ask(ci, 'PUT', '/v1/models/scale/aliases/champion', { version: second })
  expect(point).toMatchObject({ status: 409, body: { code: 'promotion-policy', field: 'alias' } })
  expect((await pipeline.ask(ci, 'DELETE', '/v1/models/scale/aliases/champion')).status).toBe(409)
  expect((await alias('candidate')).status).toBe(200)
  const stage = await pipeline.ask(approver, 'PUT', versionPath(version, 'stage'), { stage: 'production' })
  expect(stage).toMatchObject({ status: 409, body: { code: 'promotion-policy' } })
})

test('the champion is not got rid of by deleting its version', async () => {
  await using pipeline = await aPipeline()
  const ci = await pipeline.tokenOf('ci', 'ci')
  await pipeline.putPolicy(gated(['accuracy >= champion'], { withoutChampion: 'pass' }))
  const first = await pipeline.register(ci)
  await pipeline.evaluate(first, { accuracy: 0.95 })
  expect([await pipeline.stageOf(first), await pipeline.champion()]).toEqual(['production', first])
  const remove = (version: number) => pipeline.ask(ci, 'DELETE', `/v1/models/scale/versions/${version}`)
  expect(await remove(first)).toMatchObject({ status: 409, body: { code: 'promotion-policy' } })
  expect(await pipeline.champion()).toBe(first)
  // archived it is the champion still
  expect((await move(pipeline, pipeline.admin, first, { to: 'archived' })).status).toBe(200)
  expect(await remove(first)).toMatchObject({ status: 409, body: { code: 'promotion-policy' } })
  const second = await pipeline.register(ci)
  expect(await pipeline.stageOf(second)).toBe('staging')
  expect((await remove(second)).status).toBe(409)
  expect((await move(pipeline, pipeline.admin, second, { to: 'archived' })).status).toBe(200)
  expect((await remove(second)).status).toBe(204)
})

test('a rollout starts from the stage that the policy names', async () => {
  await using pipeline = await aPipeline()
  const operator = await pipeline.tokenOf('operator', 'operator')
  const version = await pipeline.register(pipeline.admin)
  await pipeline.hub.database.write([
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
  const start = () => pipeline.ask(operator, 'POST', '/v1/rollouts', { model: 'scale', version, group: 'all' })
  expect((await start()).body).not.toMatchObject({ code: 'stage-too-low' })
  await pipeline.putPolicy({ rolloutFrom: 'production' })
  expect(await start()).toMatchObject({ status: 409, body: { code: 'stage-too-low', field: 'version' } })
  await move(pipeline, pipeline.admin, version, { to: 'production', override: true, comment: 'test' })
  expect((await start()).body).not.toMatchObject({ code: 'stage-too-low' })
})

test('only evaluations over the snapshots and against the label of the policy count', async () => {
  await using pipeline = await aPipeline()
  const evaluations = { datasets: ['a'.repeat(64)], label: 'y' }
  await pipeline.putPolicy(gated(['accuracy >= 0.9'], { evaluations }))
  const version = await pipeline.register(pipeline.admin)
  await pipeline.evaluate(version, { accuracy: 1 }, { dataset: 'b'.repeat(64) })
  await pipeline.evaluate(version, { accuracy: 1 }, { dataset: 'a'.repeat(64), label: 'x' })
  const { body } = await pipeline.ask(pipeline.admin, 'POST', versionPath(version, 'gates'), { to: 'production' })
  expect(body).toMatchObject({ answer: 'undecided', evaluation: null })
  await pipeline.evaluate(version, { accuracy: 0.95 }, { dataset: 'a'.repeat(64) })
  expect(await pipeline.stageOf(version)).toBe('production')
})

test('a policy may say by which task a version is read that names none itself', async () => {
  await using pipeline = await aPipeline()
  const evaluations = { label: 'y', task: { threshold: 0.5, output: 'p', kind: 'binary-classification' } }
  await pipeline.putPolicy(gated(['accuracy >= 0.9'], { evaluations }))
  const version = await pipeline.register(pipeline.admin)
  const asked = (task: object) => ({
    task: EvaluationTask.parse({ kind: 'binary-classification', output: 'p', ...task }),
  })
  await pipeline.evaluate(version)
  await pipeline.evaluate(version, { accuracy: 1 }, asked({ threshold: 0.01 }))
  await pipeline.evaluate(version, { accuracy: 1 }, { ...asked({ threshold: 0.5 }), label: 'x' })
  const { body } = await pipeline.ask(pipeline.admin, 'POST', versionPath(version, 'gates'), { to: 'production' })
  expect(body).toMatchObject({ answer: 'undecided', evaluation: null })
  await pipeline.evaluate(version, { accuracy: 0.95 }, asked({ threshold: 0.5 }))
  expect(await pipeline.stageOf(version)).toBe('production')
})

test('the first version is judged against no champion, the next against the first', async () => {
  await using pipeline = await aPipeline()
  const gates = ['accuracy >= champion - 0.01 with 95 % confidence']
  await pipeline.putPolicy(gated(gates))
  const first = await pipeline.register(pipeline.admin)
  await pipeline.evaluate(first)
  expect(await pipeline.stageOf(first)).toBe('staging')
  await pipeline.putPolicy(gated(gates, { withoutChampion: 'pass' }))
  await pipeline.ask(pipeline.admin, 'POST', versionPath(first, 'gates'), {})
  expect(await pipeline.stageOf(first)).toBe('production')
  const second = await pipeline.register(pipeline.admin)
  await pipeline.evaluate(second, { accuracy: 0.95 }, { halfWidth: 0.02 })
  expect(await pipeline.stageOf(second)).toBe('staging')
  await pipeline.evaluate(second, { accuracy: 0.95 }, { halfWidth: 0.005 })
  expect(await pipeline.stageOf(second)).toBe('production')
  expect(await pipeline.stageOf(first)).toBe('archived')
})

test('gates look at the evaluation of every variant, and name the one that has none or fails', async () => {
  await using pipeline = await aPipeline()
  await pipeline.putPolicy({ stages: { staging: { gates: ['accuracy >= 0.9', 'size <= 1 MB'], automatic: true } } })
  const version = await pipeline.register(pipeline.admin)
  expect(await pipeline.addVariant(version, 'int8', 'gateway-small')).toBe(201)
  const newest = async () => {
    const { body } = await pipeline.ask(pipeline.admin, 'GET', versionPath(version, 'gates'))
    return { verdict: body.verdicts, stage: await pipeline.stageOf(version) }
  }
  pipeline.clock.nowMs += 1000
  await pipeline.evaluate(version)
  expect(await newest()).toMatchObject({
    stage: 'development',
    verdict: [{ answer: 'undecided', rules: [{ variant: 'int8' }, { answer: 'pass', variant: null }] }, {}, {}],
  })
  pipeline.clock.nowMs += 1000
  const bad = await pipeline.evaluate(version, { accuracy: 0.8 }, { variant: 'int8' })
  expect(await newest()).toMatchObject({
    stage: 'development',
    verdict: [{ answer: 'fail', evaluation: bad, rules: [{ variant: 'int8', value: 0.8 }, {}] }, {}, {}, {}],
  })
  await pipeline.evaluate(version, { accuracy: 0.93 }, { variant: 'int8' })
  expect(await pipeline.stageOf(version)).toBe('staging')
})
