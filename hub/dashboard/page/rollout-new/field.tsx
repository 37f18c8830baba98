// One field of a plan: what is typed goes into the text at once, also what makes no sense there, so that the hub can say so.

import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import type { PlanPath } from '../../../rollouts/plan/plan-text.ts'
import { parseDuration, spellDuration } from '../../../rollouts/plan/spelled-duration.ts'
import type { FieldForm } from './gate-words.ts'
import { faultOf, isFields, usePlan, valueAt, writtenName } from './plan-context.ts'
import { canEdit } from './plan-edits.ts'

type Props = {
  /** The map that the field is in. */
  parent: PlanPath
  form: FieldForm & { means?: string }
  /** What counts while nothing is written. */
  byDefault?: string
  width?: 'short' | 'medium' | 'wide'
}

export function PlanField({ parent, form, byDefault = '', width = 'short' }: Props) {
  const { plan, document, edit, faults } = usePlan()
  const id = useId()
  const name = writtenName(plan, parent, form.name)
  const path = [...parent, name]
  const value = valueAt(plan, path)
  const fault = faultOf(faults, path)
  const isLocked = !canEdit(document, path) || isFields(value) || Array.isArray(value)
  const change = (next: unknown) =>
    edit(next === undefined ? { kind: 'remove', path } : { kind: 'set', path, value: next })
  const common = {
    id: `${id}-field`,
    disabled: isLocked,
    'aria-invalid': fault !== undefined,
    'aria-describedby': fault === undefined ? undefined : `${id}-fault`,
  }
  if (form.kind === 'boolean') {
    return (
      <div class="field check">
        <label>
          <input
            {...common}
            type="checkbox"
            checked={value === true}
            onChange={({ currentTarget }) => change(currentTarget.checked ? true : undefined)}
          />
          {form.label}
        </label>
        <Fault id={id}>{fault}</Fault>
      </div>
    )
  }
  const shown = shownAs(value, name)
  return (
    <div class={`field ${width}`} title={isLocked ? 'Only the text can change this' : form.means}>
      <label for={`${id}-field`}>
        {form.label}
        {form.unit !== undefined && <span class="quiet"> {form.unit}</span>}
      </label>
      {typeof form.kind === 'object' ? (
        <select
          {...common}
          value={shown}
          onChange={({ currentTarget }) => change(currentTarget.value === '' ? undefined : currentTarget.value)}
        >
          {form.isNeeded !== true && <option value="">{byDefault === '' ? 'default' : worded(byDefault)}</option>}
          {choicesOf(form.kind.choices, byDefault, shown).map((choice) => (
            <option key={choice} value={choice}>
              {worded(choice)}
            </option>
          ))}
          {shown !== '' && !form.kind.choices.includes(shown) && <option value={shown}>{shown}</option>}
        </select>
      ) : (
        <Typed
          {...common}
          inputMode={form.kind === 'number' ? 'decimal' : 'text'}
          placeholder={byDefault}
          shown={shown}
          read={(text) => shownAs(readAs(text, form.kind, name), name)}
          onType={(text) =>
            change(text.trim() === '' && form.isNeeded !== true ? undefined : readAs(text, form.kind, name))
          }
        />
      )}
      <Fault id={id}>{fault}</Fault>
    </div>
  )
}

type TypedProps = {
  id: string
  disabled: boolean
  'aria-invalid': boolean
  'aria-describedby': string | undefined
  inputMode: 'decimal' | 'text'
  placeholder: string
  shown: string
  /** How the text would look after it went through the plan. */
  read: (text: string) => string
  onType: (text: string) => void
}

/** Keeps what is being typed (`0.`) as long as the plan says the same. */
function Typed({ shown, read, onType, ...rest }: TypedProps) {
  const [text, setText] = useState(shown)
  const sent = useRef(shown)
  useEffect(() => {
    if (shown === sent.current) return
    sent.current = shown
    setText(shown)
  }, [shown])
  return (
    <input
      {...rest}
      autocomplete="off"
      spellcheck={false}
      value={text}
      onInput={({ currentTarget }) => {
        setText(currentTarget.value)
        sent.current = read(currentTarget.value)
        onType(currentTarget.value)
      }}
    />
  )
}

function Fault({ id, children }: { id: string; children: ComponentChildren }) {
  if (children === undefined) return null
  return (
    <p id={`${id}-fault`} class="fault">
      {children}
    </p>
  )
}

function shownAs(value: unknown, name: string): string {
  if (value === undefined || value === null) return ''
  if (name.endsWith('Ms') && typeof value === 'number') return spellDuration(value)
  return typeof value === 'object' ? 'in the text' : String(value)
}

/** What is written for a text: a number where it is one, else the text, for the hub to refuse. */
function readAs(text: string, kind: FieldForm['kind'], name: string): string | number {
  const trimmed = text.trim()
  if (kind === 'number') return trimmed !== '' && Number.isFinite(Number(trimmed)) ? Number(trimmed) : text
  if (name.endsWith('Ms')) return parseDuration(text) ?? text
  return kind === 'duration' ? trimmed : text
}

/** The default is what is written where nothing is. */
const choicesOf = (choices: readonly string[], byDefault: string, shown: string): readonly string[] =>
  choices.filter((choice) => choice !== byDefault || choice === shown)

const worded = (choice: string): string => choice.replaceAll('_', ' ')
