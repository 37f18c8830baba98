// P8: no request is lost to a change of version, whichever way it is done; and every answer is in the windows (P10).

import { connect } from 'node:net'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { describe, expect, test, vi } from 'vitest'
import { aScaleModel } from '../../builders/onnx.ts'
import { aCrowd, ask, readAnswer } from './a-crowd.ts'
import { type ARuntime, anInfer, aServing, aWorld, type World } from './a-runtime.ts'

const switches = 10
const patience = { timeout: 120_000, interval: 20 }
/** Version 1 doubles, version 2 triples: an answer of one under the other's name is seen. */
const factors = { 1: 2, 2: 3 }
const versionOne = (world: World) =>
  world.bundle({ model: aScaleModel({ factor: 2 }), version: 1, window: { rows: 500, seconds: 3600 } })
const versionTwo = (world: World) =>
  world.bundle({ model: aScaleModel({ factor: 3 }), version: 2, window: { rows: 500, seconds: 3600 } })

async function loaded(world: World, bundle: Awaited<ReturnType<World['bundle']>>): Promise<ARuntime> {
  const runtime = await world.start([bundle])
  expect(await runtime.process.load()).toMatchObject({ ok: true })
  return runtime
}

function pooled(windows: readonly WindowReport[]): WindowReport['counts'] {
  const total = { ok: 0, error: 0, refused: 0 }
  for (const { counts } of windows) {
    total.ok += counts.ok
    total.error += counts.error
    total.refused += counts.refused
  }
  return total
}

describe('the listening socket goes from one runtime to the next', () => {
  test('ten times under load: nothing is lost, every answer is right, and the windows count them to the unit', async () => {
    await using world = await aWorld()
    const runtimes = [await aServing(world, [await versionOne(world)]), await loaded(world, await versionTwo(world))]
    await using crowd = aCrowd({ url: world.url, factors })
    for (let turn = 0; turn < switches; turn++) {
      const [before, after] = turn % 2 === 0 ? runtimes : runtimes.toReversed()
      const version = turn % 2 === 0 ? 2 : 1
      const answered = crowd.answered(3 - version)
      await vi.waitFor(() => expect(crowd.answered(3 - version)).toBeGreaterThan(answered + 100), patience)
      const positions = await before?.process.release()
      expect(positions).toEqual({})
      expect(await after?.process.serve(world.socket, {})).toBe(true)
      // From now on every new connection is the new version's.
      for (let n = 0; n < 3; n++) {
        const { text } = await ask(`${world.url}/v2/models/demo/infer`, [-1, -2])
        expect(readAnswer(text)).toEqual({ version, y: [-1, -2].map((x) => x * factors[version]) })
      }
    }
    await vi.waitFor(() => expect(crowd.answered(1)).toBeGreaterThan(1000), patience)
    await crowd.stop()
    await Promise.all(runtimes.map(({ process }) => process.stop(5_000)))
    expect(crowd.failures).toEqual([])
    expect(crowd.wrong).toEqual([])
    for (const [i, { windows, exits }] of runtimes.entries()) {
      const alone = 3 * (switches / 2)
      expect(pooled(windows)).toEqual({ ok: crowd.answered(i + 1) + alone, error: 0, refused: 0 })
      expect(windows.slice(0, -1).every(({ counts }) => counts.ok === 500)).toBe(true)
      expect(windows.map(({ version }) => version)).toEqual(windows.map(() => i + 1))
      expect(exits).toEqual([undefined])
    }
  })

  test('with one runtime at a time, requests wait for the next one and none is lost', async () => {
    await using world = await aWorld()
    const bundles = [await versionOne(world), await versionTwo(world)]
    let serving = await aServing(world, bundles.slice(0, 1))
    const windows: WindowReport[] = []
    await using crowd = aCrowd({ url: world.url, factors })
    for (const version of [2, 1, 2]) {
      await vi.waitFor(() => expect(crowd.answered(3 - version)).toBeGreaterThan(100), patience)
      await serving.process.stop(10_000)
      expect(serving.exits).toEqual([undefined])
      windows.push(...serving.windows)
      const asked = ask(`${world.url}/v2/models/demo/infer`, [-1, -2])
      serving = await aServing(world, bundles.slice(version - 1, version))
      expect(readAnswer((await asked).text).version).toBe(version)
      await vi.waitFor(() => expect(crowd.answered(version)).toBeGreaterThan(100), patience)
    }
    await crowd.stop()
    await serving.process.stop(5_000)
    windows.push(...serving.windows)
    expect(crowd.failures).toEqual([])
    expect(crowd.wrong).toEqual([])
    const answered = (version: number) => windows.filter((window) => window.version === version)
    expect(pooled(answered(1)).ok).toBe(crowd.answered(1) + 1)
    expect(pooled(answered(2)).ok).toBe(crowd.answered(2) + 2)
  })

  test('a runtime that is killed takes only the requests it held; the rest wait for the next', async () => {
    await using world = await aWorld()
    const first = await aServing(world, [await versionOne(world)])
    const second = await loaded(world, await versionTwo(world))
    await using crowd = aCrowd({ url: world.url, factors })
    await vi.waitFor(() => expect(crowd.answered(1)).toBeGreaterThan(100), patience)
    await first.process.kill()
    const waiting = Array.from({ length: 200 }, () => ask(`${world.url}/v2/models/demo/infer`, [-1, -2]))
    expect(await second.process.serve(world.socket, {})).toBe(true)
    const answers = (await Promise.all(waiting)).map(({ text }) => readAnswer(text).version)
    expect(answers).toEqual(Array(200).fill(2))
    await vi.waitFor(() => expect(crowd.answered(2)).toBeGreaterThan(200), patience)
    await crowd.stop()
    expect(crowd.wrong).toEqual([])
    expect(crowd.failures.length).toBeLessThanOrEqual(crowd.clients)
    expect(crowd.failures.filter((failure) => !/ECONNRESET|EPIPE|socket hang up/.test(failure))).toEqual([])
  })
})

