// What pages about models are drawn from, without a browser: the layout of a lineage, the text of a card, the order of
// figures, and who shipped a version.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCard } from '../../../hub/dashboard/page/models/card-markdown.ts'
import {
  compared,
  figuresInOrder,
  isVariation,
  scaleOver,
  worstFirst,
} from '../../../hub/dashboard/page/models/figures.ts'
import { layoutLineage, nodeHeight, nodeWidth } from '../../../hub/dashboard/page/models/lineage/layout.ts'
import { shippedSteps } from '../../../hub/dashboard/page/models/shipped.ts'
import { byName, largestFirst } from '../../../hub/evaluation/group-order.ts'
import { line } from '../../../hub/model-card/markdown.ts'

const seed = 20261126

type Edge = { from: string; to: string }

/** Every pair of nodes of which one leads to the other. */
function reachable(edges: readonly Edge[]): Set<string> {
  const pairs = new Set(edges.map(({ from, to }) => `${from} ${to}`))
  for (let before = -1; before !== pairs.size; ) {
    before = pairs.size
    for (const pair of [...pairs]) {
      const [start = '', middle = ''] = pair.split(' ')
      for (const { from, to } of edges) if (from === middle) pairs.add(`${start} ${to}`)
    }
  }
  return pairs
}

describe('the layout of a lineage', () => {
  const graphs = fc.integer({ min: 0, max: 40 }).chain((count) =>
    fc.record({
      ids: fc.constant(Array.from({ length: count }, (_, n) => `n${n}`)),
      edges: fc.array(
        fc.record({ from: fc.integer({ min: 0, max: 45 }), to: fc.integer({ min: 0, max: 45 }) }).map((edge) => ({
          from: `n${edge.from}`,
          to: `n${edge.to}`,
        })),
        { maxLength: 120 },
      ),
      layerMax: fc.integer({ min: 1, max: 9 }),
    }),
  )

  test('has no two nodes over each other, all within its size, and every edge leads to the right', () => {
    fc.assert(
      fc.property(graphs, ({ ids, edges, layerMax }) => {
        const layout = layoutLineage(ids, edges, layerMax)
        const places = new Map(layout.nodes.map((node) => [node.id, node]))
        expect(places.size).toBe(layout.nodes.length)
        for (const [n, one] of layout.nodes.entries()) {
          expect(one.x >= 0 && one.x + nodeWidth <= layout.width).toBe(true)
          expect(one.y >= 0 && one.y + nodeHeight <= layout.height).toBe(true)
          for (const other of layout.nodes.slice(n + 1)) {
            const apart = Math.abs(one.x - other.x) >= nodeWidth || Math.abs(one.y - other.y) >= nodeHeight
            expect(apart, `${one.id} over ${other.id}`).toBe(true)
          }
        }
        for (const { from, to } of layout.edges) {
          const [left, right] = [places.get(from), places.get(to)]
          expect(left !== undefined && right !== undefined && left.x + nodeWidth < right.x, `${from} ${to}`).toBe(true)
        }
      }),
      { seed, numRuns: 400 },
    )
  })

  test('draws or counts every node, and of a layer no more than it may', () => {
    fc.assert(
      fc.property(graphs, ({ ids, edges, layerMax }) => {
        const { nodes } = layoutLineage(ids, edges, layerMax)
        const drawn = nodes.filter(({ more }) => more === 0)
        expect(drawn.length + nodes.reduce((sum, { more }) => sum + more, 0)).toBe(ids.length)
        for (const layer of Map.groupBy(nodes, (node) => node.layer).values()) {
          expect(layer.filter(({ more }) => more === 0).length).toBeLessThanOrEqual(layerMax)
          expect(layer.filter(({ more }) => more > 0).length).toBeLessThanOrEqual(1)
        }
      }),
      { seed, numRuns: 400 },
    )
  })

  test('keeps what leads to what in a graph without circles, by no edge that a longer way makes needless', () => {
    const acyclic = graphs.map((graph) => ({
      ...graph,
      edges: graph.edges.filter(({ from, to }) => Number(from.slice(1)) < Number(to.slice(1))),
      layerMax: 40,
    }))
    fc.assert(
      fc.property(acyclic, ({ ids, edges, layerMax }) => {
        const known = new Set(ids)
        const wanted = edges.filter(({ from, to }) => known.has(from) && known.has(to))
        const kept = layoutLineage(ids, edges, layerMax).edges
        expect(reachable(kept)).toEqual(reachable(wanted))
        for (const edge of kept) {
          const others = kept.filter((other) => other !== edge)
          expect(reachable(others).has(`${edge.from} ${edge.to}`)).toBe(false)
        }
      }),
      { seed, numRuns: 60 },
    )
  })

  test('puts what nothing is before next to what it leads to', () => {
    const edges = [
      { from: 'a', to: 'b' },
      { from: 'b', to: 'c' },
      { from: 'late', to: 'c' },
    ]
    const { nodes } = layoutLineage(['a', 'b', 'c', 'late'], edges, 8)
    const layerOf = (id: string) => nodes.find((node) => node.id === id)?.layer
    expect([layerOf('a'), layerOf('b'), layerOf('late'), layerOf('c')]).toEqual([0, 1, 1, 2])
  })
})

