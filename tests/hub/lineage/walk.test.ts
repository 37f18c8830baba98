// The walk over any graph, cycles included: it ends, keeps its bounds, and says where it was cut.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NodeName } from '../../../hub/lineage/nodes.ts'
import { nodeText } from '../../../hub/lineage/nodes.ts'
import { type Direction, type FindNeighbours, walk } from '../../../hub/lineage/walk.ts'

const seed = 41
console.log(`lineage walk: seed ${seed}`)

type Arrow = readonly [from: number, to: number]
const nodeOf = (i: number): NodeName => ({ kind: 'run', name: String(i) })

const among =
  (arrows: readonly Arrow[]): FindNeighbours =>
  (nodes, direction) => {
    const asked = new Set(nodes.map(({ name }) => Number(name)))
    const found = arrows
      .filter(([from, to]) => asked.has(direction === 'downstream' ? from : to))
      .map(([from, to]) => ({
        far: nodeOf(direction === 'downstream' ? to : from),
        edge: { from: `run:${from}`, to: `run:${to}`, relation: 'x' },
      }))
    return Promise.resolve({ found, cut: [] })
  }

/** By the definition: everything on a way of at most `depth` arrows that all point the same way. */
function reach(arrows: readonly Arrow[], direction: Direction, depth: number): Set<number> {
  const reached = new Set([0])
  for (let i = 0; i < depth; i += 1) {
    for (const [from, to] of arrows.filter(([from, to]) => reached.has(direction === 'downstream' ? from : to))) {
      reached.add(-1 - (direction === 'downstream' ? to : from))
    }
    for (const next of [...reached]) if (next < 0 && reached.delete(next)) reached.add(-1 - next)
  }
  return reached
}

const Arrows = fc.array(fc.tuple(fc.nat(12), fc.nat(12)), { maxLength: 40 })
const Ways = fc.constantFrom<Direction[]>(['upstream'], ['downstream'], ['upstream', 'downstream'])

describe('a walk', () => {
  test('within generous bounds finds exactly what can be reached without turning round', async () => {
    await fc.assert(
      fc.asyncProperty(Arrows, Ways, fc.integer({ min: 1, max: 14 }), async (arrows, ways, depth) => {
        const { nodes, edges } = await walk(nodeOf(0), ways, { depth, nodes: 100 }, among(arrows))
        const expected = new Set(ways.flatMap((way) => [...reach(arrows, way, depth)]))
        expect(new Set(nodes.map(({ name }) => Number(name)))).toEqual(expected)
        const names = new Set(nodes.map(nodeText))
        for (const { from, to } of edges) expect(names.has(from) && names.has(to)).toBe(true)
      }),
      { seed, numRuns: 300 },
    )
  })

  test('keeps its bounds, and is whole where it says nothing of a cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        Arrows,
        Ways,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 8 }),
        async (arrows, ways, depth, most) => {
          const { nodes, cut } = await walk(nodeOf(0), ways, { depth, nodes: most }, among(arrows))
          expect(nodes.length).toBeLessThanOrEqual(most)
          const names = new Set(nodes.map(nodeText))
          for (const { node } of cut) expect(names.has(node)).toBe(true)
          const all = new Set(ways.flatMap((way) => [...reach(arrows, way, 100)]))
          if (cut.length === 0) expect(nodes).toHaveLength(all.size)
        },
      ),
      { seed, numRuns: 300 },
    )
  })
})
