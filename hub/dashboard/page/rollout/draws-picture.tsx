// The redraw test as a picture: how bad every other draw looks, and where the real one stands among them.

import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { grouped } from '../parts/quantity.tsx'
import { useWidth } from '../parts/use-width.ts'
import { useResource } from '../resource.ts'
import { evenTicks, short } from './scale.ts'
import type { GateVerdict } from './words.ts'

type Draws = components['schemas']['GateDraws']

const plotPx = 96
const topPx = 22
const axisPx = 34
const edgePx = 12
/** Beyond, a number of standard errors says only that the devices hardly differ. */
const errorsMax = 10_000

type Props = { rollout: string; look: number; place: number; gate: GateVerdict }

/** A look's draws never change: asked for once a look. */
export function DrawsPicture({ rollout, look, place, gate }: Props) {
  const { value, error } = useResource(`${rollout} ${look} ${place}`, (signal) =>
    answer(
      api.GET('/v1/rollouts/{id}/looks/{number}/gates/{place}/draws', {
        params: { path: { id: rollout, number: look, place } },
        signal,
      }),
    ),
  )
  if (error !== undefined) return <p class="quiet">{error.problem.detail}</p>
  if (value === undefined) return <div class="draws-place" role="status" aria-label="The draws are loading" />
  return <Histogram draws={value} gate={gate} />
}

function Histogram({ draws, gate }: { draws: Draws; gate: GateVerdict }) {
  const [plot, widthPx] = useWidth<HTMLElement>()
  const { picture, asBad, asGood } = draws
  const { real, from, width, counts, asBadFrom } = picture
  const to = from + width * counts.length
  const low = Math.min(from, real, 0)
  const high = Math.max(to, real, 0)
  const pad = (high - low) * 0.03 || 1
  const x = (value: number) =>
    edgePx + ((value - low + pad) / (high - low + 2 * pad)) * Math.max(0, widthPx - 2 * edgePx)
  const most = Math.max(1, ...counts)
  // a square root, so that the few draws beyond the real one are seen beside thousands
  const heightOf = (count: number) => Math.sqrt(count / most) * plotPx
  const bottom = topPx + plotPx
  const isRight = x(real) > widthPx / 2
  const isAlike = Math.max(-low, high) > errorsMax
  const ticks = isAlike ? [0] : evenTicks(low, high)
  const total = grouped(draws.draws)
  const others = {
    redraw: 'other draws of the canaries',
    blocks: 'other choices of time',
    paired: 'other choices of sign',
    own_past: 'other choices of sign',
    counts: '',
    none: '',
  }[draws.method]
  const said = `Of ${total} ${others}, ${grouped(asBad)} look as bad as the real one at the margin, and ${grouped(asGood)} as good`
  return (
    <figure ref={plot}>
      <svg class="draws" width={widthPx} height={bottom + axisPx} role="img" aria-label={`${said}.`}>
        {counts.map((count, bin) =>
          count === 0 ? null : (
            <rect
              key={bin}
              class={bin >= asBadFrom ? 'as-bad' : 'other'}
              x={x(from + bin * width) + 0.5}
              y={bottom - Math.max(1, heightOf(count))}
              width={Math.max(1, x(from + width) - x(from) - 1)}
              height={Math.max(1, heightOf(count))}
            >
              <title>{`${grouped(count)} draws, ${short(from + bin * width)} to ${short(from + (bin + 1) * width)} standard errors above the margin`}</title>
            </rect>
          ),
        )}
        <line class="axis" x1={edgePx} x2={widthPx - edgePx} y1={bottom} y2={bottom} />
        <line class="real" x1={x(real)} x2={x(real)} y1={topPx - 6} y2={bottom + 4} />
        <path class="real" d={`M${x(real)} ${topPx}l-5 -8h10Z`} />
        <text class="strong" x={x(real) + (isRight ? -8 : 8)} y={topPx - 8} text-anchor={isRight ? 'end' : 'start'}>
          the real draw
        </text>
        {ticks.map((tick) => (
          <g key={tick}>
            <line class="axis" x1={x(tick)} x2={x(tick)} y1={bottom} y2={bottom + 4} />
            <text x={x(tick)} y={bottom + 16} text-anchor="middle">
              {tick === 0 ? 'margin' : short(tick)}
            </text>
          </g>
        ))}
        <text x={edgePx} y={bottom + 30}>
          ← better
        </text>
        <text x={widthPx - edgePx} y={bottom + 30} text-anchor="end">
          {widthPx < 420 ? 'standard errors, worse →' : 'standard errors above the margin, worse →'}
        </text>
      </svg>
      <figcaption class="quiet">
        {said}. Against “no worse than allowed” p is {short(draws.p.bad)}
        {gate.alpha.fail > 0 && ` (fails from ${short(gate.alpha.fail)} down)`}, against “worse” {short(draws.p.good)}
        {gate.alpha.pass > 0 && ` (passes from ${short(gate.alpha.pass)} down)`}. Heights are square roots; right of the
        line looks at least as bad.{isAlike && ' The devices hardly differ, so errors are tiny.'}
      </figcaption>
    </figure>
  )
}
