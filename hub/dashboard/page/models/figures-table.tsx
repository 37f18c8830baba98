// The figures of an evaluation beside those of the champion, and the difference on the same rows with its interval.

import type { components } from '../api-types.d.ts'
import { counted } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import type { Tone } from '../parts/tone.ts'
import {
  type Comparison,
  compared,
  type Figure,
  figuresInOrder,
  isSmallerBetter,
  isVariation,
  shortNumber,
  signed,
} from './figures.ts'
import { Interval } from './interval.tsx'
import { versionHref } from './links.ts'
import { RowsTable } from './rows-table.tsx'

type Result = components['schemas']['EvaluationResult']

const words: Record<Comparison, { tone: Tone; title: string }> = {
  better: { tone: 'good', title: 'better' },
  worse: { tone: 'bad', title: 'worse' },
  open: { tone: 'idle', title: 'open' },
}

export function FiguresTable({ result, model }: { result: NonNullable<Result>; model: string }) {
  const { champion, figures } = result
  const names = figuresInOrder(figures)
  const variations = names.filter((name) => isVariation(name, figures))
  return (
    <section class="card stack" aria-labelledby="figures">
      <div class="title">
        <h2 id="figures">Figures</h2>
        {champion !== null && (
          <p class="quiet">
            Beside the champion <a href={versionHref(model, champion.version)}>v{champion.version}</a>. A difference is
            open where its interval holds zero.
          </p>
        )}
      </div>
      <Rows label="Figures" result={result} names={names.filter((name) => !variations.includes(name))} />
      {variations.length > 0 && (
        <details>
          <summary>The same over classes and columns: {counted(variations.length, 'more figure')}</summary>
          <Rows label="More figures" result={result} names={variations} />
        </details>
      )}
    </section>
  )
}

function Rows({ label, result, names }: { label: string; result: NonNullable<Result>; names: readonly string[] }) {
  const { champion } = result
  return (
    <RowsTable label={label}>
      <thead>
        <tr>
          <th scope="col">Figure</th>
          <th scope="col" class="number">
            This version
          </th>
          {champion !== null && (
            <>
              <th scope="col" class="number">
                Champion
              </th>
              <th scope="col" class="number">
                Difference
              </th>
              <th scope="col">
                <span class="hidden">Interval of the difference, zero marked</span>
              </th>
              <th scope="col">So it is</th>
            </>
          )}
        </tr>
      </thead>
      <tbody>
        {names.map((name) => {
          const figure = result.figures[name]
          return (
            figure !== undefined && (
              <tr key={name}>
                <th scope="row">
                  <code>{name}</code>
                  {isSmallerBetter(name) && <small class="quiet block">smaller is better</small>}
                </th>
                <td class="number">
                  <FigureText figure={figure} />
                </td>
                {champion !== null && (
                  <Difference name={name} champion={champion.figures[name]} difference={result.difference[name]} />
                )}
              </tr>
            )
          )
        })}
      </tbody>
    </RowsTable>
  )
}

function Difference({
  name,
  champion,
  difference,
}: {
  name: string
  champion: Figure | undefined
  difference: Figure | undefined
}) {
  const verdict = difference && words[compared(name, difference)]
  return (
    <>
      <td class="number">{champion === undefined ? '–' : <FigureText figure={champion} />}</td>
      <td class="number">
        {difference === undefined ? (
          '–'
        ) : (
          <>
            {signed(difference.value)}
            <small class="quiet block">
              {signed(difference.low)} to {signed(difference.high)}
            </small>
          </>
        )}
      </td>
      <td>
        {difference !== undefined && (
          <Interval figure={difference} over={around(difference)} mark={0} tone={toneOf(verdict?.tone)} />
        )}
      </td>
      <td>{verdict === undefined ? '–' : <StateDot tone={verdict.tone}>{verdict.title}</StateDot>}</td>
    </>
  )
}

const toneOf = (tone: Tone | undefined) => (tone === 'good' || tone === 'bad' ? tone : 'plain')

/** The value, below it its interval. */
export const FigureText = ({ figure }: { figure: Figure }) => (
  <>
    {shortNumber(figure.value)}
    <small class="quiet block">
      {shortNumber(figure.low)} to {shortNumber(figure.high)}
    </small>
  </>
)

/** Zero in the middle: each difference has a scale of its own, since figures have different units. */
function around({ low, high }: Figure): number[] {
  const reach = Math.max(Math.abs(low), Math.abs(high))
  return [-reach, reach]
}
