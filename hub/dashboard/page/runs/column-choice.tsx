// Which params, metrics and tags are shown: a list to tick, behind a button.

import { useState } from 'preact/hooks'
import { type ColumnKind, type ColumnName, readColumn } from './run-values.ts'
import type { RunsSummary } from './runs-page.tsx'

type Props = {
  title: string
  summary: Pick<RunsSummary, ColumnKind> & { keysOf: number }
  chosen: readonly ColumnName[]
  most: number
  onChange: (chosen: ColumnName[]) => void
}

const groups = [
  ['metrics', 'Metrics'],
  ['params', 'Params'],
  ['tags', 'Tags'],
] as const
const shownMax = 100

export function ColumnChoice({ title, summary, chosen, most, onChange }: Props) {
  const [sought, setSought] = useState('')
  const isFull = chosen.length >= most
  return (
    <details class="column-choice">
      <summary>
        {title}: {chosen.length}
      </summary>
      <div class="stack">
        <label>
          Find a name
          <input type="search" value={sought} onInput={({ currentTarget }) => setSought(currentTarget.value)} />
        </label>
        {isFull && <p class="quiet">At most {most}.</p>}
        {groups.map(([kind, name]) => {
          const keys = summary[kind].filter(({ key }) => key.includes(sought) && !key.includes(','))
          if (keys.length === 0) return null
          return (
            <fieldset key={kind}>
              <legend>{name}</legend>
              {keys.slice(0, shownMax).map(({ key, runs }) => {
                const column = `${kind}.${key}` as const
                const isOn = chosen.includes(column)
                return (
                  <label key={key} class="tick" title={`${runs} of ${summary.keysOf} runs have it`}>
                    <input
                      type="checkbox"
                      checked={isOn}
                      disabled={!isOn && isFull}
                      onChange={() => onChange(isOn ? chosen.filter((other) => other !== column) : [...chosen, column])}
                    />
                    {key}
                  </label>
                )
              })}
              {keys.length > shownMax && <small class="quiet">{keys.length - shownMax} more: find them by name</small>}
            </fieldset>
          )
        })}
      </div>
    </details>
  )
}

/** The key alone where no other kind has it. */
export function columnTitle(column: ColumnName, among: readonly ColumnName[]): string {
  const read = readColumn(column)
  if (read === undefined) return column
  return among.filter((other) => readColumn(other)?.key === read.key).length > 1 ? column : read.key
}
