// The plan as text. Behind the field stand its lines again, with their numbers and with what is wrong in them, in the same
// type and at the same width, so that both wrap alike.

import { useLayoutEffect, useRef } from 'preact/hooks'
import type { TextFault } from '../../../rollouts/plan/plan-text.ts'

type Props = {
  text: string
  faults: readonly TextFault[]
  onText: (text: string) => void
}

export function PlanTextArea({ text, faults, onText }: Props) {
  const field = useRef<HTMLTextAreaElement>(null)
  const wrong = new Set(faults.map(({ line }) => line))
  const go = ({ offset }: TextFault) => {
    field.current?.focus()
    field.current?.setSelectionRange(offset, offset)
  }
  useLayoutEffect(() => {
    const there = field.current
    // not while it is typed: the cursor would jump
    if (there !== null && there.value !== text) there.value = text
  }, [text])
  return (
    <div class="stack tight">
      <div class="plan-text">
        <div class="lines" aria-hidden="true">
          {text.split('\n').map((line, n) => (
            <div key={n} data-n={n + 1} class={wrong.has(n + 1) ? 'wrong' : undefined}>
              {line === '' ? ' ' : <Line text={line} />}
            </div>
          ))}
        </div>
        <textarea
          ref={field}
          aria-label="Plan as YAML"
          aria-invalid={faults.length > 0}
          aria-describedby={faults.length > 0 ? 'plan-text-faults' : undefined}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          defaultValue={text}
          onInput={({ currentTarget }) => onText(currentTarget.value)}
        />
      </div>
      {faults.length > 0 && (
        <ul id="plan-text-faults" class="faults">
          {faults.map((fault) => (
            <li key={`${fault.offset} ${fault.message}`}>
              <button type="button" class="plain link" onClick={() => go(fault)}>
                Line {fault.line}
              </button>{' '}
              <span class="fault">{fault.message}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

/** Comments are told from the rest. */
function Line({ text }: { text: string }) {
  const at = /(^|\s)#/.exec(text)?.index
  if (at === undefined) return <>{text}</>
  return (
    <>
      {text.slice(0, at)}
      <span class="quiet">{text.slice(at)}</span>
    </>
  )
}
