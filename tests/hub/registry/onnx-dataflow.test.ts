// The order in which nodes can run, and what is alive at once: held against brute force on random graphs.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Dataflow, emptyDataflow, executionOrder, peakActivations } from '../../../hub/registry/onnx-dataflow.ts'
import type { DeclaredValue } from '../../../hub/registry/onnx-types.ts'

const seed = 20261125
const bytes = (name: string, size: number): DeclaredValue => ({ name, kind: 'tensor', element: 2, shape: [size] })

type Drawn = { nodes: { takes: string[]; makes: string }[]; sizes: Map<string, number> }

/** Node i makes `v<i>` of values before it; `x` is the input. */
const acyclic: fc.Arbitrary<Drawn> = fc
  .array(fc.tuple(fc.array(fc.nat(), { maxLength: 4 }), fc.nat(1000)), { minLength: 1, maxLength: 12 })
  .map((drawn) => ({
    nodes: drawn.map(([takes], i) => ({
      takes: takes.map((n) => (n % (i + 1) === 0 ? 'x' : `v${(n % (i + 1)) - 1}`)),
      makes: `v${i}`,
    })),
    sizes: new Map([['x', 7], ...drawn.map(([, size], i): [string, number] => [`v${i}`, size])]),
  }))

function flowOf({ nodes, sizes }: Drawn): Dataflow {
  const flow = emptyDataflow()
  for (const { takes, makes } of nodes) {
    flow.nodes.push({ inputs: takes.map(flow.idOf), outputs: [flow.idOf(makes)], captured: new Set() })
  }
  flow.declared.push(...[...sizes].map(([name, size]) => bytes(name, size)))
  return flow
}

test('any shuffling of a graph without a circle is brought into an order that runs', () => {
  const shuffled = acyclic.chain(({ nodes, sizes }) =>
    fc.shuffledSubarray(nodes, { minLength: nodes.length }).map((nodes) => ({ nodes, sizes })),
  )
  fc.assert(
    fc.property(shuffled, (drawn) => {
      const order = executionOrder(flowOf(drawn), new Set(['x']))
      expect([...order].sort((a, b) => a - b)).toEqual(drawn.nodes.map((_, i) => i))
      const there = new Set(['x'])
      for (const i of order) {
        const node = drawn.nodes[i]
        expect(node?.takes.every((name) => there.has(name))).toBe(true)
        there.add(node?.makes ?? '')
      }
    }),
    { seed, numRuns: 500 },
  )
})

test('one edge backwards is a circle exactly where what it ends at leads to where it starts', () => {
  fc.assert(
    fc.property(acyclic, fc.nat(), fc.nat(), (drawn, a, b) => {
      const from = a % drawn.nodes.length
      const to = b % drawn.nodes.length
      const nodes = drawn.nodes.map((node, i) => (i === to ? { ...node, takes: [...node.takes, `v${from}`] } : node))
      const reaches = (start: number, goal: number): boolean =>
        start === goal || drawn.nodes.some((node, i) => node.takes.includes(`v${start}`) && reaches(i, goal))
      const run = () => executionOrder(flowOf({ ...drawn, nodes }), new Set(['x']))
      if (reaches(to, from)) expect(run).toThrow(expect.objectContaining({ code: 'cyclic-graph' }))
      else expect(run()).toHaveLength(nodes.length)
    }),
    { seed, numRuns: 500 },
  )
})

test('the peak is that of counting, at every node, all that is made and still needed', () => {
  fc.assert(
    fc.property(acyclic, (drawn) => {
      const { nodes, sizes } = drawn
      const output = `v${nodes.length - 1}`
      const neededAfter = (name: string, at: number) =>
        name === 'x' || name === output || nodes.slice(at).some(({ takes }) => takes.includes(name))
      const alive = nodes.map((node, at) =>
        ['x', ...nodes.slice(0, at).map(({ makes }) => makes)]
          .filter((name) => neededAfter(name, at))
          .reduce((sum, name) => sum + (sizes.get(name) ?? 0), sizes.get(node.makes) ?? 0),
      )
      const order = nodes.map((_, i) => i)
      const peak = peakActivations(flowOf(drawn), order, [bytes('x', 7)], [bytes(output, sizes.get(output) ?? 0)])
      expect(peak).toEqual({ bytes: Math.max(7, ...alive), unknown: 0 })
    }),
    { seed, numRuns: 500 },
  )
})

test('sizes go by type, open dimensions are one, absurd ones stay a number, unstated ones are counted', () => {
  const of = (...declared: DeclaredValue[]) => {
    const flow = emptyDataflow()
    flow.nodes.push({ inputs: [], outputs: [flow.idOf('a'), flow.idOf('b')], captured: new Set() })
    flow.declared.push(...declared)
    return peakActivations(flow, [0], [], [])
  }
  expect(of({ name: 'a', kind: 'tensor', element: 11, shape: [-1, 3] })).toEqual({ bytes: 24, unknown: 1 })
  const absurd = { name: 'a', kind: 'tensor', element: 1, shape: Array.from({ length: 16 }, () => 2 ** 63) }
  expect(of(absurd).bytes).toBe(Number.MAX_SAFE_INTEGER)
  expect(of({ ...absurd, shape: [...absurd.shape, 0] }).bytes).toBe(0)
  expect(of(bytes('a', 1), bytes('b', 2), bytes('nobody', 99))).toEqual({ bytes: 3, unknown: 0 })
})
