// P8: a version that is worse than the one it replaces is refused or taken back on the device while an application asks all
// the time; it is not tried again, and the hub knows why.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { AgentProcess } from '../builders/agent-process.ts'
import {
  aMemoryBomb,
  aMemoryBombWhenRun,
  aModelThatCrashes,
  aModelThatHangs,
  aModelThatThrows,
  aScaleModel,
} from '../builders/onnx.ts'
import { aFleet, type Fleet, type Gateway, ready, register, shown, untilRuns, wish } from './a-fleet.ts'
import { post, startApplication } from './an-application.ts'
import { until } from './waiting.ts'

const connections = 3

let fleet: Fleet
let gateway: Gateway
let agent: AgentProcess
let good: number

beforeAll(async () => {
  fleet = await aFleet()
  gateway = await fleet.enrol('gateway')
  const first = await ready(gateway.start())
  good = (await register(fleet.operator(), aScaleModel({ factor: 1 }))).version
  await wish(fleet.operator(), gateway.name, good)
  await untilRuns(fleet.operator(), gateway.name, good)
  await first.stop()
  // as long as the profile says: everything below happens in it
  agent = await ready(gateway.start({ environment: { ROOST_AGENT_PROBATION_MS: '30000' } }))
  await until('the good version serves', async () => {
    const status = await gateway.status()
    return status?.running === true && status.deployments[0]?.serving
  })
}, 240_000)
afterAll(() => fleet[Symbol.asyncDispose]())

/** What a question of an unlucky user does to a version that bears no number from 1 on. */
const askFor = async (x: number): Promise<void> => {
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [x, x] }]
  const url = new URL('/v2/models/scale/infer', gateway.servingUrl)
  await post(url, undefined, JSON.stringify({ inputs })).catch(() => undefined)
}

const manyAskFor = (x: number) => Promise.all(Array.from({ length: 20 }, () => askFor(x)))

const bad = [
  {
    what: 'fails at some inputs',
    onnx: aModelThatThrows(),
    use: () => manyAskFor(2),
    ends: { state: 'rolled_back', reason: 'errors' },
    brokenMax: 0,
  },
  {
    what: 'hangs at some inputs',
    onnx: aModelThatHangs(),
    use: () => askFor(2),
    ends: { state: 'rolled_back', reason: 'hang' },
    brokenMax: connections,
  },
  {
    what: 'crashes at the thousandth inference',
    onnx: aModelThatCrashes(),
    use: async () => {
      // many at a time: all of it happens in the probation
      for (let n = 0; n < 990; n += 30) {
        await Promise.all(Array.from({ length: 30 }, (_, i) => askFor((n + i) / 1_000)))
      }
      for (let n = 990; n <= 1_000; n++) await askFor(n / 1_000)
    },
    ends: { state: 'rolled_back', reason: 'crash' },
    brokenMax: connections,
  },
  {
    what: 'wants 300 MiB at some inputs',
    onnx: aMemoryBombWhenRun(),
    use: () => manyAskFor(300),
    ends: { state: 'rolled_back', reason: 'errors' },
    brokenMax: 0,
  },
]

test.each(bad)(
  'a version that $what leaves the good one in place',
  async ({ onnx, use, ends, brokenMax }) => {
    const operator = fleet.operator()
    await using application = startApplication({ url: gateway.servingUrl, connections, factorOf: () => 1 })
    const metadata = { limits: { inferenceMs: 500, memoryBytes: 64 * 1_048_576 } }
    const { version, manifest } = await register(operator, onnx, { metadata })
    await wish(operator, gateway.name, version)
    if (use !== undefined) {
      await until('the new version answers', () => (application.byVersion()[version] ?? 0) > 0, agent.output)
      await use()
    }
    const told = async () => (await shown(operator, gateway.name)).reported.find((row) => row.version === version)
    await until(`it ends as ${ends.state}`, async () => (await told())?.state === ends.state, told)
    expect(await told()).toMatchObject({ ...ends, running: false })

    const answersBefore = application.byVersion()[good] ?? 0
    await until('the good version answers again', () => (application.byVersion()[good] ?? 0) > answersBefore + 50)
    await application.stop()
    expect(application.failures.filter(({ kind }) => kind !== 'broken')).toEqual([])
    expect(application.failures.length).toBeLessThanOrEqual(brokenMax)

    // asked again, the device leaves it alone
    expect((await gateway.slots()).denied.map((denial) => denial.manifest)).toContain(manifest)
    const assigned = agent.logged('assigned').length
    const activated = agent.logged('activating').length
    await operator
      .send('POST', `/v1/devices/${gateway.name}/commands`, { kind: 'hello-now' }, z.unknown())
      .catch(() => 0)
    await until('the wish was heard again', () => agent.logged('assigned').length > assigned, agent.output)
    expect(agent.logged('activating').length).toBe(activated)
    expect((await gateway.slots()).candidate).toBeNull()
  },
  240_000,
)

test('a version that wants 600 MiB for what everybody may ask is not even registered', async () => {
  const x = { datatype: 'FP32', shape: [1, 2], data: [0.5, 0.5] }
  const golden = { vectors: [{ inputs: { x } }] }
  const metadata = { limits: { memoryBytes: 64 * 1_048_576 } }
  await expect(register(fleet.operator(), aMemoryBomb(), { metadata, golden })).rejects.toThrow(/memory/)
}, 240_000)
