// Where each node of a lineage stands: in layers from left to right, so that every edge leads to the right, and as near
// to what it belongs to as the order in a layer allows (Sugiyama, Tagawa and Toda 1981). Pure.

export type Edge = { from: string; to: string }
/** `more`: 0 of a node; else how many nodes of its layer it stands for, which are not drawn. */
export type Placed = { id: string; more: number; layer: number; x: number; y: number }
export type Layout = { nodes: Placed[]; edges: Edge[]; width: number; height: number }

/** CSS pixels. */
export const nodeWidth = 168
export const nodeHeight = 48
const gapX = 36
const gapY = 16
/** Times that layers are put in the order of their neighbours, there and back. */
const sweeps = 4

/** @param ids in the order of worth: of a layer with more than `layerMax` the first ones are drawn
 *  @param edges those to or from unknown nodes, one of each circle, and those beside a longer way, are left out */
export function layoutLineage(ids: readonly string[], edges: readonly Edge[], layerMax: number): Layout {
  const names = [...new Set(ids)]
  const layerOf = layersOf(names, edges)
  const forward = edges.filter(({ from, to }) => {
    const [left, right] = [layerOf.get(from), layerOf.get(to)]
    return left !== undefined && right !== undefined && left < right
  })
  const layers = [...Map.groupBy(names, (id) => layerOf.get(id) ?? 0)]
    .sort(([a], [b]) => a - b)
    .map(([layer, members]) => ({ layer, shown: members.slice(0, layerMax), more: members.slice(layerMax).length }))
  const shown = new Set(layers.flatMap((layer) => layer.shown))
  const standsFor = (id: string) => (shown.has(id) ? id : moreId(layerOf.get(id) ?? 0))
  const kept = reduced(unique(forward.map(({ from, to }) => ({ from: standsFor(from), to: standsFor(to) }))))
  const ordered = inOrder(
    layers.map(({ shown }) => shown),
    kept,
  )
  const columns = layers.map(({ layer, more }, n) => ({
    layer,
    entries: [...(ordered[n] ?? []).map((id) => ({ id, more: 0 })), ...(more > 0 ? [{ id: moreId(layer), more }] : [])],
  }))
  const tallest = Math.max(0, ...columns.map(({ entries }) => heightOf(entries.length)))
  const nodes = columns.flatMap(({ layer, entries }, column) =>
    entries.map(({ id, more }, row) => ({
      id,
      more,
      layer,
      x: column * (nodeWidth + gapX),
      y: (tallest - heightOf(entries.length)) / 2 + row * (nodeHeight + gapY),
    })),
  )
  const width = Math.max(0, columns.length * (nodeWidth + gapX) - gapX)
  return { nodes, edges: kept, width, height: tallest }
}

/** Without the edges beside which a longer way leads to the same node (transitive reduction; Aho, Garey and Ullman 1972):
 *  they would pass behind the nodes of that way. */
function reduced(edges: readonly Edge[]): Edge[] {
  const after = Map.groupBy(edges, ({ from }) => from)
  return edges.filter(({ from, to }) => {
    const seen = new Set<string>()
    const open = (after.get(from) ?? []).map((edge) => edge.to).filter((id) => id !== to)
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (id === to) return false
      if (seen.has(id)) continue
      seen.add(id)
      open.push(...(after.get(id) ?? []).map((edge) => edge.to))
    }
    return true
  })
}

/** Of the node that stands for those of a layer that are not drawn. */
const moreId = (layer: number): string => `more:${layer}`
const heightOf = (rows: number): number => Math.max(0, rows * (nodeHeight + gapY) - gapY)

/** Each node one layer behind the farthest of those before it; what nothing is before stands next to what it leads to. */
function layersOf(ids: readonly string[], edges: readonly Edge[]): Map<string, number> {
  const known = new Set(ids)
  const real = unique(edges).filter(({ from, to }) => known.has(from) && known.has(to) && from !== to)
  const after = Map.groupBy(real, ({ from }) => from)
  const before = new Map(ids.map((id) => [id, 0]))
  for (const { to } of real) before.set(to, (before.get(to) ?? 0) + 1)
  const layer = new Map<string, number>()
  const waiting = new Set(ids)
  const ready = ids.filter((id) => before.get(id) === 0)
  const done = new Map<string, number>()
  while (waiting.size > 0) {
    // a circle is opened where its first node comes
    const id = ready.shift() ?? firstOf(waiting)
    if (!waiting.delete(id)) continue
    const own = done.get(id) ?? 0
    layer.set(id, own)
    for (const { to } of after.get(id) ?? []) {
      if (!waiting.has(to)) continue
      done.set(to, Math.max(done.get(to) ?? 0, own + 1))
      const left = (before.get(to) ?? 1) - 1
      before.set(to, left)
      if (left === 0) ready.push(to)
    }
  }
  const isRoot = (id: string) =>
    !real.some(({ from, to }) => to === id && (layer.get(from) ?? 0) < (layer.get(id) ?? 0))
  for (const id of ids.filter(isRoot)) {
    const next = (after.get(id) ?? []).map(({ to }) => layer.get(to) ?? 0).filter((n) => n > (layer.get(id) ?? 0))
    if (next.length > 0) layer.set(id, Math.min(...next) - 1)
  }
  return layer
}

function firstOf(ids: ReadonlySet<string>): string {
  const [first = ''] = ids
  return first
}

/** Each layer in the order of the mean place of its neighbours in the layers before, then after. */
function inOrder(layers: readonly (readonly string[])[], edges: readonly Edge[]): string[][] {
  const ordered = layers.map((layer) => [...layer])
  const before = Map.groupBy(edges, ({ to }) => to)
  const after = Map.groupBy(edges, ({ from }) => from)
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const places = new Map(ordered.flatMap((layer) => layer.map((id, n) => [id, (n + 0.5) / layer.length] as const)))
    const forth = sweep % 2 === 0
    for (const layer of forth ? ordered : ordered.toReversed()) {
      const weight = new Map(
        layer.map((id) => {
          const neighbours = forth
            ? (before.get(id) ?? []).map(({ from }) => places.get(from))
            : (after.get(id) ?? []).map(({ to }) => places.get(to))
          const known = neighbours.filter((place) => place !== undefined)
          const own = places.get(id) ?? 0
          return [id, known.length === 0 ? own : known.reduce((sum, place) => sum + place, 0) / known.length]
        }),
      )
      layer.sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0))
      for (const [n, id] of layer.entries()) places.set(id, (n + 0.5) / layer.length)
    }
  }
  return ordered
}

const unique = (edges: readonly Edge[]): Edge[] => [
  ...new Map(edges.map(({ from, to }) => [JSON.stringify([from, to]), { from, to }])).values(),
]

/** The curve of an edge, from the right side of one node to the left side of another. */
export function edgePath(from: Placed, to: Placed): string {
  const [x1, y1] = [from.x + nodeWidth, from.y + nodeHeight / 2]
  const [x2, y2] = [to.x, to.y + nodeHeight / 2]
  const bend = gapX / 2
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`
}
