// A lineage as trees of lines: what the root was made of above all, then what became of it. Pure.

import type { z } from 'zod'
import type { Lineage, LineageNode } from '../lineage/documents.ts'
import { kinds } from '../lineage/nodes.ts'
import { time } from './output.ts'

type Found = z.infer<typeof Lineage>
type Node = z.infer<typeof LineageNode>

/** A node that several ways lead to is told where it comes first, and named where it comes again. */
export function lineageLines(lineage: Found): string[] {
  const nodes = new Map(lineage.nodes.map((node) => [node.node, node]))
  const cut = new Map(lineage.cut.map(({ node, reason }) => [node, reason]))
  const lines = [describe(lineage.root, nodes)]
  const ways = [
    { title: 'made of', near: 'to', far: 'from', asked: lineage.direction !== 'downstream' },
    { title: 'became', near: 'from', far: 'to', asked: lineage.direction !== 'upstream' },
  ] as const
  for (const { title, near, far, asked } of ways) {
    if (!asked) continue
    // what comes first in a model's life first
    const sorted = lineage.edges.toSorted((a, b) => place(nodes.get(a[far])) - place(nodes.get(b[far])))
    const next = Map.groupBy(sorted, (edge) => edge[near])
    const told = new Set([lineage.root])
    const below = (node: string, indent: string): string[] => {
      const edges = next.get(node) ?? []
      return edges.flatMap((edge, i) => {
        const last = i === edges.length - 1
        const branch = `${indent}${last ? '└─ ' : '├─ '}${edgeWords(edge)}: `
        const name = edge[far]
        if (told.has(name)) return [`${branch}${name} (see above)`]
        told.add(name)
        return [`${branch}${describe(name, nodes)}`, ...below(name, `${indent}${last ? '   ' : '│  '}`)]
      })
    }
    const found = below(lineage.root, '  ')
    lines.push(`${title}${found.length === 0 ? ': nothing that is known' : ''}`, ...found)
  }
  if (cut.size > 0) {
    lines.push(`not whole: ${[...cut].map(([node, reason]) => `beyond ${node} (${reason})`).join(', ')}`)
  }
  return lines
}

const place = (node: Node | undefined): number => (node === undefined ? kinds.length : kinds.indexOf(node.kind))

function edgeWords({ relation, detail = {} }: Found['edges'][number]): string {
  const { role, deployment, running } = detail
  const ran = relation === 'ran' && running === true ? 'runs' : relation
  const said = [role, deployment].filter((word) => typeof word === 'string')
  return said.length === 0 ? ran : `${ran} (${said.join(', ')})`
}

function describe(name: string, nodes: ReadonlyMap<string, Node>): string {
  const node = nodes.get(name)
  if (node === undefined || !node.known) return `${name}  (not held by this hub)`
  const { facts, devices, by, at } = node
  const words = factsTold[node.kind].flatMap((fact) => {
    const value = facts[fact]
    if (Array.isArray(value)) return value.filter((item) => typeof item === 'string')
    return typeof value === 'string' && value !== '' ? [value] : []
  })
  const serving = devices === undefined ? [] : [`on ${devices.running} devices now, ${devices.ever} ever`]
  const made = [by === null ? [] : [`by ${by}`], at === null ? [] : [time(Date.parse(at))]].flat()
  const approved = node.kind === 'approval' ? approvalWords(facts) : []
  return `${name}  ${oneLine([...words, ...approved, ...serving, ...made].join(', '))}`.trimEnd()
}

const factsTold: Readonly<Record<Node['kind'], readonly string[]>> = {
  dataset: ['snapshots'],
  run: ['name', 'experiment', 'status'],
  version: ['stage', 'aliases', 'commit'],
  evaluation: ['state'],
  approval: ['state', 'to'],
  rollout: ['state', 'group'],
  device: ['profile'],
}

function approvalWords({ decisions }: Node['facts']): string[] {
  if (!Array.isArray(decisions)) return []
  return decisions.map(({ decision, name, revokedMs }: Record<string, unknown>) => {
    const done = decision === 'approve' ? 'approved' : 'rejected'
    return `${done} by ${String(name)}${typeof revokedMs === 'number' ? ' (revoked)' : ''}`
  })
}

/** Text of others must not move the cursor or make lines of its own. */
const oneLine = (text: string): string => text.replaceAll(/\p{Cc}+/gu, ' ')
