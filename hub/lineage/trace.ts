// Answers about lineage, put together: a walk with what is known of each node; the devices that a node leads to.

import { notFound, Problem } from '../problem.ts'
import type { Reader } from '../storage/database.ts'
import { type Details, detailsOf } from './details.ts'
import { type DeviceCounts, deviceCounts } from './devices.ts'
import type { directions, Lineage, LineageNode } from './documents.ts'
import { type Allows, neighboursOf } from './neighbours.ts'
import { type NodeName, nodeText, readVersionName } from './nodes.ts'
import type { Rule } from './rules.ts'
import { type Bounds, walk } from './walk.ts'

/** Versions that are followed to their devices. */
export const versionsMax = 1_000

/** @param allows models that may be told
 *  @throws Problem not-found where the hub knows nothing of the root, model-not-granted where it is of another model */
export async function traceLineage(
  reader: Reader,
  root: NodeName,
  direction: (typeof directions)[number],
  bounds: Bounds,
  allows: Allows,
): Promise<Lineage> {
  await assertAllowed(reader, root, allows)
  const ways = direction === 'both' ? (['upstream', 'downstream'] as const) : ([direction] as const)
  const walked = await walk(root, ways, bounds, neighboursOf(reader, allows))
  const details = await detailsOf(reader, walked.nodes)
  if (!details.has(nodeText(root)) && walked.edges.length === 0) throw notFound(root.kind, root.name)
  const counts = direction === 'upstream' ? new Map() : await deviceCounts(reader, walked.nodes)
  return {
    root: nodeText(root),
    direction,
    nodes: walked.nodes.map((node) => showNode(node, details.get(nodeText(node)), counts.get(nodeText(node)))),
    edges: walked.edges,
    cut: walked.cut,
  }
}

/** Where a node is of a model, that model must be allowed. */
async function assertAllowed(reader: Reader, node: NodeName, allows: Allows): Promise<void> {
  const model =
    node.kind === 'version'
      ? readVersionName(node.name)?.model
      : (await detailsOf(reader, [node])).get(nodeText(node))?.model
  if (model === undefined || model === null || allows(model)) return
  const detail = `this token is not for model ${JSON.stringify(model)}`
  throw new Problem(403, 'model-not-granted', 'Not allowed', detail)
}

function showNode(node: NodeName, details: Details | undefined, devices: DeviceCounts | undefined): LineageNode {
  return {
    node: nodeText(node),
    ...node,
    known: details !== undefined,
    at: details === undefined || details.at === null ? null : new Date(details.at).toISOString(),
    by: details?.by ?? null,
    facts: details?.facts ?? {},
    ...(devices === undefined ? {} : { devices }),
  }
}

export type Leading = { versions: NodeName[]; rollout: string | undefined; cut: boolean }

/** The versions a node leads to: itself, what a run made, what was made of a dataset (a version that was only evaluated
 *  on it was not), what an evaluation, an approval or a rollout was of.
 *  @param role of a dataset, such as training: only versions it had this role for
 *  @throws Problem no-devices for a device, and what traceLineage throws */
export async function versionsOf(
  reader: Reader,
  node: NodeName,
  role: string | undefined,
  allows: Allows,
): Promise<Leading> {
  await assertAllowed(reader, node, allows)
  const rollout = node.kind === 'rollout' ? node.name : undefined
  if (node.kind === 'version') {
    if ((await detailsOf(reader, [node])).size === 0) throw notFound('version', node.name)
    return { versions: [node], rollout, cut: false }
  }
  if (node.kind === 'device') {
    const detail = 'a device leads to no other devices; ask for the lineage of its version'
    throw new Problem(422, 'no-devices', 'Nothing comes of a device', detail, { field: 'node' })
  }
  const downstream = node.kind === 'dataset' || node.kind === 'run'
  const only = (rule: Rule) => (downstream ? making.has(`${rule.from}>${rule.to}`) : rule.from === 'version')
  const find = neighboursOf(reader, allows, only)
  const ofRole: typeof find = async (nodes, direction) => {
    const { found, cut } = await find(nodes, direction)
    const kept = found.filter(
      ({ edge }) => role === undefined || edge.relation !== 'dataset' || edge.detail?.role === role,
    )
    return { found: kept, cut }
  }
  const bounds = { depth: downstream ? making.size + 1 : 1, nodes: versionsMax }
  const { nodes, edges, cut } = await walk(node, [downstream ? 'downstream' : 'upstream'], bounds, ofRole)
  if (edges.length === 0 && !(await detailsOf(reader, [node])).has(nodeText(node))) {
    throw notFound(node.kind, node.name)
  }
  const versions = nodes.filter(({ kind }) => kind === 'version')
  return { versions, rollout, cut: cut.some(({ reason }) => reason !== 'depth') }
}

const making = new Set(['dataset>dataset', 'dataset>run', 'dataset>version', 'run>version'])