describe('a runtime that has to go', () => {
  test('tells a kept connection to close with its next answer, closes one that says nothing, and leaves', async () => {
    await using world = await aWorld()
    const runtime = await aServing(world, [await versionOne(world)])
    const kept = await aConnection(world.socket.port)
    kept.ask()
    // longer than a client that is held up between two questions
    expect(await kept.answer()).toMatch(/connection: keep-alive\r\nkeep-alive: timeout=75\r\n/i)
    const silent = await aConnection(world.socket.port)
    silent.ask()
    await silent.answer()
    await runtime.process.release()
    const stopped = runtime.process.stop(600_000)
    kept.ask()
    expect(await kept.answer()).toMatch(/connection: close[\s\S]*"data":\[2,4\]/i)
    await stopped
    await silent.closed
    expect(runtime.exits).toEqual([undefined])
    expect(pooled(runtime.windows).ok).toBe(3)
  })

  test('does not wait longer than its grace for a connection that says nothing', async () => {
    await using world = await aWorld()
    const runtime = await aServing(world, [await versionOne(world)])
    const silent = await aConnection(world.socket.port)
    silent.ask()
    await silent.answer()
    await runtime.process.stop(300)
    expect(runtime.exits).toEqual([undefined])
    await silent.closed
  })

  test('what was counted in its last checkpoint is there after a kill', async () => {
    await using world = await aWorld()
    const runtime = await aServing(world, [await versionOne(world)])
    await using crowd = aCrowd({ url: world.url, factors, opening: 0, keeping: 4 })
    await vi.waitFor(() => expect(crowd.answered(1)).toBeGreaterThan(700), patience)
    await crowd.stop()
    const counted = () => pooled([...runtime.windows, ...runtime.checkpoint]).ok
    await vi.waitFor(() => expect(counted()).toBe(crowd.answered(1)), patience)
    await runtime.process.kill()
    expect(counted()).toBe(crowd.answered(1))
  })
})

/** A connection on which nothing is done by itself. */
async function aConnection(port: number) {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8')
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const body = JSON.stringify(anInfer([[1, 2]]))
  let text = ''
  socket.on('data', (piece) => {
    text += String(piece)
  })
  return {
    closed,
    ask: () =>
      socket.write(`POST /v2/models/demo/infer HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`),
    async answer(): Promise<string> {
      await vi.waitFor(() => expect(text).toContain(']}]}'), patience)
      const answer = text
      text = ''
      return answer
    },
  }
}
