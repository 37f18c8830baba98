// `roost evaluate` and `roost explain` against a whole hub: what a person reads, what a pipeline gets, and how it says that it went wrong.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readingOf } from '../../../hub/cli/reading-options.ts'
import { receiveSnapshot } from '../../../hub/datasets/arrival.ts'
import { Evaluation } from '../../../hub/evaluation/documents.ts'
import { setAlias } from '../../../hub/registry/aliases.ts'
import { aLogisticModel, model } from '../evaluation/a-contest.ts'
import { aForm, post } from '../registry/an-upload.ts'
import { aRunningHub, type RunningHub } from './a-running-hub.ts'
import { roost } from './roost.ts'

const common = ['evaluate', model, '2', '--dataset', 'bench/1', '--label', 'fault']

describe('roost evaluate', () => {
  let hub: RunningHub

  beforeAll(async () => {
    hub = await aRunningHub()
    const lines = Array.from({ length: 60 }, (_, i) => {
      const level = (i % 7) - 3
      const line = 12 - (i % 4)
      return `${level},${i % 2},${level + (i % 5 === 0 ? 3 : 0) > 0 ? 1 : 0},${i % 2 === 0 ? 'n' : 's'},line ${line}`
    })
    const csv = Buffer.from(['x[0],x[1],fault,site,line', ...lines].join('\n'))
    const arrival = { dataset: 'bench', format: 'csv' as const, description: '', by: { actor: 'test' } }
    await receiveSnapshot(hub.hub, arrival, ReadableStream.from([csv]))
    for (const weights of [
      [0.2, 2],
      [2, 0],
    ]) {
      const response = await post(hub.app, hub.token, aForm({ model: aLogisticModel(weights) }), model)
      expect(response.status).toBe(201)
    }
    await hub.database.write([setAlias(model, 'champion', 1, 'test', 1)])
  })
  afterAll(() => hub[Symbol.asyncDispose]())

  test('prints figures with intervals beside the champion, slices, and what is lost when an input is shuffled', async () => {
    const told = await roost(
      hub,
      ...common,
      '--task',
      'binary',
      '--slice',
      'site',
      '--slice',
      'line',
      '--fairness',
      'site',
      '--wait',
    )
    expect(told).toMatchObject({ code: 0, stderr: '' })
    expect(told.stdout).toMatch(/vibration 2 \(fp32\) on 60 rows of [0-9a-f]{12}\n/)
    expect(told.stdout).toContain('beside the champion, version 1, on the same rows')
    expect(told.stdout).toMatch(/^accuracy +0\.\d{4} +\[0\.\d{4}, [01]\.\d{4}\] +0\.\d{4} +0\.\d{4} +\[/m)
    expect(told.stdout).toMatch(/^site = n +30 +0\.\d{4}/m)
    const slices = [...told.stdout.matchAll(/^(?:site|line) = (line \d+|\S+) /gm)].map(([, value]) => value)
    expect(slices).toEqual(['n', 's', 'line 9', 'line 10', 'line 11', 'line 12'])
    expect(told.stdout).toMatch(/^x\[0\] +0\.\d{4} +0\.\d{4}$/m)
  })

  test('with --json prints what the hub found, for a program', async () => {
    const alone = ['--task', 'binary', '--champion', 'none', '--no-importance']
    const told = await roost(hub, ...common, ...alone, '--wait', '--json')
    expect(told).toMatchObject({ code: 0, stderr: '' })
    expect(Evaluation.parse(JSON.parse(told.stdout))).toMatchObject({
      state: 'succeeded',
      result: { champion: null, noChampion: 'none was wanted', importance: null },
    })
    const asked = await roost(hub, ...common, ...alone)
    expect(asked.stdout).toMatch(
      /^e-\S+ queued; look at it with GET \/v1\/models\/vibration\/versions\/2\/evaluations\/e-/,
    )
  })

  test('fails where the evaluation does, and says what is wrong with a request', async () => {
    const failed = await roost(hub, ...common, '--task', 'multiclass', '--reads', 'label', '--wait')
    expect(failed.code).toBe(1)
    expect(failed.stdout).toMatch(/failed: say in `task.classes`/)
    const refused = await roost(hub, ...common.with(-1, 'oops'), '--task', 'binary')
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('no column "oops"') })
    expect(() => readingOf({ dataset: 'bench/1', positive: '1' })).toThrow('say which with --task')
  })

  test('and what each input adds to one answer', async () => {
    const explain = ['explain', model, '2', '--dataset', 'bench/1', '--task', 'binary', '--samples', '20', '--row']
    const told = await roost(hub, ...explain, '3')
    expect(told).toMatchObject({ code: 0, stderr: '' })
    // logit 2 * 0: half; x[1] has no weight
    expect(told.stdout).toMatch(/^vibration 2 on row 3 of [0-9a-f]{12}: probability of the positive class is 0\.5000\n/)
    expect(told.stdout).toMatch(/^x\[0\] +0 +-?0\.\d{4} +0\.\d{4}$/m)
    expect(told.stdout).toMatch(/^x\[1\] +1 +0\.0000 +0\.0000$/m)
  })
})