describe('the text of a model card', () => {
  test('comes out of the hub’s Markdown as it went in, wherever it stands', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 40 })
    fc.assert(
      fc.property(texts, texts, (one, other) => {
        const [a, b] = [line(one), line(other)]
        const said = (text: string) =>
          text
            .toWellFormed()
            .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
            .replaceAll(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
            .trim()
        fc.pre(a !== '' && b !== '')
        const [table] = readCard(`| ${a} | ${b} |\n| --- | --- |\n| ${b} | ${a} |\n`)
        const [x, y] = [said(one), said(other)]
        expect(table).toEqual({ kind: 'table', header: [x, y], rows: [[y, x]] })
        expect(readCard(`- ${a}\n- ${b}\n`)).toEqual([{ kind: 'list', items: [x, y] }])
        expect(readCard(`## ${a}\n`)).toEqual([{ kind: 'heading', level: 2, text: x }])
        expect(readCard(`${a}\n`)).toEqual([{ kind: 'paragraph', text: x, isNote: false }])
      }),
      { seed, numRuns: 1_000 },
    )
  })

  test('is text where somebody wrote what looks like more', () => {
    expect(readCard('<script>alert(1)</script>\n\n[a](javascript:b)\n\n_Nothing._\n')).toEqual([
      { kind: 'paragraph', text: '<script>alert(1)</script>', isNote: false },
      { kind: 'paragraph', text: '[a](javascript:b)', isNote: false },
      { kind: 'paragraph', text: 'Nothing.', isNote: true },
    ])
  })
})

describe('figures', () => {
  const figure = (value: number) => ({ value, low: value, high: value })

  test.each([
    ['accuracy', 0.01, 0.02, 'better'],
    ['accuracy', -0.02, -0.01, 'worse'],
    ['accuracy', -0.01, 0.02, 'open'],
    ['log_loss', -0.02, -0.01, 'better'],
    ['equalised_odds_difference[site]', 0.01, 0.02, 'worse'],
    ['latency_p99_ms', 0, 3, 'open'],
  ])('%s between %d and %d is %s', (name, low, high, answer) => {
    expect(compared(name, { value: (low + high) / 2, low, high })).toBe(answer)
  })

  test('the worst slice comes first, and those without the figure last', () => {
    const slice = (value: string, figures: Record<string, ReturnType<typeof figure>>) => ({
      column: 'site',
      value,
      rows: 30,
      figures,
    })
    const slices = [
      slice('none', {}),
      slice('good', { accuracy: figure(0.9), rmse: figure(1) }),
      slice('bad', { accuracy: figure(0.4), rmse: figure(9) }),
    ]
    const order = (name: string) => worstFirst(slices, name).map(({ value }) => value)
    expect(order('accuracy')).toEqual(['bad', 'good', 'none'])
    expect(order('rmse')).toEqual(['bad', 'good', 'none'])
  })

  test('equally bad slices, and figures of one name, come by the numbers in their names', () => {
    const values = ['line 10', '10', 'line 2', '2.5', '-3', '2.25', '-1', 'line 1']
    const slices = values.map((value) => ({ column: 'x', value, rows: 30, figures: {} }))
    const sorted = ['-3', '-1', '2.25', '2.5', '10', 'line 1', 'line 2', 'line 10']
    expect(worstFirst(slices, 'accuracy').map(({ value }) => value)).toEqual(sorted)
    const larger = { column: 'x', value: 'line 11', rows: 31, figures: {} }
    expect(worstFirst([...slices, larger], 'accuracy')[0]).toBe(larger)
    expect(figuresInOrder({ 'f1[10]': 1, 'f1[2]': 1 })).toEqual(['f1[2]', 'f1[10]'])
  })

  test('whatever groups are called, each is told once, columns as they were asked for, in one order', () => {
    const number = fc.oneof(fc.integer(), fc.double()).map(String)
    const value = fc.oneof(fc.string({ maxLength: 4 }), number, fc.constantFrom('', ' ', '(missing)', '-0', '1e3'))
    const Group = fc.record({ column: fc.constantFrom('b', 'a'), value, rows: fc.nat(2) })
    const groups = fc.uniqueArray(Group, { maxLength: 12, selector: ({ column, value }) => `${column} ${value}` })
    fc.assert(
      fc.property(groups, (given) => {
        const told = largestFirst(given)
        expect(new Set(told)).toEqual(new Set(given))
        const columns = (of: typeof given) => [...new Set(of.map(({ column }) => column))]
        expect(columns(told)).toEqual(columns(given))
        for (const [n, one] of told.entries())
          for (const later of told.slice(n + 1).filter(({ column }) => column === one.column))
            expect(one.rows > later.rows || byName(one.value, later.value) <= 0).toBe(true)
      }),
      { seed, numRuns: 300 },
    )
  })

  test('what is looked at first stands first, and what says the same again apart', () => {
    const names = { recall: 1, f1_macro: 1, f1: 1, roc_auc: 1, 'demographic_parity_difference[a]': 1 }
    expect(figuresInOrder(names)).toEqual(['roc_auc', 'f1', 'f1_macro', 'demographic_parity_difference[a]', 'recall'])
    expect(Object.keys(names).filter((name) => isVariation(name, names))).toEqual(['f1_macro'])
  })

  test('a scale keeps everything on it, in order', () => {
    const numbers = fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(numbers, (values) => {
        const scale = scaleOver(values)
        const places = values.toSorted((a, b) => a - b).map(scale)
        for (const [n, place] of places.entries()) {
          expect(place >= 0 && place <= 1).toBe(true)
          expect(place >= (places[n - 1] ?? 0)).toBe(true)
        }
      }),
      { seed, numRuns: 300 },
    )
  })
})

