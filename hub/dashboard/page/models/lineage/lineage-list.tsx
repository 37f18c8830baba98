// The lineage as a table: every node the hub told of, with what leads to it.

import { Actor } from '../../parts/actor.tsx'
import { Time } from '../../parts/time.tsx'
import { RowsTable } from '../rows-table.tsx'
import { devicesNode, type Lineage, shownNode } from './node-texts.ts'

const kinds = ['dataset', 'run', 'version', 'evaluation', 'approval', 'rollout', 'device']

export function LineageList({ lineage }: { lineage: Lineage }) {
  const nodes = lineage.nodes.toSorted((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind))
  const titles = new Map(nodes.map((node) => [node.node, `${node.kind} ${shownNode(node).title}`]))
  const before = Map.groupBy(lineage.edges, ({ to }) => to)
  return (
    <div class="card">
      <RowsTable label="Lineage">
        <thead>
          <tr>
            <th scope="col">Kind</th>
            <th scope="col">What</th>
            <th scope="col">State</th>
            <th scope="col">When, by whom</th>
            <th scope="col">Comes from</th>
          </tr>
        </thead>
        <tbody>
          {nodes.map((node) => {
            const { kind, title, said, href } = shownNode(node)
            const devices = devicesNode(node)
            return (
              <tr key={node.node}>
                <td>{kind}</td>
                <th scope="row">{href === undefined ? title : <a href={href}>{title}</a>}</th>
                <td>
                  {said}
                  {devices !== undefined && <small class="quiet block">{`${devices.title}, ${devices.said}`}</small>}
                </td>
                <td>
                  {node.at !== null && <Time at={node.at} />}
                  {node.by !== null && (
                    <>
                      {' '}
                      by <Actor actor={node.by} />
                    </>
                  )}
                </td>
                <td>
                  {(before.get(node.node) ?? [])
                    .map(({ from, relation }) => `${titles.get(from) ?? from} (${relation})`)
                    .join('; ') || '–'}
                </td>
              </tr>
            )
          })}
        </tbody>
      </RowsTable>
    </div>
  )
}
