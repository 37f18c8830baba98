// All that happened to the device, newest first, of all kinds or of one.

import { useMemo } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { pageRows, usePaged } from '../paged.ts'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { Sentence } from '../parts/sentence.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { setQuery } from '../router.ts'

type Entry = components['schemas']['TimelineEntry']
type Kind = Entry['kind']

const kinds: Record<Kind, string> = {
  assignment: 'Assignments',
  progress: 'Installations',
  drift: 'Drift',
  trouble: 'Trouble',
  agent: 'Agent',
  change: 'Changes by people',
}
const names = Object.keys(kinds) as Kind[]

export function Timeline({ device, address }: { device: string; address: URL }) {
  const kind = names.find((known) => known === address.searchParams.get('kind'))
  const entries = usePaged(
    `${device} ${kind ?? ''}`,
    async (cursor) => {
      const query = { limit: pageRows, ...(kind && { kind }), ...(cursor !== null && { cursor }) }
      const page = await answer(api.GET('/v1/devices/{id}/timeline', { params: { path: { id: device }, query } }))
      return { items: page.entries, next: page.next }
    },
    [`device:${device}`],
  )
  const columns = useMemo(() => entryColumns(), [])
  const loaded = entries.end ?? entries.known
  return (
    <div class="stack">
      <div class="chips" role="group" aria-label="Kind">
        <Chip isOn={kind === undefined} onClick={() => setQuery('kind', undefined)}>
          Everything
        </Chip>
        {names.map((name) => (
          <Chip key={name} isOn={kind === name} onClick={() => setQuery('kind', kind === name ? undefined : name)}>
            {kinds[name]}
          </Chip>
        ))}
      </div>
      {entries.error !== undefined ? (
        <ErrorState error={entries.error} />
      ) : loaded === 0 ? (
        entries.end === 0 ? (
          <EmptyState title="Nothing of the kind">
            <p>{kind === undefined ? 'Nothing has happened to it yet.' : 'There is nothing of this kind.'}</p>
          </EmptyState>
        ) : (
          <Loading rows={6} />
        )
      ) : (
        <DataTable
          label="Timeline, newest first"
          columns={columns}
          count={loaded}
          rowAt={entries.rowAt}
          keyOf={({ id }) => id}
          onVisible={entries.onVisible}
        />
      )}
    </div>
  )
}

const entryColumns = (): Column<Entry>[] => [
  {
    key: 'at',
    title: 'When',
    width: 'clamp(80px, 18vw, 224px)',
    cell: ({ at }) => (
      <>
        <span class="wide-only">
          <Time at={at} form="full" />
        </span>
        <span class="narrow-only">
          <Time at={at} />
        </span>
      </>
    ),
  },
  {
    key: 'what',
    title: 'What',
    width: '144px',
    isWideOnly: true,
    cell: ({ what, tone }) => <StateDot tone={tone}>{whatWords(what)}</StateDot>,
  },
  {
    key: 'sentence',
    title: 'What happened',
    width: 'minmax(0, 1fr)',
    cell: ({ parts }) => (
      <span title={parts.map(({ text }) => text).join('')}>
        <Sentence parts={parts} />
      </span>
    ),
  },
]

/** `rolled back` of `progress.rolled_back` */
const whatWords = (what: string): string => (what.split('.').at(-1) ?? what).replaceAll(/[_-]/g, ' ')

function Chip({ isOn, onClick, children }: { isOn: boolean; onClick: () => void; children: string }) {
  return (
    <button type="button" class="chip" aria-pressed={isOn} onClick={onClick}>
      {children}
    </button>
  )
}