describe('who shipped a version', () => {
  const version = { model: 'm', version: 2, createdBy: 'token:ada', createdAt: '2026-01-01T00:00:00Z' }
  const approval = (approver: string, isRevoked = false) => ({
    approver,
    name: approver,
    decision: 'approve' as const,
    comment: '',
    at: '2026-01-03T00:00:00Z',
    revoked: isRevoked ? { by: approver, reason: 'no', at: '2026-01-04T00:00:00Z' } : null,
  })
  const evaluation = (id: string, state: 'succeeded' | 'failed') => ({
    id,
    state,
    createdBy: 'token:olaf',
    createdAt: '2026-01-02T00:00:00Z',
  })
  const rollout = (state: 'draft' | 'running' | 'completed' | 'rolled_back' | 'aborted') => ({
    id: `r-${state}`,
    group: 'all',
    state,
    startedBy: 'token:olaf',
    createdAt: '2026-01-05T00:00:00Z',
  })

  test('is who registered, evaluated, approved and rolled it out, in the order of time', () => {
    const request = {
      id: 'p-1',
      state: 'approved' as const,
      to: 'production' as const,
      closedAt: '2026-01-03T00:00:00Z',
      approvals: [approval('token:cy'), approval('token:dee', true)],
    }
    const steps = shippedSteps(
      version,
      [evaluation('e-2', 'failed'), evaluation('e-1', 'succeeded')],
      [request],
      [],
      [rollout('draft'), rollout('completed')],
    )
    expect(steps.map(({ actors, subject }) => [...actors, subject])).toEqual([
      ['token:ada', 'version:m/2'],
      ['token:olaf', 'evaluation:e-1'],
      ['token:cy', 'promotion-request:p-1'],
      ['token:olaf', 'rollout:r-completed'],
    ])
  })

  test('says of a rollout that was taken back, or has not come to its end, that it is so', () => {
    const last = (state: Parameters<typeof rollout>[0]) =>
      shippedSteps(version, [], [], [], [rollout(state)]).at(-1)?.what
    expect(last('completed')).toMatch(/^rolled it out to \S+$/)
    expect(last('rolled_back')).toMatch(/^began to roll it out to \S+, which was taken back$/)
    expect(last('aborted')).toMatch(/, which was aborted$/)
    expect(last('running')).toMatch(/, which goes on$/)
  })

  test('is who overrode its gates where nobody approved', () => {
    const move = {
      from: 'staging' as const,
      to: 'production' as const,
      kind: 'override' as const,
      actor: 'token:root',
      reason: 'at night',
      verdict: null,
      request: null,
      at: '2026-01-03T00:00:00Z',
    }
    const steps = shippedSteps(version, [], [], [move], [])
    expect(steps.map(({ what }) => what)).toEqual(['registered it', 'moved it to production against its gates'])
  })
})
