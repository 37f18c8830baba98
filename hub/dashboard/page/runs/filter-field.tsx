// The filter in MLflow's language, with what there is to compare, and the hub's word where it cannot read it.

import { useEffect, useId, useRef } from 'preact/hooks'
import { useTypedText } from '../parts/typed-text.ts'
import type { RunsSummary } from './runs-page.tsx'

const settleMs = 500
const offeredMax = 300

type Props = {
  value: string
  fault: string | undefined
  keys: RunsSummary | undefined
  onChange: (filter: string) => void
}

export function FilterField({ value, fault, keys, onChange }: Props) {
  const [text, setText, sending] = useTypedText(value)
  const id = useId()
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  const type = (next: string, afterMs = settleMs) => {
    setText(next)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => {
      sending(next.trim())
      onChange(next.trim())
    }, afterMs)
  }
  return (
    <div class="filter-field">
      <label for={`${id}-field`}>Filter</label>
      <input
        id={`${id}-field`}
        type="search"
        list={`${id}-keys`}
        class="mono"
        autocomplete="off"
        spellcheck={false}
        placeholder="metrics.loss < 0.5 AND params.depth = '3'"
        aria-invalid={fault !== undefined}
        aria-describedby={`${id}-hint`}
        value={text}
        onInput={({ currentTarget }) => type(currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') type(text, 0)
        }}
      />
      <datalist id={`${id}-keys`}>
        {offers(text, keys).map((offer) => (
          <option key={offer} value={offer} />
        ))}
      </datalist>
      <p id={`${id}-hint`} class={fault === undefined ? 'quiet' : 'fault'}>
        <small>
          {fault ??
            'Comparisons of metrics, params, tags and attributes, joined by AND: = != < <= > >= LIKE ILIKE IN, IS NULL.'}
        </small>
      </p>
    </div>
  )
}

/** How the text may go on: the keys there are, at the beginning or after AND. */
function offers(text: string, keys: RunsSummary | undefined): string[] {
  if (keys === undefined) return []
  const [, before = ''] = /^(.*\bAND\s+)[^\s]*$/is.exec(text) ?? []
  if (before === '' && /\s/.test(text.trim())) return []
  const names = [
    ...keys.metrics.map(({ key }) => `metrics.${quoted(key)}`),
    ...keys.params.map(({ key }) => `params.${quoted(key)}`),
    ...keys.tags.map(({ key }) => `tags.${quoted(key)}`),
    'attributes.run_name',
    'attributes.user_id',
  ]
  return names.slice(0, offeredMax).map((name) => `${before}${name} `)
}

const quoted = (key: string): string => (/^\w+$/.test(key) ? key : `"${key.replaceAll('"', '""')}"`)
