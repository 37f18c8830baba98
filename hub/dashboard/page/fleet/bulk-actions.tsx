// What can be done to all devices that the query and the state select: said with their number and some of their names,
// and done only while they are still that many.

import { useState } from 'preact/hooks'
import type { DeviceState } from '../../../fleet/device-state.ts'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { counted, grouped } from '../parts/quantity.tsx'
import { useMay } from '../session.ts'
import { states } from './states.ts'

type Outcome = components['schemas']['BulkOutcome']
export type Selected = { query: string; state: DeviceState | undefined; count: number; sample: readonly string[] }

/** What one request may change at the hub. */
const bulkMax = 20_000

export function BulkActions({ selected }: { selected: Selected }) {
  const may = useMay()
  const [asked, setAsked] = useState<'label' | 'retry'>()
  const [done, setDone] = useState<{ what: string; outcome: Outcome }>()
  const { count } = selected
  if (!may('operator', 'devices')) return null
  const close = () => setAsked(undefined)
  const isTooMany = count > bulkMax
  return (
    <div class="bulk">
      <div class="row" role="group" aria-label="With all of these devices">
        <span class="quiet">With {count === 1 ? 'this device' : `these ${counted(count, 'device')}`}:</span>
        <button type="button" disabled={count === 0 || isTooMany} onClick={() => setAsked('label')}>
          Labels…
        </button>
        <button type="button" disabled={count === 0 || isTooMany} onClick={() => setAsked('retry')}>
          Try again…
        </button>
        {isTooMany && <span class="quiet">at most {grouped(bulkMax)} at once: narrow the query</span>}
      </div>
      <div role="status">{done !== undefined && <Done {...done} />}</div>
      {asked === 'label' && <LabelMany selected={selected} onClose={close} onDone={setDone} />}
      {asked === 'retry' && <RetryMany selected={selected} onClose={close} onDone={setDone} />}
    </div>
  )
}

function Done({ what, outcome }: { what: string; outcome: Outcome }) {
  const { selected, changed, refused, refusals } = outcome
  const unchanged = selected - changed - refused
  return (
    <div class="done">
      <p>
        {what} on {counted(changed, 'device')}
        {unchanged > 0 && `; nothing to do on ${grouped(unchanged)}`}
        {refused > 0 && `; refused on ${grouped(refused)}`}.
      </p>
      {refusals.length > 0 && (
        <ul class="plain-list">
          {refusals.slice(0, 10).map(({ device, detail }) => (
            <li key={`${device} ${detail}`}>
              <a class="mono" href={`/devices/${encodeURIComponent(device)}`}>
                {device}
              </a>
              : {detail}
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

type DialogProps = {
  selected: Selected
  onClose: () => void
  onDone: (done: { what: string; outcome: Outcome }) => void
}

const act = (
  { query, state, count }: Selected,
  action: { kind: 'label'; labels: Record<string, string | null> } | { kind: 'retry' },
) =>
  answer(
    api.POST('/v1/devices/actions', {
      body: { query: query === '' ? 'all' : query, ...(state && { state }), expected: count, action },
    }),
  )

/** Who is meant, so that whoever confirms sees it. */
function Meant({ selected: { query, state, count, sample } }: { selected: Selected }) {
  const more = count - sample.length
  return (
    <>
      <p>
        <strong>{counted(count, 'device')}</strong>
        {query === '' ? ' of the whole fleet' : ' for which '}
        {query !== '' && <code>{query}</code>}
        {query !== '' && ' holds'}
        {state !== undefined && `, now ${states[state].title.toLowerCase()}`}:
      </p>
      <p class="mono sample">
        {sample.join(', ')}
        {more > 0 && ` and ${grouped(more)} more`}
      </p>
    </>
  )
}

function LabelMany({ selected, onClose, onDone }: DialogProps) {
  const [text, setText] = useState('')
  const labels = readLabels(text)
  const words = Object.entries(labels).map(([key, value]) =>
    value === null ? `takes ${key} away` : `sets ${key} = ${value}`,
  )
  const save = async () =>
    onDone({ what: 'Labels are changed', outcome: await act(selected, { kind: 'label', labels }) })
  return (
    <ConfirmDialog
      title={`Labels of ${counted(selected.count, 'device')}`}
      action={`Change ${counted(selected.count, 'device')}`}
      onConfirm={save}
      onClose={onClose}
    >
      <Meant selected={selected} />
      <label>
        One a line: key = value sets, -key takes away; others stay
        <textarea
          class="mono"
          rows={4}
          required
          spellcheck={false}
          placeholder={'line = 7\n-old-name'}
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>
      <p class="quiet">
        {words.length === 0 ? 'Nothing is changed yet.' : `This ${words.join(', ')} on each of them.`}
      </p>
    </ConfirmDialog>
  )
}

function RetryMany({ selected, onClose, onDone }: DialogProps) {
  const retry = async () =>
    onDone({ what: 'One more attempt is asked for', outcome: await act(selected, { kind: 'retry' }) })
  return (
    <ConfirmDialog
      title={`Try again on ${counted(selected.count, 'device')}?`}
      action={`Ask ${counted(selected.count, 'device')}`}
      onConfirm={retry}
      onClose={onClose}
    >
      <Meant selected={selected} />
      <p>
        Those that gave up what is wanted of them are asked for one more attempt, and those that were set aside take
        part in rollouts again. The others are left alone.
      </p>
    </ConfirmDialog>
  )
}

/** `line = 7` sets, `-line` takes away (null). Empty lines say nothing. */
export function readLabels(text: string): Record<string, string | null> {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  return Object.fromEntries<string | null>(
    lines.map((line) => {
      if (line.startsWith('-')) return [line.slice(1).trim(), null]
      const [key = '', ...value] = line.split('=')
      return [key.trim(), value.join('=').trim()]
    }),
  )
}
