// The neighbours of nodes, out of the tables: one query a rule and level, however many nodes there are.

import { z } from 'zod'
import { jsonColumn, type Reader } from '../storage/database.ts'
import type { Kind, NodeName } from './nodes.ts'
import { nodeText } from './nodes.ts'
import { keyOf, type Rule, rules } from './rules.ts'
import type { Direction, FindNeighbours, Found, Neighbours } from './walk.ts'

/** Edges that one rule finds for one level of a walk. */
export const edgesPerRuleMax = 1_000

const EdgeRow = z.object({
  from: z.string(),
  to: z.string(),
  model: z.string().nullable(),
  detail: jsonColumn(z.record(z.string(), z.unknown())).nullable(),
})

export type Allows = (model: string) => boolean

/** Devices are found upstream only: there may be ten thousand downstream, which devices.ts counts and pages.
 *  @param allows models whose nodes may be told; others count as absent
 *  @param only restricts the rules, for questions about one kind of way */
export const neighboursOf =
  (reader: Reader, allows: Allows, only: (rule: Rule) => boolean = () => true): FindNeighbours =>
  async (nodes, direction) => {
    const found: Found[] = []
    const cut: NodeName[] = []
    for (const [kind, ofKind] of Map.groupBy(nodes, ({ kind }) => kind)) {
      for (const { rule, near } of stepsFrom(kind, direction)) {
        if (!only(rule)) continue
        const step = await follow(reader, rule, near, ofKind, allows)
        found.push(...step.found)
        cut.push(...step.cut)
      }
    }
    return { found, cut }
  }

/** The rules that lead on, and which end of each the nodes of `kind` are. */
function stepsFrom(kind: Kind, direction: Direction): { rule: Rule; near: 'from' | 'to' }[] {
  return rules.flatMap((rule): { rule: Rule; near: 'from' | 'to' }[] => {
    const steps: { rule: Rule; near: 'from' | 'to' }[] = []
    if (direction === 'upstream' && rule.to === kind) steps.push({ rule, near: 'to' })
    const onwards = direction === 'downstream' ? rule.to !== 'device' : rule.evidence === true
    if (onwards && rule.from === kind) steps.push({ rule, near: 'from' })
    return steps
  })
}

async function follow(
  reader: Reader,
  rule: Rule,
  near: 'from' | 'to',
  nodes: readonly NodeName[],
  allows: Allows,
): Promise<Neighbours> {
  const { select, tables } = rule
  const rows = await reader.all(
    EdgeRow,
    `SELECT ${select.from} AS "from", ${select.to} AS "to", ${select.model} AS model, ${select.detail} AS detail
     FROM ${tables} WHERE ${near === 'from' ? rule.whereFrom : rule.whereTo} ORDER BY 2, 1 LIMIT ?2`,
    [JSON.stringify(nodes.map(keyOf)), edgesPerRuleMax + 1],
  )
  const asked = new Set(nodes.map(({ name }) => name))
  const found = rows.slice(0, edgesPerRuleMax).flatMap(({ model, detail, ...ends }): Found[] => {
    // `name/number` of a snapshot that was asked for by another name
    if (!asked.has(ends[near]) || (model !== null && !allows(model))) return []
    const [from, to] = [nodeText({ kind: rule.from, name: ends.from }), nodeText({ kind: rule.to, name: ends.to })]
    const far = near === 'from' ? { kind: rule.to, name: ends.to } : { kind: rule.from, name: ends.from }
    const said = detail === null || Object.keys(detail).length === 0 ? {} : { detail }
    return [{ far, edge: { from, to, relation: rule.relation, ...said } }]
  })
  return { found, cut: rows.length > edgesPerRuleMax ? nodes : [] }
}
