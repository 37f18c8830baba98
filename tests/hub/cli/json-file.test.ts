import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readJsonFile } from '@roost/hub/cli/json-file.ts'
import { expect, test } from 'vitest'

test('whoever gives a file that is no JSON is told which one, in one line', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'roost-json-file-'))
  try {
    const plan = join(folder, 'plan.json')
    await writeFile(plan, '# Roost\n\nships models\n')
    const error: unknown = await readJsonFile(plan).catch((reason: unknown) => reason)
    expect(String(error)).toContain(`${plan} is not JSON: `)
    expect(String(error)).not.toContain('\n')
    await writeFile(plan, '{"stages": []}')
    expect(await readJsonFile(plan)).toEqual({ stages: [] })
  } finally {
    await rm(folder, { recursive: true })
  }
})
