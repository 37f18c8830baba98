// The lineage as a graph: nodes are links in the order of their layers, so that Tab walks from what was to what became.

import { useEffect, useRef } from 'preact/hooks'
import { edgePath, layoutLineage, nodeHeight, nodeWidth, type Placed } from './layout.ts'
import { devicesNode, type Lineage, type Shown, shownNode } from './node-texts.ts'

/** Nodes of one layer that are drawn. */
const layerMax = 8

export function LineageGraph({ lineage, onMore }: { lineage: Lineage; onMore: () => void }) {
  const shown = new Map<string, Shown>()
  for (const node of lineage.nodes) shown.set(node.node, shownNode(node))
  const edges = lineage.edges.map(({ from, to }) => ({ from, to }))
  for (const node of lineage.nodes) {
    const devices = devicesNode(node)
    if (devices === undefined) continue
    shown.set(devices.id, devices)
    edges.push({ from: node.node, to: devices.id })
  }
  const layout = layoutLineage([...shown.keys()], edges, layerMax)
  const placed = new Map(layout.nodes.map((node) => [node.id, node]))
  const scroller = useRef<HTMLElement>(null)
  const rootX = placed.get(lineage.root)?.x ?? 0
  useEffect(() => {
    // what one asked about is in sight at first
    const box = scroller.current
    if (box !== null) box.scrollLeft = rootX - (box.clientWidth - nodeWidth) / 2
  }, [rootX])
  return (
    <section ref={scroller} class="card graph" aria-label="Lineage, from what it was made of to what became of it">
      <div class="canvas" style={{ width: `${layout.width}px`, height: `${layout.height}px` }}>
        <svg width={layout.width} height={layout.height} aria-hidden="true">
          {layout.edges.map(({ from, to }) => {
            const [left, right] = [placed.get(from), placed.get(to)]
            if (left === undefined || right === undefined) return null
            const isOwn = from === lineage.root || to === lineage.root
            return <path key={`${from} ${to}`} class={isOwn ? 'own' : undefined} d={edgePath(left, right)} />
          })}
        </svg>
        {layout.nodes.map((node) => (
          <NodeBox
            key={node.id}
            placed={node}
            node={shown.get(node.id)}
            isRoot={node.id === lineage.root}
            onMore={onMore}
          />
        ))}
      </div>
    </section>
  )
}

function NodeBox({
  placed,
  node,
  isRoot,
  onMore,
}: {
  placed: Placed
  node: Shown | undefined
  isRoot: boolean
  onMore: () => void
}) {
  const style = {
    left: `${placed.x}px`,
    top: `${placed.y}px`,
    width: `${nodeWidth}px`,
    height: `${nodeHeight}px`,
  }
  if (node === undefined) {
    return (
      <button type="button" class="node" style={style} onClick={onMore}>
        <span class="name">and {placed.more} more</span>
        <small>as a list</small>
      </button>
    )
  }
  const classes = ['node', isRoot ? 'root' : '', node.isKnown ? '' : 'unknown'].filter(Boolean).join(' ')
  const title = `${node.kind} ${node.title}${node.said === '' ? '' : `, ${node.said}`}`
  const inside = (
    <>
      <span class="name">{node.title}</span>
      <small>
        {node.kind}
        {node.said !== '' && ` · ${node.said}`}
      </small>
    </>
  )
  return node.href === undefined || isRoot ? (
    <span class={classes} style={style} title={title}>
      {inside}
    </span>
  ) : (
    <a class={classes} style={style} title={title} href={node.href}>
      {inside}
    </a>
  )
}
