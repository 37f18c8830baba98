// Versions to ship: each multiplies by a factor of its own and is as large as wanted, in bytes that nothing shrinks.

import { aModel, floats, node } from '../builders/onnx.ts'
import { factorOfVersion } from './an-application.ts'
import { seededChance } from './waiting.ts'

export const chunkBytes = 65_536

/** Of version `version` by its answers (factorOfVersion). `paddingBytes`: weights nobody needs, other ones for each version. */
export function aVersion(version: number, paddingBytes = 0): Uint8Array {
  const chance = seededChance(version)
  const weights = Float32Array.from({ length: Math.ceil(paddingBytes / 4) }, () => chance() - 0.5)
  return aModel({
    node: [node('Mul', ['x', 'factor'], ['y'])],
    initializer: [
      floats('factor', [], [factorOfVersion(version)]),
      ...(weights.length === 0 ? [] : [floats('weights', [weights.length], weights)]),
    ],
  })
}
