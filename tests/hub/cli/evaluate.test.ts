// `roost evaluate` against a whole hub: what a person reads, what a pipeline gets, and how it says that it went wrong.

import { describe, expect, test } from 'vitest'
import { receiveSnapshot } from '../../../hub/datasets/arrival.ts'
import { Evaluation } from '../../../hub/evaluation/documents.ts'
import { setAlias } from '../../../hub/registry/aliases.ts'
import { aLogisticModel, model } from '../evaluation/a-contest.ts'
import { aForm, post } from '../registry/an-upload.ts'
import { aRunningHub } from './a-running-hub.ts'
import { roost } from './roost.ts'

describe('roost evaluate', () => {
  test('prints figures with intervals beside the champion, or JSON, and fails where the evaluation does', async () => {
    await using hub = await aRunningHub()
    const lines = Array.from(
      { length: 60 },
      (_, i) => `${(i % 7) - 3},${i % 2},${(i % 7) - 3 + (i % 5 === 0 ? 3 : 0) > 0 ? 1 : 0},${i % 2 === 0 ? 'n' : 's'}`,
    )
    const csv = ['x[0],x[1],fault,site', ...lines].join('\n')
    const by = { actor: 'test' }
    await receiveSnapshot(
      hub.hub,
      { dataset: 'bench', format: 'csv', description: '', by },
      ReadableStream.from([Buffer.from(csv)]),
    )
    for (const weights of [
      [0.2, 2],
      [2, 0],
    ]) {
      expect((await post(hub.app, hub.token, aForm({ model: aLogisticModel(weights) }), model)).status).toBe(201)
    }
    await hub.database.write([setAlias(model, 'champion', 1, 'test', 1)])

    const common = ['evaluate', model, '2', '--dataset', 'bench/1', '--label', 'fault']
    const told = await roost(hub, ...common, '--task', 'binary', '--slice', 'site', '--fairness', 'site', '--wait')
    expect(told).toMatchObject({ code: 0, stderr: '' })
    expect(told.stdout).toMatch(/vibration 2 on 60 rows of [0-9a-f]{12}\n/)
    expect(told.stdout).toContain('beside the champion, version 1, on the same rows')
    expect(told.stdout).toMatch(/^accuracy +0\.\d{4} +\[0\.\d{4}, [01]\.\d{4}\] +0\.\d{4} +0\.\d{4} +\[/m)
    expect(told.stdout).toMatch(/^site = n +30 +0\.\d{4}/m)
    expect(told.stdout).toMatch(/^x\[0\] +0\.\d{4} +0\.\d{4}$/m)

    const json = await roost(
      hub,
      ...common,
      '--task',
      'binary',
      '--champion',
      'none',
      '--no-importance',
      '--wait',
      '--json',
    )
    expect(json).toMatchObject({ code: 0, stderr: '' })
    expect(Evaluation.parse(JSON.parse(json.stdout))).toMatchObject({
      state: 'succeeded',
      result: { champion: null, importance: null },
    })

    const failed = await roost(hub, ...common, '--task', 'multiclass', '--reads', 'label', '--wait')
    expect(failed.code).toBe(1)
    expect(failed.stdout).toMatch(/failed: say in `task.classes`/)
    const refused = await roost(hub, ...common.with(-1, 'oops'), '--task', 'binary')
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('no column "oops"') })
    const undescribed = await roost(hub, ...common, '--positive', '1')
    expect(undescribed).toMatchObject({ code: 1, stderr: expect.stringContaining('say which with --task') })
  })
})
