// Which devices differ, the furthest from the baseline first, each with what it says of itself.

import { type MeasureName, measures } from '@roost/shared/drift/measures.ts'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, grouped } from '../parts/quantity.tsx'
import { ScrollRegion } from '../parts/scroll-region.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { verdictSigns } from './heat-map.tsx'
import { devicesOf, type Narrowed, type Subject } from './subject.ts'
import { figure, movementWords, percent } from './words.ts'

type Props = { subject: Subject; asked: Narrowed & { from: string; to: string }; column: string; measure: MeasureName }

export function DifferingDevices({ subject, asked, column, measure }: Props) {
  const key = `devices ${JSON.stringify([subject, asked, column, measure])}`
  const found = useResource(key, (signal) => devicesOf(subject, { ...asked, column, measure }, signal))
  const { value, error } = found
  if (value === undefined) {
    if (error === undefined) return <Loading rows={4} what="The devices are loading" />
    return error.status === 404 ? null : <ErrorState error={error} retry={found.refresh} />
  }
  const { ranked, devices, isSample } = value
  const { title, unit } = measures[measure] as { title: string; unit?: string }
  return (
    <div class="stack">
      <h3 id="differing">Devices that differ</h3>
      <p>
        {grouped(devices.drifted)} of {counted(devices.told, 'device')} {devices.drifted === 1 ? 'names' : 'name'}{' '}
        <span class="mono">{column}</span> in {devices.drifted === 1 ? 'its' : 'their'} own verdict.{' '}
        <span class="quiet">
          What all share is rather their surroundings, what one has alone its sensor.
          {devices.read < devices.ran &&
            ` ${grouped(devices.read)} of ${grouped(devices.ran)} devices were looked at: those that say they drifted, and others drawn.`}
          {isSample && ' Of their reports an even sample was read.'}
        </span>
      </p>
      {ranked.length === 0 ? (
        <p class="quiet">No device reported then.</p>
      ) : (
        <ScrollRegion label="Devices that differ">
          <table class="differing" aria-labelledby="differing">
            <thead>
              <tr>
                <th>Device</th>
                <th class="number">
                  {title}
                  {unit !== undefined && `, ${unit}`}
                </th>
                <th class="number" title="Jensen-Shannon distance from what the other devices counted together">
                  From the others
                </th>
                <th class="number">Rows</th>
                <th class="number">Missing</th>
                <th class="number">Out of range</th>
                <th>Its own verdict</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {ranked.map((row) => {
                const rows = row.present + row.missing
                return (
                  <tr key={row.device}>
                    <td>
                      <a class="mono" href={`/devices/${encodeURIComponent(row.device)}`}>
                        {row.device}
                      </a>
                    </td>
                    <td class="number">{figure(row[measure])}</td>
                    <td class="number">{figure(row.fromOthers)}</td>
                    <td class="number">{grouped(rows)}</td>
                    <td class="number">{percent(rows === 0 ? 0 : row.missing / rows)}</td>
                    <td class="number">{percent(row.present === 0 ? 0 : row.outside / row.present)}</td>
                    <td>
                      <OwnVerdict verdict={row.verdict} />
                    </td>
                    <td>
                      <a href={`/drift?${new URLSearchParams({ device: row.device, column })}`}>
                        drift<span class="visually-hidden"> of {row.device}</span>
                      </a>
                    </td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </ScrollRegion>
      )}
    </div>
  )
}

type Verdict = Awaited<ReturnType<typeof devicesOf>>['ranked'][number]['verdict']

function OwnVerdict({ verdict }: { verdict: Verdict }) {
  if (verdict === null) return <span class="quiet">none sent</span>
  const { tone, words } = verdictSigns[verdict.state]
  return (
    <span title={verdict.movements.map(movementWords).join('; ')}>
      <StateDot tone={tone}>{words}</StateDot>
      {verdict.since !== null && (
        <>
          , began <Time at={verdict.since} />
        </>
      )}
      {verdict.state === 'drifted' && (
        <small class="quiet">
          {verdict.movements.length === 0
            ? ', in other columns'
            : `, ${[...new Set(verdict.movements.map(({ chart, direction }) => `${chart} ${direction}`))].join(', ')}`}
        </small>
      )}
    </span>
  )
}
