// `roost model card` as a person runs it.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aModel, node } from '../../builders/onnx.ts'
import { bomFault } from '../model-card/cyclonedx-schema.ts'
import { aRunningHub } from './a-running-hub.ts'
import { roost } from './roost.ts'

test('roost model card prints Markdown, and writes a bill of materials that is valid', async () => {
  await using hub = await aRunningHub()
  const folder = mkdtempSync(join(tmpdir(), 'roost-card-'))
  const file = join(folder, 'model.onnx')
  const bom = join(folder, 'bom.json')
  writeFileSync(file, aModel({ node: [node('Relu', ['x'], ['y'])] }))
  const pushed = await roost(hub, 'model', 'push', 'demo', file)
  expect(pushed.stderr).toBe('')
  const [card, written, wrong] = await Promise.all([
    roost(hub, 'model', 'card', 'demo', '1'),
    roost(hub, 'model', 'card', 'demo', '1', '--format', 'cyclonedx', '--out', bom),
    roost(hub, 'model', 'card', 'demo', '2'),
  ])
  expect(card.stdout).toMatch(/^# demo 1\n\n_No description\._\n\n## Details\n/)
  expect(written.stdout).toBe(`wrote ${bom}\n`)
  expect(bomFault()(JSON.parse(readFileSync(bom, 'utf8')))).toBeUndefined()
  expect(wrong.code).toBe(1)
  expect(wrong.stderr).toContain('there is no version "demo/2"')
  rmSync(folder, { recursive: true })
})
