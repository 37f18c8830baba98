// What the real command says to those who give it something that it cannot use. Nothing here reaches a hub.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { roost } from './roost.ts'

const noHub = { url: 'http://127.0.0.1:9', token: 'roost_none' }
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-usage-'))
  writeFileSync(join(folder, 'manifest'), '')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const noFile = 'FOLDER/nofile cannot be opened: no such file or folder'
const noVersion = 'give a number, or @ and an alias'

test.each([
  ['model push motes FOLDER/nofile', noFile],
  ['model push motes FOLDER/manifest --metadata FOLDER/nofile', noFile],
  ['model push motes FOLDER', 'FOLDER is not a file'],
  ['rollout start motes 1 --group all --plan FOLDER/nofile', noFile],
  ['sign FOLDER/manifest --key FOLDER/nofile --out FOLDER/envelope', noFile],
  ['rollout start motes latest --group all', noVersion],
  ['rollout start motes 1.5 --group all', noVersion],
  ['device run d-1 motes v2', noVersion],
  ['gates check motes latest', noVersion],
  ['promote motes @champion --to prod', 'Allowed choices are development, staging, production, archived'],
  ['promote motes 1 --to production --override', 'say with --comment why'],
  ['approve p-1 --revoke', 'say with --comment why'],
  ['model show motes 0', noVersion],
  ['device label d-1', "required option '--set <key=value>' not specified"],
])('roost %s', async (line, sentence) => {
  const inFolder = (text: string) => text.replaceAll('FOLDER', folder)
  const { code, stdout, stderr } = await roost(noHub, ...inFolder(line).split(' '))
  expect(stderr).toContain(inFolder(sentence))
  expect(stderr).not.toMatch(/ENOENT|NaN|null|127\.0\.0\.1/)
  expect(stdout).toBe('')
  expect(code).toBe(1)
})

test.each([['claim create'], ['device label']])('the help of %s shows no default that is none', async (line) => {
  const { stdout } = await roost(noHub, ...line.split(' '), '--help')
  expect(stdout).toContain('<key=value>')
  expect(stdout).not.toContain('{}')
})
