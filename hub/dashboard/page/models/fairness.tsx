// Fairness: the rates of the groups of each column, and the spread between them as figures with intervals.

import { largestFirst } from '../../../evaluation/group-order.ts'
import type { components } from '../api-types.d.ts'
import { grouped } from '../parts/quantity.tsx'
import { FigureText } from './figures-table.tsx'
import { Interval } from './interval.tsx'
import { RowsTable } from './rows-table.tsx'

type Result = components['schemas']['EvaluationResult']
type Group = NonNullable<Result>['fairness'][number]['groups'][number]

const rates = [
  ['Predicted positive', 'selectionRate'],
  ['True positive rate', 'truePositiveRate'],
  ['False positive rate', 'falsePositiveRate'],
] as const satisfies readonly (readonly [string, keyof Group])[]
const spreads = ['demographic_parity_difference', 'equalised_odds_difference'] as const
const percent = new Intl.NumberFormat('en', { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 })

export function Fairness({ result }: { result: NonNullable<Result> }) {
  if (result.fairness.length === 0) return null
  return (
    <section class="card stack" aria-labelledby="fairness">
      <h2 id="fairness">Fairness</h2>
      {result.fairness.map(({ column, groups }) => (
        <div key={column} class="stack">
          <h3>
            Between the groups of <code>{column}</code>
          </h3>
          <RowsTable label="Spread between groups">
            <thead>
              <tr>
                <th scope="col">Spread</th>
                <th scope="col" class="number">
                  Largest less smallest rate
                </th>
                <th scope="col">
                  <span class="hidden">Interval from 0 to 1</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {spreads.map((name) => {
                const figure = result.figures[`${name}[${column}]`] ?? result.figures[name]
                return (
                  <tr key={name}>
                    <th scope="row">
                      <code>{name}</code>
                    </th>
                    {figure === undefined ? (
                      <td class="quiet" colSpan={2}>
                        {result.unmeasured[name] ?? 'not measured'}
                      </td>
                    ) : (
                      <>
                        <td class="number">
                          <FigureText figure={figure} />
                        </td>
                        <td>
                          <Interval figure={figure} over={[0, 1]} mark={0} />
                        </td>
                      </>
                    )}
                  </tr>
                )
              })}
            </tbody>
          </RowsTable>
          <RowsTable label="Rates of groups">
            <thead>
              <tr>
                <th scope="col">Group</th>
                <th scope="col" class="number">
                  Rows
                </th>
                {rates.map(([title]) => (
                  <th key={title} scope="col" class="number">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {largestFirst(groups).map((group) => (
                <tr key={group.value}>
                  <th scope="row">
                    <code>{group.value}</code>
                  </th>
                  <td class="number">{grouped(group.rows)}</td>
                  {rates.map(([title, key]) => (
                    <td key={title} class="number">
                      {percent.format(group[key])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </RowsTable>
        </div>
      ))}
    </section>
  )
}
