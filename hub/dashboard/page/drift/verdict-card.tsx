// The verdict in a sentence: what left its baseline, where, since when, on how many devices; and who says so of itself.

import { useState } from 'preact/hooks'
import { counted, grouped } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { verdictSigns } from './heat-map.tsx'
import type { HeatMap, Subject } from './subject.ts'
import { movementWords } from './words.ts'

const saidShown = 4

export function VerdictCard({ subject, map }: { subject: Subject; map: HeatMap }) {
  const { verdict, said, devices, windows, isSample, model, version } = map
  const { tone } = verdictSigns[verdict.state]
  const [strongest] = verdict.movements
  const columns = [...new Set(verdict.movements.map(({ column }) => column))]
  const saying = said.columns.find(({ column }) => column === strongest?.column)?.devices ?? 0
  return (
    <section class="card stack" aria-label="Verdict">
      <p class="verdict">
        <StateDot tone={tone}>{titles[verdict.state]}</StateDot>{' '}
        {strongest !== undefined ? (
          <>
            <strong class="mono">{strongest.column}</strong> has been off its baseline at {placeOf(subject)}
            {verdict.since !== null && (
              <>
                {' '}
                since <Time at={timeOf(verdict.since)} form="full" />
              </>
            )}
            :{' '}
            {verdict.movements
              .filter(({ column }) => column === strongest.column)
              .map(movementWords)
              .join('; ')}
            {subject.kind !== 'device' && saying > 0 && (
              <>
                ; {grouped(saying)} of {counted(devices.ran, 'device')} {saying === 1 ? 'says' : 'say'} so of{' '}
                {saying === 1 ? 'itself' : 'themselves'}
              </>
            )}
            .
          </>
        ) : verdict.state === 'healthy' ? (
          <>What is seen at {placeOf(subject)} differs from the baseline no more than the baseline’s own windows do.</>
        ) : (
          <>
            The baseline of {model} v{version} has fewer than 20 windows: measures are shown, nothing is judged.
          </>
        )}
      </p>
      {columns.length > 1 && (
        <ul class="movements">
          {columns.slice(1, 6).map((column) => (
            <li key={column}>
              <span class="mono">{column}</span>:{' '}
              {verdict.movements
                .filter((movement) => movement.column === column)
                .map(movementWords)
                .join('; ')}
            </li>
          ))}
          {columns.length > 6 && <li class="quiet">and {counted(columns.length - 6, 'more column')}</li>}
        </ul>
      )}
      {subject.kind !== 'device' && said.devices > 0 && <Saying map={map} />}
      <p class="quiet">
        {model} v{version}, {counted(windows, 'report')} of {counted(devices.read, 'device')}
        {devices.read < devices.ran && ` drawn from ${grouped(devices.ran)}`}
        {isSample && ', an even sample of all'}. The verdict decides; measures are shown beside it and decide nothing.
      </p>
    </section>
  )
}

function Saying({ map: { said } }: { map: HeatMap }) {
  const [isAll, setAll] = useState(false)
  const shown = isAll ? said.latest : said.latest.slice(0, saidShown)
  const hidden = said.devices - shown.length
  return (
    <p>
      {counted(said.devices, 'device says of itself that it has', 'devices say of themselves that they have')} drifted:{' '}
      {shown.map(({ device, movements }, n) => (
        <span key={device}>
          {n > 0 && ', '}
          <a
            class="mono"
            href={`/drift?${new URLSearchParams({ device, ...(movements[0] && { column: movements[0].column }) })}`}
          >
            {device}
          </a>
        </span>
      ))}
      {hidden > 0 && (
        <>
          {' '}
          {!isAll && said.latest.length > saidShown ? (
            <button type="button" class="plain link" onClick={() => setAll(true)}>
              and {grouped(hidden)} more
            </button>
          ) : (
            `and ${grouped(hidden)} more`
          )}
        </>
      )}
      .
    </p>
  )
}

const titles = { healthy: 'No drift.', drifted: 'Drifted.', baseline_too_short: 'No verdict.' } as const

const placeOf = ({ kind, name }: Subject): string => (kind === 'model' ? `the devices that run ${name}` : name)

/** A clock may say what it likes. */
const timeOf = (ms: number): string => new Date(Math.min(ms, 8.64e15)).toISOString()
