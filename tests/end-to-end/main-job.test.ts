// The main job through real processes: a version registered as CI does it, signed elsewhere, rolled out, answering on the
// gateway, and counted to the unit.

import { execFile } from 'node:child_process'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { VersionDocument } from '../../hub/registry/documents.ts'
import { Member, RolloutDetail } from '../../hub/rollouts/documents.ts'
import { Explanation } from '../../hub/rollouts/evidence/explain.ts'
import { inherited } from '../builders/inherited.ts'
import { aScaleModel } from '../builders/onnx.ts'
import { aFleet, type Fleet, okByVersion, ready, untilShipped } from './a-fleet.ts'
import { type Application, startApplication } from './an-application.ts'
import { until } from './waiting.ts'

const cli = fileURLToPath(new URL('../../hub/cli/main.ts', import.meta.url))
const answersMin = 300

/** `roost …args --json`, its answer parsed; `sign` talks to no hub and prints a line. */
async function roost<T>(fleet: Fleet, args: string[], schema: z.ZodType<T>): Promise<T> {
  const env = { ...inherited(), ROOST_URL: fleet.hub().url, ROOST_TOKEN: fleet.adminToken }
  const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args, '--json'], { env })
  return schema.parse(JSON.parse(stdout))
}

async function sign(manifest: string, key: string, out: string): Promise<void> {
  await promisify(execFile)(process.execPath, [cli, 'sign', manifest, '--key', key, '--out', out], { env: inherited() })
}

const plan = {
  stages: [
    { name: 'canary', percent: 50, bakeMs: 500 },
    { name: 'all', percent: 100, bakeMs: 500 },
  ],
  gates: [{ metric: 'installation' }],
  stageTimeLimitMs: 120_000,
}

test('a version signed elsewhere is rolled out, answers, and every answer is counted at the hub', async () => {
  await using fleet = await aFleet()
  // the release key leaves the hub, as its log advises
  const key = join(fleet.folder, 'release.pem')
  await rename(join(fleet.folder, 'hub', 'keys', 'release.pem'), key)
  await fleet.hub().stop()
  await fleet.startHub()

  const push = async (version: number) => {
    const model = join(fleet.folder, `${version}.onnx`)
    await writeFile(model, aScaleModel({ factor: version + 1 }))
    return roost(fleet, ['model', 'push', 'scale', model], VersionDocument)
  }
  const release = async (version: number) => {
    const manifest = join(fleet.folder, `${version}.json`)
    const envelope = join(fleet.folder, `${version}.envelope.json`)
    await roost(fleet, ['model', 'manifest', 'scale', String(version), '--out', manifest], z.unknown())
    await sign(manifest, key, envelope)
    return roost(fleet, ['model', 'release', 'scale', String(version), envelope], VersionDocument)
  }
  const waiting = await push(1)
  expect(waiting.state).toBe('awaiting_signature')

  const gateways = [await fleet.enrol('north'), await fleet.enrol('south')]
  const agents = await Promise.all(gateways.map((gateway) => ready(gateway.start())))
  await fleet.operator().send('POST', '/v1/groups', { name: 'everywhere', query: 'all' }, z.unknown())
  const start = (version: number) => {
    const body = { model: 'scale', version, group: 'everywhere', plan }
    return fleet.operator().send('POST', '/v1/rollouts', body, RolloutDetail)
  }
  await expect(start(1), 'nothing unsigned is rolled out').rejects.toThrow(/signed/)
  expect((await release(1)).state).toBe('released')

  const follow = async ({ id }: { id: string }) => {
    const show = () => fleet.operator().get(`/v1/rollouts/${id}`, RolloutDetail)
    await until(`rollout ${id} completes`, async () => (await show()).state === 'completed', show)
    const page = z.object({ devices: z.array(Member) })
    return (await fleet.operator().get(`/v1/rollouts/${id}/devices`, page)).devices
  }
  const first = await follow(await start(1))
  expect(first.map(({ state }) => state)).toEqual(['succeeded', 'succeeded'])

  const applications: Application[] = gateways.map(({ servingUrl }) => startApplication({ url: servingUrl }))
  await until('v1 answers', () => applications.every(({ answers }) => answers.length > answersMin))
  await push(2)
  await release(2)
  const second = await start(2)
  await follow(second)
  const story = await roost(fleet, ['rollout', 'explain', second.id], Explanation)
  const told = story.sentences.map(({ text }) => text).join('\n')
  expect(told).toMatch(/started it: scale 2 to the 2 devices of everywhere/)
  expect(told).toMatch(/Stage canary passed after \d+ looks?/)
  expect(told).toMatch(/The gate on installation passed: 0 of 1 device\b/)
  await until('v2 answers', () => applications.every(({ byVersion }) => (byVersion()[2] ?? 0) > answersMin))
  await Promise.all(applications.map(({ stop }) => stop()))
  expect(applications.flatMap(({ failures }) => failures)).toEqual([])

  // at a clean stop all windows close and go to the hub
  expect(await Promise.all(agents.map((agent) => agent.stop()))).toEqual([0, 0])
  for (const [i, gateway] of gateways.entries()) {
    await untilShipped(gateway)
    expect(await okByVersion(fleet.operator(), gateway.name)).toEqual(applications[i]?.byVersion())
  }
}, 240_000)
