// Failed installations beside how many are allowed: counted, not compared.

import { counted } from '../parts/quantity.tsx'
import { useWidth } from '../parts/use-width.ts'
import { short } from './scale.ts'
import type { GateVerdict } from './words.ts'

const heightPx = 44
const barPx = 14
const barTop = 6

export function Installations({ gate }: { gate: GateVerdict }) {
  const [place, widthPx] = useWidth<HTMLElement>()
  const { canary, margin, high, devices } = gate
  if (canary === null || margin === null) return null
  const most = Math.max(devices.canary, margin + 1, 1)
  const x = (count: number) => 1 + (count / most) * Math.max(0, widthPx - 2)
  const limit = `${margin} allowed`
  const isRight = x(margin) > widthPx - 80
  return (
    <figure ref={place}>
      <svg
        class="tally"
        width={widthPx}
        height={heightPx}
        role="img"
        aria-label={`${canary} of ${counted(devices.canary, 'device')} that accepted it failed, ${limit}`}
      >
        <rect class="field" x={x(0)} y={barTop} width={x(most) - x(0)} height={barPx} />
        <rect class="good" x={x(canary)} y={barTop} width={x(devices.canary) - x(canary)} height={barPx} />
        <rect class="bad" x={x(0)} y={barTop} width={x(canary) - x(0)} height={barPx} />
        <line class="margin" x1={x(margin)} x2={x(margin)} y1={1} y2={barTop + barPx + 5} />
        <text x={x(margin) + (isRight ? -2 : 0)} y={heightPx - 6} text-anchor={isRight ? 'end' : 'start'}>
          {limit}
        </text>
      </svg>
      <figcaption class="quiet">
        <b>{canary}</b> failed, <b>{devices.canary - canary}</b> did not.
        {high !== null &&
          devices.canary > 0 &&
          ` Of so few devices one can tell only that at most ${short(100 * high)} % would fail.`}
      </figcaption>
    </figure>
  )
}
