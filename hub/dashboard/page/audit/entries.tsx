// Entries of the log, each in a line that opens: what was before, what is after, the hash it is chained by.

import type { components } from '../api-types.d.ts'
import { pages } from '../pages.ts'
import { Actor } from '../parts/actor.tsx'
import { CopyButton } from '../parts/copy-button.tsx'
import { ScrollRegion } from '../parts/scroll-region.tsx'
import { Time } from '../parts/time.tsx'
import { matchPath, setQuery } from '../router.ts'
import { type Difference, differences, fieldsMax, subjectPath } from './entry-words.ts'
import { auditAddress, type Filter, type FilterName } from './filter.ts'

type AuditEntry = components['schemas']['AuditEntry']

/** `open`: the number of the entry that is shown whole. */
export function Entries({ changes, filter, open }: { changes: readonly AuditEntry[]; filter: Filter; open: number }) {
  return (
    <ol class="entries" aria-label="Entries of the log">
      {changes.map((entry) => (
        <Entry key={entry.seq} entry={entry} filter={filter} isOpen={entry.seq === open} />
      ))}
    </ol>
  )
}

function Entry({ entry, filter, isOpen }: { entry: AuditEntry; filter: Filter; isOpen: boolean }) {
  const { seq, at, actor, action, subject, before, after } = entry
  const id = `entry-${seq}`
  return (
    <li class={isOpen ? 'entry open' : 'entry'}>
      <div class="line">
        <button
          type="button"
          class="plain number"
          aria-expanded={isOpen}
          aria-controls={id}
          aria-label={`Entry ${seq}`}
          onClick={() => setQuery('entry', isOpen ? undefined : String(seq))}
        >
          <span class="turn" aria-hidden="true">
            ›
          </span>
          {seq.toLocaleString('en')}
        </button>
        <span class="when">
          <Time at={at} form="full" />
        </span>
        <span class="who">
          <Narrow name="actor" value={actor} filter={filter}>
            <Actor actor={actor} />
          </Narrow>
        </span>
        <span class="what mono">
          <Narrow name="action" value={action} filter={filter}>
            {action}
          </Narrow>
        </span>
        <span class="subject mono" title={subject}>
          <Subject subject={subject} />
        </span>
        <span class="gist quiet" title={gist(before, after)}>
          {gist(before, after)}
        </span>
      </div>
      {isOpen && <Whole id={id} entry={entry} filter={filter} />}
    </li>
  )
}

/** Narrows the log to what has this in common. */
function Narrow(props: { name: FilterName; value: string; filter: Filter; children: preact.ComponentChildren }) {
  const { name, value, filter, children } = props
  if (filter[name] === value) return <span title={value}>{children}</span>
  return (
    <a href={auditAddress({ ...filter, [name]: value })} title={`Only ${name} ${value}`}>
      {children}
    </a>
  )
}

/** A link to it, where a page shows it. */
export function Subject({ subject }: { subject: string }) {
  const path = subjectPath(subject)
  const known = path !== undefined && pages.some((page) => matchPath(page.path, path.split('?')[0] ?? '') !== undefined)
  return known ? <a href={path}>{subject}</a> : <span>{subject}</span>
}

/** The first change, as far as it fits a line. */
function gist(before: unknown, after: unknown): string {
  const [first, ...others] = differences(before, after).filter(({ isChanged }) => isChanged)
  if (first === undefined) return ''
  const name = first.field === '' ? '' : `${first.field}: `
  const values =
    first.before === undefined
      ? first.after
      : first.after === undefined
        ? `was ${first.before}`
        : `${first.before} → ${first.after}`
  return `${name}${values ?? ''}${others.length > 0 ? `, and ${others.length} more` : ''}`
}

function Whole({ id, entry, filter }: { id: string; entry: AuditEntry; filter: Filter }) {
  const { seq, actor, subject, before, after, requestId, hash } = entry
  const rows = differences(before, after)
  return (
    <div id={id} class="whole">
      {rows.length === 0 ? (
        <p class="quiet">Nothing more is recorded of it.</p>
      ) : (
        <ScrollRegion label={`Fields of entry ${seq}`}>
          <table>
            <thead>
              <tr>
                <th scope="col">Field</th>
                <th scope="col">Before</th>
                <th scope="col">After</th>
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, fieldsMax).map((row) => (
                <FieldRow key={row.field} row={row} />
              ))}
            </tbody>
          </table>
          {rows.length > fieldsMax && <p class="quiet">and {rows.length - fieldsMax} more fields: see the export</p>}
        </ScrollRegion>
      )}
      <dl class="facts">
        <div>
          <dt>Actor</dt>
          <dd>
            <span class="mono">{actor}</span>{' '}
            {filter.actor !== actor && <a href={auditAddress({ actor })}>all that it did</a>}
          </dd>
        </div>
        <div>
          <dt>Subject</dt>
          <dd>
            <span class="mono">
              <Subject subject={subject} />
            </span>{' '}
            {filter.subject !== subject && <a href={auditAddress({ subject })}>all about it</a>}
          </dd>
        </div>
        <div>
          <dt>Time, UTC</dt>
          <dd class="mono">{entry.at}</dd>
        </div>
        {requestId !== null && (
          <div>
            <dt>Request</dt>
            <dd class="mono">{requestId}</dd>
          </div>
        )}
        <div>
          <dt>Hash</dt>
          <dd>
            <span class="mono">{hash}</span>
            <CopyButton text={`${seq}:${hash}`}>Copy as head</CopyButton>
          </dd>
        </div>
      </dl>
    </div>
  )
}

function FieldRow({ row: { field, before, after, isChanged } }: { row: Difference }) {
  return (
    <tr class={isChanged ? 'changed' : undefined}>
      <th scope="row" class="mono">
        {field === '' ? 'value' : field}
      </th>
      <td class="mono">{before ?? <span class="quiet">–</span>}</td>
      <td class="mono">{after ?? <span class="quiet">–</span>}</td>
    </tr>
  )
}
