// `roost datasets` against a hub, as a pipeline calls it.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { aRunningHub } from './a-running-hub.ts'
import { roost } from './roost.ts'

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/datasets/${name}`, import.meta.url))

test('snapshots are pushed, listed, shown and compared', async () => {
  await using hub = await aRunningHub()
  const first = await roost(hub, 'datasets', 'push', 'pumps', fixture('readings-v2.parquet'))
  expect([first.stderr, first.code]).toEqual(['', 0])
  expect(first.stdout).toMatch(/^pumps 1: 600 rows, parquet, \d+ bytes\n/)
  expect(first.stdout).toMatch(/^temperature +number +27 +560 +12\.84 +21\.56 +30\.29/m)
  const again = await roost(hub, 'datasets', 'push', 'pumps', fixture('later.csv'), '--description', 'a month later')
  expect(again.stdout).toMatch(/^pumps 2: 500 rows, csv/)
  expect((await roost(hub, 'datasets', 'list')).stdout).toMatch(/^pumps +2 +2/m)
  expect((await roost(hub, 'datasets', 'show', 'pumps')).stdout).toMatch(/^1 +parquet +600/m)
  const compared = await roost(hub, 'datasets', 'compare', 'pumps/1', 'pumps/2')
  expect(compared.stdout).toContain('pumps/1 (600 rows) -> pumps/2 (500 rows)')
  expect(compared.stdout).toMatch(/new +humidity\n +gone +note\n +type +count: number -> text/)
  const wrong = join(hub.folder, 'wrong.csv')
  writeFileSync(wrong, 'a,b\n1\n')
  const refused = await roost(hub, 'datasets', 'push', 'pumps', wrong)
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/cannot be read.*on line 2/)])
  const unnamed = await roost(hub, 'datasets', 'push', 'pumps', fixture('make.py'))
  expect(unnamed.stderr).toContain('say which format it is with --format csv|json-lines|parquet')
})
