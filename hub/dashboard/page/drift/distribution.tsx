// Both distributions of a column, bars side by side: the baseline's as outlines, those of the window filled.

import { useMemo } from 'preact/hooks'
import { grouped } from '../parts/quantity.tsx'
import { ScrollRegion } from '../parts/scroll-region.tsx'
import { useWidth } from '../parts/use-width.ts'
import { type Bar, shareOf } from './bars.ts'
import { percent } from './words.ts'

const heightPx = 168
const axisPx = 24
const topPx = 16
/** A label needs so much. */
const labelPx = 52

export function Distribution({ column, bars }: { column: string; bars: readonly Bar[] }) {
  const [place, widthPx] = useWidth<HTMLDivElement>()
  const baseline = useMemo(() => shareOf(bars, 'baseline'), [bars])
  const current = useMemo(() => shareOf(bars, 'current'), [bars])
  const most = Math.max(0.01, ...baseline, ...current)
  const stepPx = widthPx / Math.max(1, bars.length)
  const barPx = Math.max(2, Math.min(28, stepPx * 0.4))
  const high = (share: number) => (share * (heightPx - topPx)) / most
  const every = Math.max(1, Math.ceil(labelPx / Math.max(1, stepPx)))
  const isLabelled = ({ kind }: Bar, n: number) =>
    kind === 'bin' ? n % every === 0 && n < bars.length - 2 - every / 2 : true
  return (
    <div class="distribution">
      <p class="distribution-key" aria-hidden="true">
        <span class="key baseline" /> baseline <span class="key current" /> this window
        <span class="quiet">share of all rows, up to {percent(most)}</span>
      </p>
      <div ref={place}>
        <svg
          width={widthPx}
          height={heightPx + axisPx}
          role="img"
          aria-label={`Distribution of ${column}: ${bars
            .map(
              ({ name }, n) => `${name} ${percent(baseline[n] ?? 0)} in the baseline, ${percent(current[n] ?? 0)} now`,
            )
            .join('; ')}`}
        >
          <line class="axis" x1={0} x2={widthPx} y1={heightPx + 0.5} y2={heightPx + 0.5} />
          {bars.map((bar, n) => {
            const middle = (n + 0.5) * stepPx
            const [was, is] = [high(baseline[n] ?? 0), high(current[n] ?? 0)]
            return (
              <g key={bar.name}>
                <title>
                  {`${bar.name}: ${grouped(bar.baseline)} rows (${percent(baseline[n] ?? 0)}) in the baseline, ${grouped(bar.current)} (${percent(current[n] ?? 0)}) now`}
                </title>
                <rect class="hit" x={n * stepPx} y={0} width={stepPx} height={heightPx} />
                <rect class="baseline" x={middle - barPx + 0.5} y={heightPx - was} width={barPx - 1} height={was} />
                <rect class="current" x={middle} y={heightPx - is} width={barPx} height={is} />
                {isLabelled(bar, n) && (
                  <text
                    x={middle}
                    y={heightPx + 17}
                    text-anchor={n === bars.length - 1 ? 'end' : n === 0 ? 'start' : 'middle'}
                    dx={n === bars.length - 1 ? stepPx / 2 : n === 0 ? -stepPx / 2 : 0}
                  >
                    {bar.short}
                  </text>
                )}
              </g>
            )
          })}
        </svg>
      </div>
      <details>
        <summary>Counts</summary>
        <ScrollRegion label={`Counts of ${column}`}>
          <table class="plain-table">
            <thead>
              <tr>
                <th>Values</th>
                <th class="number">Baseline, rows</th>
                <th class="number">Share</th>
                <th class="number">This window, rows</th>
                <th class="number">Share</th>
              </tr>
            </thead>
            <tbody>
              {bars.map(({ name, baseline: was, current: is }, n) => (
                <tr key={name}>
                  <td>{name}</td>
                  <td class="number">{grouped(was)}</td>
                  <td class="number">{percent(baseline[n] ?? 0)}</td>
                  <td class="number">{grouped(is)}</td>
                  <td class="number">{percent(current[n] ?? 0)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollRegion>
      </details>
    </div>
  )
}
