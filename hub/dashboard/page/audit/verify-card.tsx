// Whether the log is whole: the hub reads all of it and recomputes the chain. And the log to take along.

import { useState } from 'preact/hooks'
import { ApiError, answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { counted } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { verdict } from './entry-words.ts'
import { type Filter, queryOf } from './filter.ts'

type Verification = components['schemas']['AuditVerification']
type State =
  | { kind: 'idle' }
  | { kind: 'busy'; rows: number; total: number }
  | { kind: 'done'; found: Verification; at: string }
  | { kind: 'failed'; error: ApiError }

export function VerifyCard({ filter }: { filter: Filter }) {
  const [state, setState] = useState<State>({ kind: 'idle' })
  const verify = async () => {
    setState({ kind: 'busy', rows: 0, total: 0 })
    try {
      const found = await verifyAll((rows, total) => setState({ kind: 'busy', rows, total }))
      setState({ kind: 'done', found, at: new Date().toISOString() })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      setState({ kind: 'failed', error })
    }
  }
  const narrowed = Object.keys(filter).length > 0
  const query = new URLSearchParams(queryOf(filter)).toString()
  return (
    <section class="card verify" aria-labelledby="verify">
      <h2 id="verify">Is the log whole?</h2>
      <div class="row">
        <button type="button" class="primary" disabled={state.kind === 'busy'} onClick={() => void verify()}>
          {state.kind === 'busy' ? 'Verifying…' : 'Verify the chain'}
        </button>
        <a class="button" href={`/v1/audit/export${query === '' ? '' : `?${query}`}`} download="audit.jsonl">
          {narrowed ? 'Export these entries' : 'Export all'}
        </a>
      </div>
      <div class="found" aria-live="polite">
        {state.kind === 'idle' && (
          <p class="quiet">
            Each entry is chained to the one before by its hash, and the hub signs the last. Verifying reads them all.
          </p>
        )}
        {state.kind === 'busy' && (
          <>
            <progress
              aria-label="The hub reads every entry"
              {...(state.total > 0 && { value: state.rows, max: state.total })}
            />
            <p class="quiet">
              {state.rows === 0 ? 'The hub reads every entry.' : `${counted(state.rows, 'entry', 'entries')} read`}
            </p>
          </>
        )}
        {state.kind === 'failed' && <ErrorState error={state.error} retry={() => void verify()} />}
        {state.kind === 'done' && <Found {...state} />}
      </div>
    </section>
  )
}

/** Entries of a step: a second of the hub's work, so that progress shows and no answer takes long. */
const stepRows = 10_000
const faultsMax = 100

/** Piece by piece to the end; the pieces add up to one verification of all. */
async function verifyAll(onProgress: (rows: number, total: number) => void): Promise<Verification> {
  const ask = (after: string | null) =>
    answer(
      api.GET('/v1/audit/verification', { params: { query: { limit: stepRows, ...(after !== null && { after }) } } }),
    )
  let sum = await ask(null)
  while (sum.next !== null) {
    onProgress(sum.rows, sum.signed?.seq ?? 0)
    const more = await ask(sum.next)
    sum = {
      ...more,
      ok: sum.ok && more.ok,
      rows: sum.rows + more.rows,
      faults: [...sum.faults, ...more.faults].slice(0, faultsMax),
      faultsFound: sum.faultsFound + more.faultsFound,
    }
  }
  return sum
}

function Found({ found, at }: { found: Verification; at: string }) {
  const head = `${found.head.seq}:${found.head.hash}`
  return (
    <>
      <p class={found.ok ? 'verdict' : 'verdict fault'}>
        <StateDot tone={found.ok ? 'good' : 'bad'}>{found.ok ? 'Whole' : 'Broken'}</StateDot>
        <span>{verdict(found)}</span>
        <small class="quiet">
          Verified <Time at={at} />
        </small>
      </p>
      {!found.ok && (
        <ul class="faults">
          {found.faults.map((fault) => (
            <li key={`${fault.kind} ${fault.seq} ${fault.detail}`}>
              <span class="mono">{fault.kind}</span>{' '}
              {fault.seq === null ? '' : <a href={`/audit?before=${fault.seq + 1}&entry=${fault.seq}`}>{fault.seq}</a>}{' '}
              {fault.detail}
            </li>
          ))}
          {found.faultsFound > found.faults.length && (
            <li class="quiet">and {(found.faultsFound - found.faults.length).toLocaleString('en')} more</li>
          )}
        </ul>
      )}
      <p class="head">
        <span class="mono" title={head}>
          {head}
        </span>
        <CopyButton text={head}>Copy head</CopyButton>
      </p>
      <p class="quiet">
        Keep the head where nobody of this machine can change it; later <code>roost audit verify --head</code> tells
        whether it is still in the log.
      </p>
    </>
  )
}
