// `roost lineage` as a person runs it, and its trees for any graph.

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lineageLines } from '../../../hub/cli/lineage-tree.ts'
import { fillHistory } from '../lineage/a-history.ts'
import { aRunningHub, type RunningHub } from './a-running-hub.ts'
import { roost } from './roost.ts'

const seed = 44
console.log(`lineage trees: seed ${seed}`)

let hub: RunningHub
beforeAll(async () => {
  hub = await aRunningHub()
  await fillHistory(hub.database, [
    { sql: `UPDATE rollouts SET state = 'completed'` },
    { sql: `UPDATE evaluations SET state = 'succeeded', ended_at = 320` },
  ])
})
afterAll(() => hub[Symbol.asyncDispose]())

describe('roost lineage', () => {
  test('of a device prints who approved what it runs, and what that was made of', async () => {
    const { stdout, code } = await roost(hub, 'lineage', 'device:d-1')
    expect(code).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toContain('device:d-1  generic-x64')
    expect(lines[1]).toBe('made of')
    expect(stdout).toMatch(
      /runs \(main\): version:vibration\/1 {2}development, c0ffee, on 1 devices now, 2 ever, by token:ci/,
    )
    expect(stdout).toMatch(/let out: approval:p-1 {2}approved, production, approved by The boss/)
    expect(stdout).toMatch(/input: dataset:weather@abc12345 {2}\(not held by this hub\)/)
    expect(stdout).toContain('└─ ')
    expect(lines.at(-1)).toBe('became: nothing that is known')
  })

  test('lists the devices of a dataset, and the history of one', async () => {
    const [devices, history, wrong] = await Promise.all([
      roost(hub, 'lineage', 'dataset:train/1', '--devices', '--ever', '--json'),
      roost(hub, 'lineage', 'device:d-2', '--history'),
      roost(hub, 'lineage', 'version:vibration/1', '--history'),
    ])
    expect(JSON.parse(devices.stdout)).toMatchObject({
      versions: ['acoustic/1', 'vibration/1'],
      counts: { running: 2, ever: 3 },
      devices: [{ device: 'd-1' }, { device: 'd-2', running: false }, { device: 'd-3' }],
    })
    expect(history.stdout).toContain('vibration/2')
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain('only devices have a history')
  })
})

test('a tree names every edge once, ends also where the graph is a circle, and keeps to its lines', () => {
  const Edge = fc.tuple(fc.nat(6), fc.nat(6))
  fc.assert(
    fc.property(
      fc.uniqueArray(Edge, { maxLength: 20, selector: String }),
      fc.string({ unit: 'binary' }),
      (arrows, said) => {
        const nodes = Array.from({ length: 7 }, (_, i) => ({
          node: `run:${i}`,
          kind: 'run' as const,
          name: String(i),
          known: true,
          at: null,
          by: null,
          facts: { name: said },
        }))
        const edges = arrows.map(([from, to]) => ({ from: `run:${from}`, to: `run:${to}`, relation: 'x' }))
        const reached = new Set([0])
        for (let i = 0; i < 7; i += 1) for (const [from, to] of arrows) if (reached.has(from)) reached.add(to)
        const lines = lineageLines({ root: 'run:0', direction: 'downstream', nodes, edges, cut: [] })
        expect(lines).toHaveLength(2 + arrows.filter(([from]) => reached.has(from)).length)
        for (const line of lines) expect(line).not.toMatch(/\p{Cc}/u)
      },
    ),
    { seed, numRuns: 200 },
  )
})
