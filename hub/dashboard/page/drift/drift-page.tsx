// Drift: whether devices see what the model was made for; what moved, since when, and on which devices.

import './drift.css'
import { measureNames } from '@roost/shared/drift/measures.ts'
import { useEffect } from 'preact/hooks'
import type { PageProps } from '../pages.ts'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { useResource } from '../resource.ts'
import { navigate, setQuery } from '../router.ts'
import { type Chosen, HeatMapTable } from './heat-map.tsx'
import { StepDetail } from './step-detail.tsx'
import { type HeatMap, heatMapOf, narrowedBy, type Subject, subjectOf } from './subject.ts'
import { namesOf, ranges, Toolbar } from './toolbar.tsx'
import { VerdictCard } from './verdict-card.tsx'

/** A busy fleet reports every moment; the picture of hours need not follow each report. */
const everyMs = 10_000

export function DriftPage({ address }: PageProps) {
  const subject = subjectOf(address)
  return subject === undefined ? (
    <FirstModel />
  ) : (
    <DriftOf key={`${subject.kind} ${subject.name}`} subject={subject} address={address} />
  )
}

/** Nothing is named: the first model there is. */
function FirstModel() {
  const models = useResource('first model', (signal) => namesOf('model', signal))
  const [first] = models.value ?? []
  useEffect(() => {
    if (first !== undefined) navigate(`/drift?${new URLSearchParams({ model: first })}`, { replace: true })
  }, [first])
  return (
    <div class="stack">
      <h1>Drift</h1>
      {models.error !== undefined ? (
        <ErrorState error={models.error} retry={models.refresh} />
      ) : models.value?.length === 0 ? (
        <EmptyState title="No model yet">
          <p>
            Register one with a sample of its training data: <code>roost push</code>. Its baseline is what devices are
            compared with.
          </p>
        </EmptyState>
      ) : (
        <Loading rows={8} />
      )}
    </div>
  )
}

function DriftOf({ subject, address }: { subject: Subject; address: URL }) {
  const narrowed = narrowedBy(address, subject)
  const range = ranges.find(({ key }) => key === address.searchParams.get('range')) ?? ranges[0]
  const measure = measureNames.find((name) => name === address.searchParams.get('measure')) ?? 'jensenShannon'
  const isNumbers = address.searchParams.get('figures') === 'yes'
  const found = useResource(
    `heat map ${JSON.stringify([subject, narrowed, range.key])}`,
    (signal) =>
      heatMapOf(
        subject,
        { ...narrowed, ...(range.ms !== undefined && { from: new Date(Date.now() - range.ms).toISOString() }) },
        signal,
      ),
    ['drift'],
    everyMs,
  )
  const { value: map, error } = found
  const chosen = map === undefined ? undefined : chosenOf(map, address)
  const choose = ({ column, at }: Chosen) => {
    setQuery('column', column)
    setQuery('at', at)
  }
  return (
    <div class="stack drift">
      <h1>Drift</h1>
      <Toolbar
        subject={subject}
        narrowed={narrowed}
        range={range.key}
        measure={measure}
        isNumbers={isNumbers}
        map={map}
      />
      {map === undefined ? (
        error === undefined ? (
          <Loading rows={10} what="The heat map is loading" />
        ) : error.problem.code === 'no-drift-yet' ? (
          <EmptyState title={error.problem.title}>
            <p>There are {error.problem.detail}.</p>
          </EmptyState>
        ) : (
          <ErrorState error={error} retry={found.refresh} />
        )
      ) : (
        <>
          <VerdictCard subject={subject} map={map} />
          <section class="card" aria-label="Drift over time">
            <HeatMapTable map={map} measure={measure} isNumbers={isNumbers} chosen={chosen} onChoose={choose} />
            {map.columnsLeftOut > 0 && (
              <p class="quiet">{map.columnsLeftOut} more columns, which are nearer to their baseline, are not shown.</p>
            )}
          </section>
          {chosen === undefined ? (
            <p class="quiet">
              Choose a cell for both distributions{subject.kind !== 'device' && ' and the devices that differ'}.
            </p>
          ) : (
            <StepDetail subject={subject} narrowed={narrowed} map={map} chosen={chosen} measure={measure} />
          )}
        </>
      )}
    </div>
  )
}

/** The cell that the address names; of a column alone the one where it moved, on the most devices, or the newest. Where nothing is named, and
 *  something has drifted, the strongest movement. */
export function chosenOf({ steps, columns, verdict, stepSeconds }: HeatMap, { searchParams }: URL): Chosen | undefined {
  const asked = searchParams.get('column')
  const moved = steps.findLast((step) => step.verdict?.state === 'drifted')
  const column = columns.find(
    (each) => each.column === (asked ?? verdict.movements[0]?.column ?? moved?.verdict?.movements[0]?.column),
  )
  if (column === undefined) return undefined
  const at = Date.parse(searchParams.get('at') ?? '')
  const ofAddress = steps.find(({ from }) => Date.parse(from) <= at && at < Date.parse(from) + stepSeconds * 1_000)
  const hasData = (_: unknown, n: number) => (column.present[n] ?? 0) + (column.missing[n] ?? 0) > 0
  const isNamed = (step: (typeof steps)[number], n: number) =>
    hasData(step, n) && step.verdict?.movements.some((movement) => movement.column === column.column) === true
  const named = steps.filter(isNamed)
  const most = Math.max(0, ...named.map(({ devices }) => devices))
  const step = ofAddress ?? named.findLast(({ devices }) => devices === most) ?? steps.findLast(hasData)
  return step && { column: column.column, at: step.from }
}
