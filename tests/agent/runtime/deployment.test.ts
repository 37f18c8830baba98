import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { describe, expect, test } from 'vitest'
import { deploy } from '../../../scripts/bench/deployment.ts'
import { aScaleModel } from '../../builders/onnx.ts'
import { aBundle } from './a-runtime.ts'

const features = {
  features: ['a', 'b'].map((field) => ({ name: field, field, transform: { kind: 'last' as const } })),
  inputs: [{ name: 'x', features: ['a', 'b'] }],
}

describe('a deployment', () => {
  test('answers each of many records under way at once with its own answer, round after round', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'roost-deployment-'))
    const windows: WindowReport[] = []
    const deployment = await deploy(await aBundle(folder, { model: aScaleModel(), features }), (w) => windows.push(w))
    for (let round = 0; round < 3; round++) {
      const records = Array.from({ length: 100 }, (_, i) => ({ a: i, b: round * 1000 + i }))
      const predictions = await Promise.all(records.map((record) => deployment.predict(record)))
      const answers = predictions.map((one) => (one.ok ? [...(one.outputs.y?.data ?? [])] : one.error))
      expect(answers).toEqual(records.map(({ a, b }) => [2 * a, 2 * b]))
    }
    deployment.recorder.close()
    expect(windows.map(({ counts }) => counts.ok)).toEqual([300])
    await deployment.close()
    await rm(folder, { recursive: true })
  })

  test('keeps an answer as it was when later records come', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'roost-deployment-'))
    const deployment = await deploy(await aBundle(folder, { model: aScaleModel(), features }), () => undefined)
    const first = await deployment.predict({ a: 1, b: 2 })
    for (let i = 0; i < 5; i++) await deployment.predict({ a: 100, b: 100 })
    expect(first.ok && [...(first.outputs.y?.data ?? [])]).toEqual([2, 4])
    await deployment.close()
    await rm(folder, { recursive: true })
  })
})
