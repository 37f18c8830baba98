// What can run beside what: by its inputs and outputs alone.

import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { expect, test } from 'vitest'
import { feedBeside } from '../../../agent/reconcile/beside.ts'

const x = (shape: number[], datatype: TensorSpec['datatype'] = 'FP32'): TensorSpec => ({ name: 'x', datatype, shape })
const y: TensorSpec = { name: 'y', datatype: 'FP32', shape: [-1, 1] }
const task = { kind: 'binary-classification' as const, output: 'y', threshold: 0.5 }

function aManifest(parts: Partial<Manifest>, features = false): Manifest {
  const file = (role: 'model' | 'features') => ({ role, sha256: 'a'.repeat(64), sizeBytes: 1, chunks: '' })
  return {
    type: 'manifest',
    formatVersion: 1,
    model: 'm',
    version: 1,
    counter: 1,
    variant: 'fp32',
    profiles: [],
    files: features ? [file('model'), file('features')] : [file('model')],
    inputs: [x([-1, 4])],
    outputs: [y],
    opset: 17,
    limits: { memoryBytes: 1, trialMs: 1, inferenceMs: 1 },
    window: { seconds: 60 },
    created: '2026-11-24T00:00:00Z',
    ...parts,
  }
}

const plain = aManifest({})
const fed = aManifest({}, true)
const why = (text: string) => ({ why: expect.stringContaining(text) })

test.each<[string, Manifest, Manifest, ReturnType<typeof feedBeside>]>([
  ['the same', plain, plain, { records: false, tensors: true }],
  ['both with features', fed, fed, { records: true, tensors: true }],
  ['other features, other inputs', aManifest({ inputs: [x([-1, 9])] }, true), fed, { records: true, tensors: false }],
  ['features of the primary only', plain, fed, { records: false, tensors: true }],
  ['features of the candidate only', fed, plain, { records: false, tensors: true }],
  ['features of the candidate only, other inputs', aManifest({ inputs: [x([-1, 9])] }, true), plain, why("input 'x'")],
  ['fewer inputs', plain, aManifest({ inputs: [x([-1, 4]), { ...y, name: 'z' }] }), { records: false, tensors: true }],
  ['more inputs', aManifest({ inputs: [x([-1, 4]), { ...y, name: 'z' }] }), plain, why("input 'z'")],
  [
    'an open dimension where the primary has a fixed one',
    aManifest({ inputs: [x([-1, -1])] }),
    plain,
    { records: false, tensors: true },
  ],
  ['a fixed dimension where the primary has an open one', aManifest({ inputs: [x([1, 4])] }), plain, why("input 'x'")],
  ['another type', aManifest({ inputs: [x([-1, 4], 'FP64')] }), plain, why("input 'x'")],
  ['another output', aManifest({ outputs: [{ ...y, name: 'p' }] }), plain, why('output')],
  [
    'another output, a task each',
    aManifest({ outputs: [{ ...y, name: 'p' }], task: { ...task, output: 'p' } }),
    aManifest({ task }),
    { records: false, tensors: true },
  ],
])('%s', (_, candidate, primary, expected) => {
  expect(feedBeside(candidate, primary)).toEqual(expected)
})
