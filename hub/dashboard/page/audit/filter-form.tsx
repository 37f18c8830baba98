// What to look for. Each field stands in the address, so that a search can be sent to somebody.

import { useEffect, useId, useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import { useResource } from '../resource.ts'
import { navigate } from '../router.ts'
import { useMay } from '../session.ts'
import { auditAddress, type Filter, type FilterName, isTime } from './filter.ts'

/** What actions and subjects begin with, for who does not know them by heart. */
const nouns = ['alias.', 'claim.', 'dataset.', 'device.', 'experiment.', 'group.', 'key.', 'model.', 'promotion-']
const more = ['rollout.', 'root.', 'run.', 'session.', 'token.', 'upload.', 'version.']
const subjects = ['device:', 'group:', 'model:', 'rollout:', 'run:', 'token:', 'version:']

export function FilterForm({ filter }: { filter: Filter }) {
  const tokens = useTokens()
  const set = (name: FilterName, value: string) => navigate(auditAddress({ ...filter, [name]: value }))
  const field = (name: FilterName) => ({ value: filter[name] ?? '', onSet: (value: string) => set(name, value) })
  // browsers complain of what is no time
  const time = (value = '') => (isTime(value) ? {} : { value: '' })
  return (
    <form class="filter" role="search" aria-label="Entries" onSubmit={(event) => event.preventDefault()}>
      <Field title="Actor" placeholder="token:4kXb9TqL, hub, device:d-42" options={tokens} {...field('actor')} />
      <Field
        title="Action begins with"
        placeholder="rollout.start"
        options={[...nouns, ...more].map((value) => ({ value }))}
        {...field('action')}
      />
      <Field
        title="Subject"
        placeholder="device:d-42"
        options={subjects.map((value) => ({ value }))}
        {...field('subject')}
      />
      <Field title="From" type="datetime-local" {...field('from')} {...time(filter.from)} />
      <Field title="Before" type="datetime-local" {...field('to')} {...time(filter.to)} />
      <button type="button" disabled={Object.keys(filter).length === 0} onClick={() => navigate('/audit')}>
        Show all
      </button>
    </form>
  )
}

type FieldProps = {
  title: string
  value: string
  onSet: (value: string) => void
  type?: 'text' | 'datetime-local'
  placeholder?: string
  options?: readonly { value: string; label?: string }[]
}

/** Asks when one is done with it: Enter, or on to the next. */
function Field({ title, value, onSet, type = 'text', placeholder, options = [] }: FieldProps) {
  const id = useId()
  const [text, setText] = useState(value)
  useEffect(() => setText(value), [value])
  const done = (next: string) => {
    if (next.trim() !== value) onSet(next.trim())
  }
  return (
    <div>
      <label for={id}>{title}</label>
      <input
        id={id}
        type={type}
        value={text}
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={false}
        maxLength={512}
        list={options.length > 0 ? `${id}-options` : undefined}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value)
          // chosen from the list or the calendar, not typed
          if (
            type !== 'text' ||
            options.some((option) => option.value === currentTarget.value && /\w$/.test(option.value))
          )
            done(currentTarget.value)
        }}
        onChange={({ currentTarget }) => done(currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') done(event.currentTarget.value)
        }}
      />
      {options.length > 0 && (
        <datalist id={`${id}-options`}>
          {options.map((option) => (
            <option key={option.value} value={option.value} label={option.label ?? option.value} />
          ))}
        </datalist>
      )}
    </div>
  )
}

const offeredMax = 200

/** Tokens by name, for who may see them. */
function useTokens(): { value: string; label: string }[] {
  const may = useMay()
  const isSeen = may('admin', 'tokens')
  const { value } = useResource(`tokens ${isSeen}`, async (signal) =>
    isSeen ? (await answer(api.GET('/v1/tokens', { signal }))).tokens : [],
  )
  return (value ?? []).slice(0, offeredMax).map(({ id, name }) => ({ value: `token:${id}`, label: name }))
}
