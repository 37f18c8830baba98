// What a version was made of and what became of it, as a graph and, for who would rather read, as a list.

import { useState } from 'preact/hooks'
import { answer, api } from '../../api.ts'
import { ErrorState } from '../../parts/error-state.tsx'
import { Loading } from '../../parts/loading.tsx'
import { counted } from '../../parts/quantity.tsx'
import { useResource } from '../../resource.ts'
import { LineageGraph } from './lineage-graph.tsx'
import { LineageList } from './lineage-list.tsx'

const nodesMax = 200

const directions = [
  ['both', 'All'],
  ['upstream', 'Made of'],
  ['downstream', 'Became'],
] as const

const reasons = {
  depth: 'further away than is looked',
  nodes: 'more than are shown',
  neighbours: 'more neighbours than are looked at',
}

/** `root`: `version:<model>/<number>` */
export function LineageTab({ root }: { root: string }) {
  const [direction, setDirection] = useState<'both' | 'upstream' | 'downstream'>('both')
  const [isList, setList] = useState(false)
  const lineage = useResource(
    `lineage ${root} ${direction}`,
    (signal) =>
      answer(api.GET('/v1/lineage', { params: { query: { node: root, direction, nodes: nodesMax } }, signal })),
    ['models', 'rollouts'],
  )
  const { value, error } = lineage
  return (
    <div class="stack">
      <div class="row wrap">
        <div class="chips" role="group" aria-label="Direction">
          {directions.map(([key, title]) => (
            <button
              key={key}
              type="button"
              class="chip"
              aria-pressed={direction === key}
              onClick={() => setDirection(key)}
            >
              {title}
            </button>
          ))}
        </div>
        <div class="chips" role="group" aria-label="Shown as">
          <button type="button" class="chip" aria-pressed={!isList} onClick={() => setList(false)}>
            Graph
          </button>
          <button type="button" class="chip" aria-pressed={isList} onClick={() => setList(true)}>
            List
          </button>
        </div>
      </div>
      {value === undefined ? (
        error === undefined ? (
          <Loading rows={6} />
        ) : (
          <ErrorState error={error} retry={lineage.refresh} />
        )
      ) : (
        <>
          {isList ? <LineageList lineage={value} /> : <LineageGraph lineage={value} onMore={() => setList(true)} />}
          {value.cut.length > 0 && (
            <p class="quiet">
              There is more beyond {counted(value.cut.length, 'node')}:{' '}
              {[...new Set(value.cut.map(({ reason }) => reasons[reason]))].join(', ')}.
            </p>
          )}
        </>
      )}
    </div>
  )
}
