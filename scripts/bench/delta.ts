// Bench `delta`: what a patch to a version trained further weighs, beside what the best general tools make of the same two
// files in the same run: zstd -19 --patch-from, and bsdiff, where these are installed.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { applyPatch } from '@roost/shared/bundle/delta/apply.ts'
import { type LaidOut, makePatch } from '@roost/shared/bundle/delta/encode.ts'
import type { Source } from '@roost/shared/bundle/delta/format.ts'
import { tensorPlaces } from '../../hub/deltas/tensor-places.ts'
import { trainDetectors } from '../demo/train.ts'
import { onnxOf, scalesOf, trainedNetworks, weightTypes } from './delta/models.ts'
import { type BenchResult, benchResult } from './result.ts'

const bench = 'delta'
/** Of the best of the others, for what was trained further. */
const ratioMax = 0.65

/** Bytes of the patches between the bench's networks, and between two versions of the demo's detector. */
export async function delta(): Promise<BenchResult[]> {
  const { before, updates } = trainedNetworks()
  const scales = scalesOf(before.network)
  const results: BenchResult[] = []
  for (const type of weightTypes) {
    const base = onnxOf(before.network, type, scales)
    for (const { name, network } of updates) {
      const isGoal = name.startsWith('fine-tuned')
      results.push(...(await compared(`${name}, ${type}`, base, onnxOf(network, type, scales), isGoal)))
    }
  }
  const { v1, v2 } = trainDetectors()
  results.push(...(await compared('the demo’s detector, trained anew', v1.onnx, v2.onnx, false)))
  return results
}

async function compared(metric: string, base: Uint8Array, target: Uint8Array, isGoal: boolean): Promise<BenchResult[]> {
  const [from, to] = [await laidOut(base), await laidOut(target)]
  const madeAt = performance.now()
  const patch = Buffer.concat(await Array.fromAsync(makePatch(from, to, Number.MAX_SAFE_INTEGER)))
  const appliedAt = performance.now()
  const pieces = applyPatch(sourceOf(patch), from, { base: from.file.sha256, target: to.file })
  const made = Buffer.concat(await Array.fromAsync(pieces))
  const endedAt = performance.now()
  if (Buffer.compare(made, target) !== 0) throw new Error(`${metric}: the patch makes another file`)
  const others = otherTools(base, target)
  const best = Math.min(...Object.values(others))
  const bytes = { bench, unit: 'bytes' }
  const figure = { ...bytes, metric, value: patch.length, ...(Number.isFinite(best) && { limit: best }) }
  return [
    benchResult(figure, isGoal ? { of: 'ratio', bound: '<=', number: ratioMax } : undefined),
    benchResult({ ...bytes, metric: `${metric}: the whole file`, value: target.length }),
    ...Object.entries(others).map(([tool, value]) => benchResult({ ...bytes, metric: `${metric}: ${tool}`, value })),
    benchResult({ bench, metric: `${metric}: making it`, value: appliedAt - madeAt, unit: 'ms' }),
    benchResult({ bench, metric: `${metric}: applying it`, value: endedAt - appliedAt, unit: 'ms' }),
  ]
}

/** Bytes of what each tool that is installed makes of the two files. */
function otherTools(base: Uint8Array, target: Uint8Array): Record<string, number> {
  const folder = mkdtempSync(join(tmpdir(), 'roost-bench-delta-'))
  try {
    const [from, to, out] = ['base', 'target', 'out'].map((name) => join(folder, name))
    if (from === undefined || to === undefined || out === undefined) throw new TypeError('three names')
    writeFileSync(from, base)
    writeFileSync(to, target)
    const commands: Record<string, string[]> = {
      'zstd -19 --patch-from': ['zstd', '-q', '-f', '-19', `--patch-from=${from}`, to, '-o', out],
      bsdiff: ['bsdiff', from, to, out],
    }
    return Object.fromEntries(
      Object.entries(commands).flatMap(([name, [command = '', ...args]]) => {
        const { error, status } = spawnSync(command, args, { stdio: 'ignore' })
        return error === undefined && status === 0 ? [[name, statSync(out).size]] : []
      }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function laidOut(bytes: Uint8Array): Promise<LaidOut> {
  const file = { sha256: createHash('sha256').update(bytes).digest('hex'), sizeBytes: bytes.length }
  const source = sourceOf(bytes)
  return { ...source, file, tensors: await tensorPlaces(source) }
}

const sourceOf = (bytes: Uint8Array): Source => ({
  sizeBytes: bytes.length,
  read: async (offset, length) => bytes.subarray(offset, offset + length),
})
