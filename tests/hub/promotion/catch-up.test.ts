// A hub that died after a registration or an evaluation was written and before its gates were looked at.

import { expect, test } from 'vitest'
import { unconsideredVersions } from '../../../hub/promotion/unconsidered.ts'
import { aPipeline, approvedBy, type Pipeline, versionPath } from './a-pipeline.ts'

const running = new AbortController().signal
const unconsidered = async ({ hub }: Pipeline, limit = 10) =>
  (await unconsideredVersions(hub.database, limit)).map(({ version }) => version)
/** What `consider` has written since then is gone. */
const forget = ({ hub }: Pipeline, sinceMs: number) =>
  hub.database.write([
    { sql: 'DELETE FROM promotion_moves WHERE at >= ?', args: [sinceMs] },
    { sql: 'DELETE FROM promotion_verdicts WHERE first_at >= ?', args: [sinceMs] },
    { sql: "UPDATE versions SET stage = 'development' WHERE created_at >= ?", args: [sinceMs] },
  ])

test('a registration, an evaluation and a first step are caught up with, once, and nothing else is touched', async () => {
  await using pipeline = await aPipeline()
  const { clock, promotion, admin } = pipeline
  const ci = await pipeline.tokenOf('ci', 'ci')
  const beforePolicy = await pipeline.register(ci)
  clock.nowMs += 1000
  await pipeline.putPolicy(approvedBy(1))
  await promotion.catchUp(running)
  // a start puts nothing in motion that was there before the policy
  expect(await pipeline.stageOf(beforePolicy)).toBe('development')

  clock.nowMs += 1000
  const version = await pipeline.register(ci)
  expect(await unconsidered(pipeline)).toEqual([])
  // died after the registration
  await forget(pipeline, clock.nowMs)
  expect(await unconsidered(pipeline)).toEqual([version])
  const stopped = new AbortController()
  stopped.abort()
  await promotion.catchUp(stopped.signal)
  expect(await pipeline.stageOf(version)).toBe('development')
  await promotion.catchUp(running)
  expect(await pipeline.stageOf(version)).toBe('staging')
  expect(await unconsidered(pipeline)).toEqual([])

  // died between the two steps, then after an evaluation
  clock.nowMs += 1000
  await pipeline.hub.database.write([{ sql: "DELETE FROM promotion_verdicts WHERE to_stage = 'production'" }])
  expect(await unconsidered(pipeline)).toEqual([version])
  await promotion.catchUp(running)
  expect(await unconsidered(pipeline)).toEqual([])
  clock.nowMs += 1000
  await pipeline.evaluate(version, undefined, { heard: false })
  expect(await unconsidered(pipeline)).toEqual([version])
  expect(await pipeline.open(version)).toEqual([])
  await promotion.catchUp(running)
  expect(await pipeline.open(version)).toHaveLength(1)
  await promotion.catchUp(running)
  expect(await pipeline.open(version)).toHaveLength(1)

  // nor what a person moved back, nor what is deleted
  clock.nowMs += 1000
  await pipeline.ask(admin, 'POST', versionPath(version, 'promotion'), { to: 'development', comment: 'later' })
  expect(await unconsidered(pipeline)).toEqual([])
  await pipeline.evaluate(version, undefined, { heard: false })
  await promotion.catchUp(running)
  expect(await pipeline.stageOf(version)).toBe('development')
  clock.nowMs += 1000
  await pipeline.evaluate(version, undefined, { heard: false })
  expect((await pipeline.ask(admin, 'DELETE', `/v1/models/scale/versions/${version}`)).status).toBeLessThan(300)
  expect(await unconsidered(pipeline)).toEqual([])
})

test('so many versions and no more are looked at, the newest first', async () => {
  await using pipeline = await aPipeline()
  await pipeline.putPolicy({})
  for (let i = 0; i < 3; i++) {
    pipeline.clock.nowMs += 1000
    await pipeline.register(pipeline.admin)
  }
  await forget(pipeline, 0)
  expect(await unconsidered(pipeline, 2)).toEqual([3, 2])
})

test('a variant that was added before the hub died is caught up with', async () => {
  await using pipeline = await aPipeline()
  await pipeline.putPolicy({ stages: { staging: { gates: ['accuracy >= 0.9'] } } })
  const version = await pipeline.register(pipeline.admin)
  pipeline.clock.nowMs += 1000
  expect(await pipeline.addVariant(version, 'int8', 'gateway-small')).toBe(201)
  expect(await unconsidered(pipeline)).toEqual([])
  await pipeline.hub.database.write([{ sql: 'UPDATE promotion_verdicts SET last_at = last_at - 1000' }])
  expect(await unconsidered(pipeline)).toEqual([version])
})
