// A label query as one types it, completed out of the labels there are.

import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { useTypedText } from './typed-text.ts'

export type LabelValues = readonly { key: string; values: readonly string[] }[]

type Props = {
  label?: string
  /** Empty: all. */
  value: string
  labels: LabelValues
  /** Of the hub, about what was asked last. */
  fault?: string | undefined
  onChange: (query: string) => void
}

const settleMs = 400
const shownMax = 8

export function LabelQuery({ label = 'Label query', value, labels, fault, onChange }: Props) {
  const [text, setText, sending] = useTypedText(value)
  const [choice, setChoice] = useState(-1)
  const [isOpen, setOpen] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  const id = useId()
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  const type = (next: string, afterMs = settleMs) => {
    setText(next)
    setChoice(-1)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => {
      timer.current = undefined
      sending(next.trim())
      onChange(next.trim())
    }, afterMs)
  }
  const leave = () => {
    setOpen(false)
    // what is done next is done with what was typed
    if (timer.current !== undefined) type(text, 0)
  }
  const offered = isOpen ? completions(text, labels).slice(0, shownMax) : []
  const take = (index: number) => {
    const completion = offered[index]
    if (completion === undefined) return
    type(completion.text)
    field.current?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' && offered.length > 0) setChoice((choice + 1) % offered.length)
    else if (event.key === 'ArrowUp' && offered.length > 0) setChoice((choice - 1 + offered.length) % offered.length)
    else if ((event.key === 'Enter' || event.key === 'Tab') && choice >= 0) take(choice)
    else if (event.key === 'Enter') {
      setOpen(false)
      type(text, 0)
    } else if (event.key === 'Escape' && isOpen) setOpen(false)
    else return
    event.preventDefault()
  }
  return (
    <div class="label-query">
      <label for={`${id}-field`}>{label}</label>
      <input
        id={`${id}-field`}
        ref={field}
        role="combobox"
        aria-expanded={offered.length > 0}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={choice >= 0 ? `${id}-${choice}` : undefined}
        aria-invalid={fault !== undefined}
        aria-describedby={fault === undefined ? undefined : `${id}-fault`}
        autocomplete="off"
        spellcheck={false}
        placeholder="site = north and profile = raspberry-pi-5"
        value={text}
        onInput={({ currentTarget }) => {
          setOpen(true)
          type(currentTarget.value)
        }}
        onFocus={() => setOpen(true)}
        onBlur={leave}
        onKeyDown={onKeyDown}
      />
      <ul id={`${id}-list`} role="listbox" aria-label="Completions" hidden={offered.length === 0}>
        {offered.map(({ shown }, index) => (
          <li
            key={shown}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === choice}
            // before the field loses the focus
            onPointerDown={(event) => {
              event.preventDefault()
              take(index)
            }}
          >
            {shown}
          </li>
        ))}
      </ul>
      {fault !== undefined && (
        <p id={`${id}-fault`} class="fault">
          {fault}
        </p>
      )}
    </div>
  )
}

/** How the text may go on: keys where one may stand, values after `=`, `and` and `or` after a whole term. */
export function completions(text: string, labels: LabelValues): { shown: string; text: string }[] {
  const [, before = '', word = ''] = /^(.*?)([^\s()=,!]*)$/s.exec(text) ?? []
  const whole = (shown: string, after: string) => ({ shown, text: `${before}${shown}${after}` })
  const [, key] = /([a-z0-9._/-]+)\s*!?=\s*$/.exec(before) ?? []
  if (key !== undefined) {
    const values = labels.find((label) => label.key === key)?.values ?? []
    return values.filter((value) => value.startsWith(word) && value !== word).map((value) => whole(quoted(value), ' '))
  }
  const isAfterTerm = /=\s*(?:"[^"]*"|[^\s=]+)\s+$/.test(before)
  if (isAfterTerm) return ['and', 'or'].filter((joint) => joint.startsWith(word)).map((joint) => whole(joint, ' '))
  return labels.filter((label) => label.key.startsWith(word)).map((label) => whole(label.key, ' = '))
}

const quoted = (value: string): string =>
  /^[\w.-]+$/.test(value) ? value : `"${value.replaceAll(/(["\\])/g, '\\$1')}"`
