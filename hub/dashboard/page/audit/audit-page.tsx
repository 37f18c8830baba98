// Who changed what: found by actor, action, subject and time, read both ways, verified, taken along.

import { answer, api } from '../api.ts'
import type { PageProps } from '../pages.ts'
import { useMayAudit } from '../parts/audit-link.tsx'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { useResource } from '../resource.ts'
import './audit.css'
import { Entries } from './entries.tsx'
import { auditAddress, type Filter, filterIn, type Place, pageRows, placeIn, queryOf, unreadTimes } from './filter.ts'
import { FilterForm } from './filter-form.tsx'
import { VerifyCard } from './verify-card.tsx'

export function AuditPage({ address }: PageProps) {
  const may = useMayAudit()
  const filter = filterIn(address)
  const place = placeIn(address)
  const isNewest = place.before === undefined && place.after === undefined
  const query = { limit: pageRows, ...queryOf(filter), ...place }
  const page = useResource(
    JSON.stringify(query),
    (signal) => answer(api.GET('/v1/audit', { params: { query }, signal })),
    // what is older does not change
    isNewest ? ['audit'] : [],
  )
  if (!may) {
    return (
      <EmptyState title="Not for this token">
        <p>The audit log tells of every model, and this token is for some.</p>
      </EmptyState>
    )
  }
  const { value, error } = page
  const entry = Number(address.searchParams.get('entry') ?? 0)
  return (
    <div class="stack">
      <div class="title">
        <h1>Audit</h1>
        <p class="quiet">Every change, who made it and when, newest first. Times are in {zoneName}.</p>
      </div>
      <VerifyCard filter={filter} />
      <FilterForm filter={filter} />
      {unreadTimes(filter).map((text) => (
        <p key={text} class="fault" role="alert">
          “{text}” is no date, and is left out. Write it as 2026-05-01T08:30.
        </p>
      ))}
      {value === undefined && error === undefined && <Loading rows={8} what="The log is loading" />}
      {value === undefined && error !== undefined && <ErrorState error={error} retry={page.refresh} />}
      {value !== undefined &&
        (value.changes.length === 0 ? (
          <EmptyState title="No entry is so">
            <p>
              <a href="/audit">Show all</a>
            </p>
          </EmptyState>
        ) : (
          <>
            <Entries changes={value.changes} filter={filter} open={entry} />
            <Pager
              filter={filter}
              newest={value.changes[0]?.seq ?? 0}
              oldest={value.changes.at(-1)?.seq ?? 0}
              hasNewer={value.newer}
              hasOlder={value.next !== null}
            />
          </>
        ))}
    </div>
  )
}

const zoneName = Intl.DateTimeFormat().resolvedOptions().timeZone

type PagerProps = { filter: Filter; newest: number; oldest: number; hasNewer: boolean; hasOlder: boolean }

/** The rows are numbered without a gap, so that each place has an address. */
function Pager({ filter, newest, oldest, hasNewer, hasOlder }: PagerProps) {
  const to = (place: Place) => auditAddress(filter, place)
  return (
    <nav class="pager" aria-label="Pages of the log">
      <Step href={hasNewer ? to({}) : undefined}>Newest</Step>
      <Step href={hasNewer ? to({ after: newest }) : undefined}>Newer</Step>
      <span class="quiet">
        {newest.toLocaleString('en')} to {oldest.toLocaleString('en')}
      </span>
      <Step href={hasOlder ? to({ before: oldest }) : undefined}>Older</Step>
      <Step href={hasOlder ? to({ after: 0 }) : undefined}>Oldest</Step>
    </nav>
  )
}

const Step = ({ href, children }: { href: string | undefined; children: string }) =>
  href === undefined ? (
    <span class="step quiet" aria-disabled="true">
      {children}
    </span>
  ) : (
    <a class="step" href={href}>
      {children}
    </a>
  )
