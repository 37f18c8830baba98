// Features by time: how dark a cell is says how far it is from the baseline by the chosen measure, which decides nothing; the
// sign in it says that the verdict names it. A cell leads to its distributions. Arrow keys move between cells.

import { type MeasureName, measures } from '@roost/shared/drift/measures.ts'
import { useMemo } from 'preact/hooks'
import { grouped } from '../parts/quantity.tsx'
import { ScrollRegion } from '../parts/scroll-region.tsx'
import { inFull } from '../parts/time.tsx'
import { shapes } from '../parts/tone.ts'
import type { HeatMap } from './subject.ts'
import { figure, movementWords, percent, shadeNames, shadeOf, signOf } from './words.ts'

export type Chosen = { column: string; at: string }
type Column = HeatMap['columns'][number]
type Step = HeatMap['steps'][number]

type Props = {
  map: HeatMap
  measure: MeasureName
  /** Figures in the cells instead of shades alone. */
  isNumbers: boolean
  chosen: Chosen | undefined
  onChoose: (chosen: Chosen) => void
}

export const verdictSigns = {
  healthy: { tone: 'good', words: 'as the baseline' },
  drifted: { tone: 'bad', words: 'drifted' },
  baseline_too_short: { tone: 'idle', words: 'baseline too short for a verdict' },
} as const

export function HeatMapTable({ map, measure, isNumbers, chosen, onChoose }: Props) {
  const { steps, columns } = map
  const groups = [
    { title: 'Features', rows: columns.filter(({ kind }) => kind === 'feature') },
    { title: 'Predictions', rows: columns.filter(({ kind }) => kind === 'output') },
  ].filter(({ rows }) => rows.length > 0)
  const ticks = useMemo(
    () =>
      ticksOf(
        steps.map(({ from }) => from),
        map.stepSeconds,
      ),
    [steps, map.stepSeconds],
  )
  const order = groups.flatMap(({ rows }) => rows.map(({ column }) => column))
  const hasLabels = steps.some(({ labels }) => labelled(labels) > 0)
  const onKeyDown = (event: KeyboardEvent) => {
    const cell = event.target instanceof HTMLElement ? event.target.closest<HTMLElement>('[data-cell]') : null
    const [row, step] = (cell?.dataset.cell ?? '').split(' ').map(Number)
    if (row === undefined || step === undefined || cell === null) return
    const to: Record<string, [number, number]> = {
      ArrowLeft: [row, step - 1],
      ArrowRight: [row, step + 1],
      ArrowUp: [row - 1, step],
      ArrowDown: [row + 1, step],
      Home: [row, 0],
      End: [row, steps.length - 1],
    }
    const next = to[event.key]
    if (next === undefined) return
    event.preventDefault()
    cell.closest('table')?.querySelector<HTMLElement>(`[data-cell="${next[0]} ${next[1]}"]`)?.focus()
  }
  const focused =
    chosen === undefined || !order.includes(chosen.column) ? { column: order[0], at: steps[0]?.from } : chosen
  return (
    <div class="heat-map">
      <ScrollRegion label="Drift by feature and time">
        <table
          class={isNumbers ? 'heat numbers' : 'heat'}
          role="grid"
          aria-label="Drift by feature and time"
          onKeyDown={onKeyDown}
        >
          <thead>
            <tr>
              <th scope="col">
                <span class="visually-hidden">Feature</span>
                <span class="zone">{zoneName()}</span>
              </th>
              {steps.map(({ from }, n) => (
                <th key={from} scope="col" aria-label={inFull(new Date(from))}>
                  {ticks[n] !== undefined && <span class="tick">{ticks[n]}</span>}
                </th>
              ))}
            </tr>
            <tr class="verdicts">
              <th scope="row">Verdict</th>
              {steps.map((step) => (
                <td key={step.from} class={step.verdict === null ? 'none' : ''}>
                  <VerdictSign step={step} />
                </td>
              ))}
            </tr>
          </thead>
          {groups.map(({ title, rows }) => (
            <tbody key={title}>
              <tr class="group">
                <th scope="rowgroup" colSpan={steps.length + 1}>
                  <span>{title}</span>
                </th>
              </tr>
              {rows.map((row) => (
                <tr key={row.column}>
                  <th scope="row" class="mono" title={row.column}>
                    <span>{row.column}</span>
                  </th>
                  {steps.map((step, n) => {
                    const isChosen = chosen?.column === row.column && chosen.at === step.from
                    const isFocused = focused.column === row.column && focused.at === step.from
                    const { css, text, words } = cellOf(row, step, n, measure, isNumbers)
                    return (
                      <td key={step.from}>
                        <button
                          type="button"
                          class={css}
                          data-cell={`${order.indexOf(row.column)} ${n}`}
                          tabIndex={isFocused ? 0 : -1}
                          aria-pressed={isChosen}
                          aria-label={words}
                          title={words}
                          onClick={() => onChoose({ column: row.column, at: step.from })}
                        >
                          {text}
                        </button>
                      </td>
                    )
                  })}
                </tr>
              ))}
            </tbody>
          ))}
          {hasLabels && (
            <tbody>
              <tr class="group">
                <th scope="rowgroup" colSpan={steps.length + 1}>
                  <span>Labels that have come</span>
                </th>
              </tr>
              <tr>
                <th scope="row">Predictions wrong</th>
                {steps.map(({ from, labels }) => (
                  <td key={from} class={labelled(labels) === 0 ? 'none' : ''}>
                    <WrongSign labels={labels} isNumbers={isNumbers} />
                  </td>
                ))}
              </tr>
            </tbody>
          )}
        </table>
      </ScrollRegion>
      <Legend measure={measure} />
    </div>
  )
}

