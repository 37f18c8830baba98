// `roost model card` as a person runs it.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aModel, node } from '../../builders/onnx.ts'
import { bomFault } from '../model-card/cyclonedx-schema.ts'
import { aPerson } from './a-person.ts'
import { aRunningHub, type RunningHub } from './a-running-hub.ts'
import { roost } from './roost.ts'

let hub: RunningHub
let folder: string
let file: string

beforeAll(async () => {
  hub = await aRunningHub()
  folder = mkdtempSync(join(tmpdir(), 'roost-card-'))
  file = join(folder, 'model.onnx')
  writeFileSync(file, aModel({ node: [node('Relu', ['x'], ['y'])] }))
})
afterAll(async () => {
  await hub[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

test('roost model card prints Markdown, and writes a bill of materials that is valid', async () => {
  const bom = join(folder, 'bom.json')
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
})

test('what somebody wrote into a card gives no command to the terminal that shows it; what is piped is whole', async () => {
  // C1 controls and DEL stand in JSON as they are: U+009B begins a command (ECMA-48, CSI)
  const description = 'clears \u009b2J and rubs \u007f out'
  const metadata = join(folder, 'metadata.json')
  writeFileSync(metadata, JSON.stringify({ description }))
  expect(await roost(hub, 'model', 'push', 'odd', file, '--metadata', metadata)).toMatchObject({ code: 0, stderr: '' })
  using person = aPerson()
  expect((await person.runs(`login --url ${hub.url}`, { input: hub.token })).code).toBe(0)
  const [shown, piped] = await Promise.all([
    person.sees('model card odd 1 --format json'),
    person.runs('model card odd 1 --format json'),
  ])
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('clears \ufffd2J and rubs \ufffd out') })
  expect(shown.stdout).not.toMatch(/(?![\r\n])\p{Cc}/u)
  expect(JSON.parse(piped.stdout)).toMatchObject({ model_details: { overview: description } })
})
