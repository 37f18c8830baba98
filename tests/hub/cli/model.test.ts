// `roost model …` against a running hub: what a person does with models and versions after they were registered.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aScaleModel } from '../../builders/onnx.ts'
import { aRunningHub, type RunningHub } from './a-running-hub.ts'
import { roost } from './roost.ts'

let hub: RunningHub
beforeAll(async () => {
  hub = await aRunningHub()
})
afterAll(() => hub[Symbol.asyncDispose]())

async function said(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await roost(hub, ...args)
  expect([args.join(' '), stderr, code]).toEqual([args.join(' '), '', 0])
  return stdout
}

const file = (name: string, content: Uint8Array | string): string => {
  const path = join(hub.folder, name)
  writeFileSync(path, content)
  return path
}

test('a version is registered and given a variant; both say what each profile will make of them', async () => {
  const vector = { inputs: { x: { datatype: 'FP32', shape: [1, 2], data: [1, 2] } } }
  const golden = { vectors: Array.from({ length: 9 }, () => vector) }
  const evidence = ['--golden', file('golden.json', JSON.stringify(golden))]
  const first = await said('model', 'push', 'scale', file('a.onnx', aScaleModel()), ...evidence)
  expect(first).toMatch(/^scale 1: released, development$/m)
  expect(first).toMatch(/^ {2}generic-x64 +fits, \d+\.\d MiB, \d+\.\d\d ms$/m)
  const again = ['model', 'push', 'scale', join(hub.folder, 'a.onnx'), ...evidence]
  expect((await roost(hub, ...again)).code).toBe(1)
  expect(await said(...again, '--reuse')).toBe(first)
  const metadata = file('b.json', JSON.stringify({ variant: 'int8', profiles: ['gateway-small'] }))
  const other = file('b.onnx', aScaleModel({ factor: 3 }))
  const both = await said('models', 'push', 'scale', other, '--metadata', metadata, '--variant-of', '1')
  expect(both).toMatch(/^variant fp32 for any profile: released$/m)
  expect(both).toMatch(/^variant int8 for gateway-small: released$/m)
})

test('it gets words, an alias and a stage, and is found by them', async () => {
  await said('model', 'edit', 'scale', '1', '--description', 'two sensors', '--tag', 'team=vision', '--tag', 'x=y')
  await said('model', 'alias', 'scale', 'champion', '1')
  await said('model', 'edit', 'scale', '@champion', '--untag', 'x')
  await said('model', 'stage', 'scale', '@champion', 'staging')
  expect(await said('model', 'show', 'scale', '@champion')).toMatch(
    /^scale 1: released, staging, @champion, two sensors\n {2}team=vision\nvariant/,
  )
  expect(await said('model', 'show', 'scale', '--stage', 'staging', '--tag', 'team')).toMatch(/^1 +released +staging/m)
})

test('it is hidden, and brought back', async () => {
  await said('model', 'delete', 'scale', '1')
  expect(await said('model', 'show', 'scale')).toBe('none\n')
  const evidence = ['--golden', join(hub.folder, 'golden.json')]
  const deleted = await roost(hub, 'model', 'push', 'scale', join(hub.folder, 'a.onnx'), ...evidence, '--reuse')
  expect([deleted.code, deleted.stdout]).toEqual([1, ''])
  expect(await said('model', 'show', 'scale', '--deleted')).toMatch(/^1 +released/m)
  await said('model', 'restore', 'scale', '1')
  expect(await said('model', 'aliases', 'scale')).toBe('none\n')
})

test('what cannot be meant is refused before anything is sent', async () => {
  expect(await roost(hub, 'model', 'show', 'scale', 'newest')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('give a number, or @ and an alias'),
  })
  expect(await roost(hub, 'model', 'alias', 'scale', 'latest', '1')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('latest is reserved'),
  })
})