/** How a cell looks and what it says. No window, and too few rows to measure, are no zeros. */
export function cellOf(row: Column, step: Step, n: number, measure: MeasureName, isNumbers: boolean) {
  const value = row[measure][n] ?? null
  const [present, missing] = [row.present[n] ?? 0, row.missing[n] ?? 0]
  const when = inFull(new Date(step.from))
  if (present + missing === 0) {
    return { css: 'cell none', text: '', words: `${row.column}, ${when}: no data` }
  }
  const movements = step.verdict?.state === 'drifted' ? step.verdict.movements : []
  const sign = signOf(movements, row.column)
  const { title, unit = '', shades } = measures[measure]
  const said =
    value === null
      ? `${title} not measured${present < 30 ? `, ${present} values are too few` : ''}`
      : `${title} ${figure(value)}${unit === '' ? '' : ` ${unit}`}`
  const moved = movements.filter(({ column }) => column === row.column).map(movementWords)
  const gone = missing > 0 ? `; ${percent(missing / (present + missing))} missing` : ''
  return {
    css: `cell ${value === null ? 'unmeasured' : `s${shadeOf(value, shades)}`}${sign === '' ? '' : ' moved'}`,
    text: [sign, isNumbers ? figure(value) : value === null && sign === '' ? '·' : ''].filter(Boolean).join(' '),
    words: `${row.column}, ${when}: ${said}; ${moved.length === 0 ? 'not named by the verdict' : `drifted: ${moved.join('; ')}`}${gone}`,
  }
}

function VerdictSign({ step: { verdict, from, windows, devices } }: { step: Step }) {
  const when = inFull(new Date(from))
  if (verdict === null) return <span class="visually-hidden">no data</span>
  const { tone, words } = verdictSigns[verdict.state]
  return (
    <span class={`dot ${tone}`} title={`${when}: ${words}; ${grouped(windows)} reports of ${grouped(devices)} devices`}>
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
        <path d={shapes[tone]} fill-rule="evenodd" />
      </svg>
      <span class="visually-hidden">{words}</span>
    </span>
  )
}

type Labels = Step['labels']
const labelled = ({ truePositive, falsePositive, trueNegative, falseNegative }: Labels) =>
  truePositive + falsePositive + trueNegative + falseNegative

function WrongSign({ labels, isNumbers }: { labels: Labels; isNumbers: boolean }) {
  const total = labelled(labels)
  if (total === 0) return <span class="visually-hidden">no labels</span>
  const wrong = (labels.falsePositive + labels.falseNegative) / total
  const words = `${percent(wrong)} wrong of ${grouped(total)}: ${grouped(labels.falsePositive)} false alarms, ${grouped(labels.falseNegative)} missed`
  return (
    <span class="wrong" title={words}>
      {isNumbers ? (
        percent(wrong)
      ) : (
        <svg viewBox="0 0 10 24" preserveAspectRatio="none" aria-hidden="true">
          <rect class="ground" width="10" height="24" />
          <rect class="share" y={24 - 24 * wrong} width="10" height={24 * wrong} />
        </svg>
      )}
      <span class="visually-hidden">{words}</span>
    </span>
  )
}

function Legend({ measure }: { measure: MeasureName }) {
  const { title, unit, shades } = measures[measure]
  return (
    <ul class="legend">
      <li class="quiet">
        {title}
        {unit !== undefined && `, ${unit}`}
      </li>
      {shadeNames(shades).map((name, n) => (
        <li key={name}>
          <span class={`cell s${n}`} aria-hidden="true" /> {name}
        </li>
      ))}
      <li>
        <span class="cell none" aria-hidden="true" /> no data
      </li>
      <li>
        <span class="cell unmeasured" aria-hidden="true">
          ·
        </span>{' '}
        too few to measure
      </li>
      <li>
        <span aria-hidden="true">▲▼◆</span> named by the verdict: moved up, down, changed otherwise
      </li>
    </ul>
  )
}

const zone = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' })
const zoneName = () => zone.formatToParts(new Date()).find(({ type }) => type === 'timeZoneName')?.value ?? ''

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const seconds = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
const ticksWanted = 6

/** A label at about every sixth of the steps; the day where it is another one than at the label before. */
export function ticksOf(starts: readonly string[], stepSeconds: number): (string | undefined)[] {
  const every = Math.max(4, Math.ceil(starts.length / ticksWanted))
  let before = ''
  return starts.map((from, n) => {
    if (n % every !== 0 || (n > 0 && starts.length - n < 3)) return undefined
    const date = new Date(from)
    const today = day.format(date)
    const isNew = today !== before
    before = today
    if (stepSeconds >= 86_400) return today
    const time = (stepSeconds < 60 ? seconds : clock).format(date)
    return isNew ? `${today} ${time}` : time
  })
}
