// `roost simulate` as a person runs it, without a hub.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { roost } from './roost.ts'

const nowhere = { url: 'http://127.0.0.1:9', token: '' }

const Result = z.object({
  roost: z.object({ rollouts: z.number(), stopped: z.object({ count: z.number() }) }),
  threshold: z.object({ rollouts: z.number() }).nullable(),
})

test('it says what a plan would do, for people and for programs, and draws it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'roost-simulate-'))
  try {
    const plan = join(folder, 'plan.yaml')
    const svg = join(folder, 'picture.svg')
    await writeFile(
      plan,
      'stages:\n  - {name: canary, devices: 8, bake: 2h}\n  - {name: all, percent: 100, bake: 10m}\nstageTimeLimit: 6h\n',
    )
    const wanted = ['simulate', '--plan', plan, '--devices', '24', '--effect', '0.5', '--runs', '2', '--svg', svg]
    const [forPeople, forPrograms] = await Promise.all([
      roost(nowhere, ...wanted),
      roost(nowhere, ...wanted, '--json', '--no-threshold'),
    ])
    expect(forPeople).toMatchObject({ code: 0, stderr: '' })
    expect(forPeople.stdout).toMatch(/2 rollouts to 24 devices, error rate \+50 % \(seed 1\)/)
    expect(forPeople.stdout).toMatch(/stopped by a gate +100\.0 %/)
    const result = Result.parse(JSON.parse(forPrograms.stdout))
    expect(result).toEqual({ roost: { rollouts: 2, stopped: { count: 2 } }, threshold: null })
    expect(await readFile(svg, 'utf8')).toMatch(/^<svg .*<\/svg>\n$/s)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('what cannot be simulated is said in a sentence', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'roost-simulate-'))
  try {
    const plan = join(folder, 'plan.yaml')
    await writeFile(
      plan,
      'stages:\n  - {name: canary, percent: 50, bake: 1h}\n  - {name: all, percent: 40, bake: 1h}\n',
    )
    const ran = await Promise.all([
      roost(nowhere, 'simulate', '--plan', plan),
      roost(nowhere, 'simulate', '--devices', '20000'),
      roost(nowhere, 'simulate', '--error-rate', '2'),
    ])
    expect(ran.map(({ code }) => code)).toEqual([1, 1, 1])
    const [falling, tooMany, noShare] = ran.map(({ stderr }) => stderr)
    expect(falling).toMatch(/plan\.yaml cannot be simulated: .*percentages are cumulative/s)
    expect(tooMany).toMatch(/the fleet cannot be simulated: .*devices/s)
    expect(noShare).toMatch(/the fleet cannot be simulated: .*errorRate/s)
  } finally {
    await rm(folder, { recursive: true })
  }
})
