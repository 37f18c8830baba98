// The slices of an evaluation, the worst first: a figure on the rows of each value of a column, beside that of all rows.

import { useState } from 'preact/hooks'
import type { components } from '../api-types.d.ts'
import { counted, grouped } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { compared, figuresInOrder, leadingFigure, signed, worstFirst } from './figures.ts'
import { FigureText } from './figures-table.tsx'
import { Interval } from './interval.tsx'
import { RowsTable } from './rows-table.tsx'

type Result = components['schemas']['EvaluationResult']

export function Slices({ result }: { result: NonNullable<Result> }) {
  const { slices, slicesLeftOut } = result
  const names = figuresInOrder(Object.assign({}, ...slices.map(({ figures }) => figures)))
  const [chosen, setChosen] = useState<string>()
  const name = chosen ?? leadingFigure(Object.fromEntries(names.map((one) => [one, true])))
  if (slices.length === 0 || name === undefined) return null
  const whole = result.figures[name]
  const over = slices.flatMap(({ figures }) => {
    const figure = figures[name]
    return figure === undefined ? [] : [figure.low, figure.high]
  })
  const scale = whole === undefined ? over : [...over, whole.low, whole.high]
  const hasChampion = slices.some(({ difference }) => difference[name] !== undefined)
  const left = Object.entries(slicesLeftOut)
  return (
    <section class="card stack" aria-labelledby="slices">
      <div class="title spread">
        <div class="title">
          <h2 id="slices">Slices</h2>
          <p class="quiet">The worst first. The mark is where all rows together are.</p>
        </div>
        <label class="inline">
          Figure
          <select value={name} onChange={({ currentTarget }) => setChosen(currentTarget.value)}>
            {names.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
      </div>
      <RowsTable label="Slices">
        <thead>
          <tr>
            <th scope="col">Slice</th>
            <th scope="col" class="number">
              Rows
            </th>
            <th scope="col" class="number">
              {name}
            </th>
            <th scope="col">
              <span class="hidden">Interval, all rows marked</span>
            </th>
            {hasChampion && <th scope="col">Against the champion</th>}
          </tr>
        </thead>
        <tbody>
          {worstFirst(slices, name).map((slice) => {
            const { column, value, rows, tooSmall, unmeasured } = slice
            const figure = slice.figures[name]
            const difference = slice.difference[name]
            const verdict = difference && compared(name, difference)
            return (
              <tr key={`${column} ${value}`}>
                <th scope="row" class="nowrap">
                  <code>
                    {column} = {value}
                  </code>
                </th>
                <td class="number">{grouped(rows)}</td>
                {figure === undefined ? (
                  <td class="quiet" colSpan={hasChampion ? 3 : 2}>
                    {tooSmall ?? unmeasured[name] ?? 'not measured'}
                  </td>
                ) : (
                  <>
                    <td class="number">
                      <FigureText figure={figure} />
                    </td>
                    <td>
                      <Interval figure={figure} over={scale} mark={whole?.value} />
                    </td>
                    {hasChampion && (
                      <td>
                        {difference === undefined || verdict === undefined ? (
                          '–'
                        ) : (
                          <>
                            <StateDot tone={verdict === 'better' ? 'good' : verdict === 'worse' ? 'bad' : 'idle'}>
                              {`${verdict}, ${signed(difference.value)}`}
                            </StateDot>
                            <small class="quiet block">
                              {signed(difference.low)} to {signed(difference.high)}
                            </small>
                          </>
                        )}
                      </td>
                    )}
                  </>
                )}
              </tr>
            )
          })}
        </tbody>
      </RowsTable>
      {left.length > 0 && (
        <p class="quiet">
          Not listed, of rarer values:{' '}
          {left.map(([column, { rows }]) => `${counted(rows, 'row')} of ${column}`).join(', ')}.
        </p>
      )}
    </section>
  )
}
