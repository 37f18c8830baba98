// A sealed bundle in a real runtime process: it serves with its key, and nothing is loaded with any other.

import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { sealedSizeBytes } from '@roost/shared/bundle/manifest.ts'
import { contentKeyId, plainChunkBytes, sealChunk } from '@roost/shared/bundle/sealing.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LoadedBundle } from '../../../agent/runtime/messages.ts'
import { aModel, floats, node } from '../../builders/onnx.ts'
import { anInfer, aServing, aWorld, post, type World } from './a-runtime.ts'

let world: World
beforeAll(async () => {
  world = await aWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const contentKey = Uint8Array.from(randomBytes(32))
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** `y = 2 x`, of more than two chunks. */
const model = aModel({
  node: [node('Mul', ['x', 'factor'], ['y'])],
  initializer: [
    floats('factor', [], [2]),
    floats(
      'weights',
      [40_000],
      Float32Array.from({ length: 40_000 }, () => Math.random()),
    ),
  ],
})

async function aSealedBundle(over: Partial<LoadedBundle> = {}): Promise<LoadedBundle> {
  const open = await world.bundle({
    model,
    golden: {
      vectors: [
        {
          inputs: { x: { datatype: 'FP32', shape: [1, 2], data: [1, 2] } },
          outputs: { y: { datatype: 'FP32', shape: [1, 2], data: [2, 4] } },
        },
      ],
      tolerance: { absolute: 0, relative: 0 },
    },
  })
  const files = []
  for (const file of open.manifest.files) {
    const { role } = file
    const path = open.files[role] ?? ''
    const plain = await readFile(path)
    const count = Math.ceil(plain.length / plainChunkBytes)
    const chunks = Array.from({ length: count }, (_, index) =>
      sealChunk(
        contentKey,
        { role, index, isLast: index === count - 1 },
        plain.subarray(index * plainChunkBytes, (index + 1) * plainChunkBytes),
      ),
    )
    const sealed = Buffer.concat(chunks)
    expect(sealed.length).toBe(sealedSizeBytes(plain.length))
    await writeFile(path, sealed)
    files.push({
      ...file,
      sha256: sha256(sealed),
      sizeBytes: sealed.length,
      plain: { sha256: sha256(plain), sizeBytes: plain.length },
    })
  }
  const sealed = { cipher: 'chacha20-poly1305' as const, key: contentKeyId(contentKey) }
  return { ...open, contentKey, manifest: { ...open.manifest, files, sealed }, ...over }
}

test('serves, golden vectors included', async () => {
  await aServing(world, [await aSealedBundle()])
  const answer = await post(`${world.url}/v2/models/demo/infer`, anInfer([[1, 3]]))
  expect(answer).toMatchObject({ status: 200, body: { outputs: [{ data: [2, 6] }] } })
})

test.each<[string, (bundle: LoadedBundle) => Promise<LoadedBundle> | LoadedBundle, string, RegExp]>([
  ['no key', ({ contentKey: _, ...bundle }) => bundle, 'sealed', /there is no key/],
  ['another key', (bundle) => ({ ...bundle, contentKey: Uint8Array.from(randomBytes(32)) }), 'sealed', /does not open/],
  [
    'content other than the signed manifest names',
    (bundle) => {
      const files = bundle.manifest.files.map((file) => ({
        ...file,
        plain: { sha256: 'ab'.repeat(32), sizeBytes: file.plain?.sizeBytes ?? 1 },
      }))
      return { ...bundle, manifest: { ...bundle.manifest, files } }
    },
    'sealed',
    /something else/,
  ],
  [
    'a chunk that was tampered with on disk',
    async (bundle) => {
      const bytes = await readFile(bundle.files.model)
      bytes[70_000] = (bytes[70_000] ?? 0) ^ 1
      await writeFile(bundle.files.model, bytes)
      return bundle
    },
    'signature',
    /does not hash/,
  ],
])('loads nothing with %s', async (_, change, reason, detail) => {
  const runtime = await world.start([await change(await aSealedBundle())])
  const outcome = await runtime.process.load()
  expect(outcome).toMatchObject({ ok: false, failure: { reason, detail: expect.stringMatching(detail) } })
})
