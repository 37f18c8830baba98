// One column in one stretch of time: both distributions, what is missing or out of range, and the devices that differ.

import { type MeasureName, measureNames, measures } from '@roost/shared/drift/measures.ts'
import { useMemo } from 'preact/hooks'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, grouped } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { barsOf, shortNumber } from './bars.ts'
import { DifferingDevices } from './differing-devices.tsx'
import { Distribution } from './distribution.tsx'
import type { Chosen } from './heat-map.tsx'
import { distributionsOf, type HeatMap, type Narrowed, type Subject } from './subject.ts'
import { figure, movementWords, percent } from './words.ts'

type Props = { subject: Subject; narrowed: Narrowed; map: HeatMap; chosen: Chosen; measure: MeasureName }

export function StepDetail({ subject, narrowed, map, chosen, measure }: Props) {
  const from = chosen.at
  const to = new Date(Date.parse(from) + map.stepSeconds * 1_000).toISOString()
  const asked = { ...narrowed, model: map.model, version: map.version, from, to }
  const key = `distributions ${JSON.stringify([subject, asked])}`
  const found = useResource(key, (signal) => distributionsOf(subject, asked, signal))
  const { value, error } = found
  const step = map.steps.find((each) => each.from === from)
  const moved = (step?.verdict?.movements ?? []).filter(({ column }) => column === chosen.column)
  return (
    <section class="card stack" aria-labelledby="step">
      <div class="title">
        <h2 id="step">
          <span class="mono">{chosen.column}</span>
        </h2>
        <p class="quiet">
          <Time at={from} form="full" /> to <Time at={to} form="full" />
        </p>
      </div>
      {step?.verdict?.state === 'drifted' && moved.length > 0 ? (
        <p>
          <StateDot tone="bad">Named by the verdict</StateDot>: {moved.map(movementWords).join('; ')}.
        </p>
      ) : (
        step?.verdict != null && (
          <p>
            <StateDot tone={step.verdict.state === 'baseline_too_short' ? 'idle' : 'good'}>
              {step.verdict.state === 'baseline_too_short'
                ? 'No verdict: the baseline is too short'
                : 'Not named by the verdict'}
            </StateDot>
          </p>
        )
      )}
      {value === undefined ? (
        error === undefined ? (
          <Loading rows={6} what="The distributions are loading" />
        ) : error.status === 404 ? (
          <p class="quiet">No report tells of this stretch of time.</p>
        ) : (
          <ErrorState error={error} retry={found.refresh} />
        )
      ) : (
        <Both
          columns={value.columns}
          column={chosen.column}
          windows={value.windows}
          devices={value.devices}
          measure={measure}
        />
      )}
      {subject.kind !== 'device' && (
        <DifferingDevices subject={subject} asked={asked} column={chosen.column} measure={measure} />
      )}
    </section>
  )
}

type Columns = Awaited<ReturnType<typeof distributionsOf>>['columns']

function Both({
  columns,
  column,
  windows,
  devices,
  measure,
}: {
  columns: Columns
  column: string
  windows: number
  devices: number
  measure: MeasureName
}) {
  const found = columns.find((each) => each.column === column)
  const bars = useMemo(
    () => (found === undefined ? [] : barsOf(found.scale, found.baseline, found.current.bins, found.current.missing)),
    [found],
  )
  if (found === undefined) return <p class="quiet">No report tells of this column then.</p>
  const { baseline, current, scale } = found
  const total = (bins: readonly number[]) => bins.reduce((sum, count) => sum + count, 0)
  const [was, now] = [total(baseline.slice(0, -1)), total(current.bins)]
  const missingBefore = baseline.at(-1) ?? 0
  const outside = (bins: readonly number[]) =>
    scale.type === 'categorical' ? (bins[scale.values.length] ?? 0) : (bins[0] ?? 0) + (bins[scale.edges.length] ?? 0)
  const shareOf = (part: number, whole: number) => (whole === 0 ? '–' : percent(part / whole))
  return (
    <div class="both">
      <Distribution column={column} bars={bars} />
      <table class="compared">
        <thead>
          <tr>
            <th />
            <th class="number">Baseline</th>
            <th class="number">This window</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">Rows</th>
            <td class="number">{grouped(was + missingBefore)}</td>
            <td class="number">{grouped(now + current.missing)}</td>
          </tr>
          <tr>
            <th scope="row">Missing</th>
            <td class="number">{shareOf(missingBefore, was + missingBefore)}</td>
            <td class="number">{shareOf(current.missing, now + current.missing)}</td>
          </tr>
          <tr>
            <th scope="row">
              {scale.type === 'categorical' ? 'In no category of the baseline' : 'Out of the baseline’s range'}
            </th>
            <td class="number">{shareOf(outside(baseline), was)}</td>
            <td class="number">{shareOf(outside(current.bins), now)}</td>
          </tr>
          {current.min !== null && current.max !== null && scale.type === 'numeric' && (
            <tr>
              <th scope="row">Range</th>
              <td class="number">
                {shortNumber(scale.edges[0] ?? 0)} to {shortNumber(scale.edges.at(-1) ?? 0)}
              </td>
              <td class="number">
                {shortNumber(current.min)} to {shortNumber(current.max)}
              </td>
            </tr>
          )}
          {scale.type === 'numeric' && now > 0 && (
            <tr>
              <th scope="row">Mean</th>
              <td class="number" />
              <td class="number">{shortNumber(current.sum / now)}</td>
            </tr>
          )}
          {measureNames.map((name) => (
            <tr key={name} class={name === measure ? 'is-chosen' : ''}>
              <th scope="row">{measures[name].title}</th>
              <td />
              <td class="number">
                {figure(found[name])}
                {found[name] !== null && 'unit' in measures[name] ? ` ${measures[name].unit}` : ''}
              </td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <td class="quiet" colSpan={3}>
              By {counted(windows, 'report')} of {counted(devices, 'device')}
            </td>
          </tr>
        </tfoot>
      </table>
    </div>
  )
}
