// The stages one below the other, and in each its devices as dots that move from place to place; beyond some hundreds,
// counts and bars in their stead. A place has a shape and a name, so that no colour is needed.

import { useMemo, useRef, useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import { counted, grouped } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { shapes } from '../parts/tone.ts'
import { useWidth } from '../parts/use-width.ts'
import { useResource } from '../resource.ts'
import { navigate, setQuery } from '../router.ts'
import { type DotField, type DotRow, dotField, dotsMax, placesShown } from './dots.ts'
import {
  countIn,
  devicesOf,
  hasEnded,
  inWords,
  type Place,
  placeOf,
  places,
  placeWords,
  type RolloutDetail,
  type Stage,
  stageShown,
} from './words.ts'

export function StageTrack({ rollout, chosen }: { rollout: RolloutDetail; chosen: string | undefined }) {
  const { id, stages } = rollout
  const total = devicesOf(stages)
  const isFew = total <= dotsMax
  const members = useResource(
    `${id} dots ${isFew}`,
    async (signal) => {
      if (!isFew) return []
      const body = await answer(api.GET('/v1/rollouts/{id}/devices', { params: { path: { id } }, signal }))
      return body.devices
    },
    isFew ? [`rollout:${id}`] : [],
  )
  const [lane, lanePx] = useWidth<HTMLDivElement>()
  const counts = useMemo(() => placeCounts(stages), [stages])
  const shown = placesShown(counts)
  const devices = members.value
  const field = useMemo(
    () =>
      isFew && devices !== undefined && lanePx > 0
        ? dotField(
            devices,
            stages.map(({ name }) => name),
            shown,
            lanePx / shown.length,
          )
        : undefined,
    [isFew, devices, stages, shown.join(), lanePx],
  )
  const why = useMemo(
    () => new Map((devices ?? []).map((member) => [member.device, member.detail ?? member.reason])),
    [devices],
  )
  const [pointed, setPointed] = useState<string>()
  const of = stages.find(({ name }) => name === chosen)
  return (
    <section class="card track" aria-labelledby="track-title">
      <h2 id="track-title">
        Stages{' '}
        <span class="quiet">
          · {rollout.startedBy === null ? 'devices are drawn into them when it starts' : counted(total, 'device')}
        </span>
      </h2>
      <div class="track-places">
        <span class="track-corner" />
        <div ref={lane} class="track-lane" style={{ '--places': shown.length }}>
          {shown.map((place) => (
            <span key={place} title={placeWords[place].means}>
              <StateDot tone={placeWords[place].tone}>{placeWords[place].title}</StateDot>
              <b>{grouped(counts.get(place) ?? 0)}</b>
            </span>
          ))}
        </div>
      </div>
      {stages.map((stage, index) => (
        <div key={stage.name} class={stage === of ? 'track-stage chosen' : 'track-stage'}>
          <StageHead rollout={rollout} stage={stage} isChosen={stage === of} />
          {field === undefined ? (
            <Counts stage={stage} shown={shown} total={total} />
          ) : (
            <Dots
              row={field.rows[index]}
              field={field}
              widthPx={lanePx}
              label={`Devices of stage ${stage.name}: ${described(stage)}. Arrow keys go from one to the next.`}
              onPoint={setPointed}
              why={why}
            />
          )}
        </div>
      ))}
      <p class="quiet track-caption" aria-live="polite">
        {pointed ?? (field === undefined ? 'Each bar: devices of the stage at that place. ' : 'Each dot: a device. ')}
        {pointed === undefined && <a href="?tab=devices">All of them as a table</a>}
      </p>
    </section>
  )
}

type StageHeadProps = { rollout: RolloutDetail; stage: Stage; isChosen: boolean }

function StageHead({ rollout, stage, isChosen }: StageHeadProps) {
  const { name, reach, mode, state, approvals } = stage
  const { title, tone } = stageShown(rollout.state, state)
  const begun = stage.bakingSince ?? stage.admittingSince ?? stage.heldSince
  const since = stage.endedAt ?? (hasEnded(rollout.state) ? null : begun)
  return (
    <button
      type="button"
      class="plain track-head"
      aria-pressed={isChosen}
      title={`Show the gates of stage ${name}`}
      onClick={() => setQuery('stage', name)}
    >
      <b>{name}</b>
      <small class="quiet">
        {reach}
        {mode === 'shadow' && ', in shadow'}
      </small>
      <span>
        <StateDot tone={tone}>{title}</StateDot>
        {since !== null && (
          <small class="quiet">
            {' '}
            <Time at={since} />
          </small>
        )}
      </span>
      {approvals.needed > 0 && (
        <small class="quiet">
          {approvals.given.length} of {counted(approvals.needed, 'approval')}
        </small>
      )}
    </button>
  )
}

type DotsProps = {
  row: DotRow | undefined
  field: DotField
  widthPx: number
  label: string
  onPoint: (what: string | undefined) => void
  why: ReadonlyMap<string, string | null>
}

function Dots({ row, field, widthPx, label, onPoint, why }: DotsProps) {
  const svg = useRef<SVGSVGElement>(null)
  if (row === undefined) return null
  const scale = field.radiusPx / 6
  const say = (device: string, state: string) => {
    const reason = why.get(device)
    return `${device}: ${inWords(state)}${reason ? ` (${inWords(reason)})` : ''}`
  }
  const step = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
    const links = [...(svg.current?.querySelectorAll('a') ?? [])]
    if (by === undefined || links.length === 0) return
    event.preventDefault()
    const at = links.findIndex((link) => link.matches(':focus'))
    links[Math.max(0, Math.min(links.length - 1, at + by))]?.focus()
  }
  return (
    <svg
      ref={svg}
      class="dots"
      role="group"
      aria-label={label}
      width={widthPx}
      height={row.heightPx}
      onKeyDown={step}
      onPointerLeave={() => onPoint(undefined)}
    >
      {row.dots
        .toSorted((a, b) => (a.device < b.device ? -1 : 1))
        .map(({ device, state, place, x, y }, n) => (
          <a
            key={device}
            href={`/devices/${encodeURIComponent(device)}`}
            tabIndex={n === 0 ? 0 : -1}
            aria-label={say(device, state)}
            class={`dot-mark ${placeWords[place].tone}`}
            style={{ transform: `translate(${x - 6 * scale}px, ${y - 6 * scale}px)` }}
            onPointerEnter={() => onPoint(say(device, state))}
            onFocus={() => onPoint(say(device, state))}
            onBlur={() => onPoint(undefined)}
            onClick={(event) => {
              // an SVG link is none to the page's own router
              if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return
              event.preventDefault()
              navigate(`/devices/${encodeURIComponent(device)}`)
            }}
          >
            <title>{say(device, state)}</title>
            <rect width={12 * scale} height={12 * scale} fill="transparent" />
            <path d={shapes[placeWords[place].tone]} fill-rule="evenodd" transform={`scale(${scale})`} />
          </a>
        ))}
    </svg>
  )
}

function Counts({ stage, shown, total }: { stage: Stage; shown: readonly Place[]; total: number }) {
  return (
    <div class="track-lane counts" style={{ '--places': shown.length }} role="img" aria-label={described(stage)}>
      {shown.map((place) => {
        const count = countIn(stage.devices, (one) => one === place)
        return (
          <span key={place} class={placeWords[place].tone}>
            {count > 0 && (
              <>
                <b>{grouped(count)}</b>
                <i style={{ width: `${Math.max(2, (100 * count) / Math.max(1, total))}%` }} />
              </>
            )}
          </span>
        )
      })}
    </div>
  )
}

function described({ devices }: Stage): string {
  const parts = places.flatMap((place) => {
    const count = countIn(devices, (one) => one === place)
    return count === 0 ? [] : [`${grouped(count)} ${placeWords[place].title.toLowerCase()}`]
  })
  return parts.length === 0 ? 'none' : parts.join(', ')
}

function placeCounts(stages: readonly Stage[]): Map<Place, number> {
  const counts = new Map<Place, number>()
  for (const { devices } of stages)
    for (const [state, count] of Object.entries(devices))
      counts.set(placeOf(state), (counts.get(placeOf(state)) ?? 0) + count)
  return counts
}
