// Walking a lineage from one node, level by level, within bounds, and saying where it was cut. Pure but for the
// neighbours, which are handed in. Upstream and downstream are walked apart: what else was made of a dataset is not
// what a device is made of.

import { type NodeName, nodeText } from './nodes.ts'

export type Direction = 'upstream' | 'downstream'

/** `from` comes before `to`: data flow, not time. `detail`: the role of a dataset, the deployment on a device, … */
export type Edge = { from: string; to: string; relation: string; detail?: Record<string, unknown> }

/** `far` is the node that was found, at the other end of `edge`. */
export type Found = { far: NodeName; edge: Edge }
/** `cut`: nodes of which there are more neighbours than are told. */
export type Neighbours = { found: readonly Found[]; cut: readonly NodeName[] }
export type FindNeighbours = (nodes: readonly NodeName[], direction: Direction) => Promise<Neighbours>

export type Bounds = { depth: number; nodes: number }
export type CutReason = 'depth' | 'nodes' | 'neighbours'
export type Walked = { nodes: NodeName[]; edges: Edge[]; cut: { node: string; reason: CutReason }[] }

/** Everything within `bounds.depth` steps of `root`, the root included, nearest first. A cut of `depth` says that what
 *  lies beyond was not looked at; there may be nothing. */
export async function walk(
  root: NodeName,
  directions: readonly Direction[],
  bounds: Bounds,
  neighbours: FindNeighbours,
): Promise<Walked> {
  const nodes = new Map<string, NodeName>([[nodeText(root), root]])
  const edges = new Map<string, Edge>()
  const cut = new Map<string, CutReason>()
  for (const direction of directions) {
    // of this direction: a node reached both ways is looked beyond both ways
    const seen = new Set([nodeText(root)])
    let level: NodeName[] = [root]
    for (let steps = 0; level.length > 0; steps += 1) {
      if (steps === bounds.depth) {
        for (const node of level) setOnce(cut, nodeText(node), 'depth')
        break
      }
      const { found, cut: tooMany } = await neighbours(level, direction)
      for (const node of tooMany) setOnce(cut, nodeText(node), 'neighbours')
      const next: NodeName[] = []
      for (const { far, edge } of found) {
        const name = nodeText(far)
        if (!nodes.has(name) && nodes.size >= bounds.nodes) {
          setOnce(cut, name === edge.to ? edge.from : edge.to, 'nodes')
          continue
        }
        nodes.set(name, far)
        edges.set(JSON.stringify([edge.from, edge.to, edge.relation, edge.detail]), edge)
        if (!seen.has(name)) next.push(far)
        seen.add(name)
      }
      level = next
    }
  }
  return {
    nodes: [...nodes.values()],
    edges: [...edges.values()],
    cut: [...cut].map(([node, reason]) => ({ node, reason })),
  }
}

function setOnce<K, V>(map: Map<K, V>, key: K, value: V): void {
  if (!map.has(key)) map.set(key, value)
}
