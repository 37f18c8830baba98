// Devices by site and state, a bar for each site.

import type { ComponentChildren } from 'preact'
import { type DeviceState, deviceStates } from '../../../fleet/device-state.ts'
import type { components } from '../api-types.d.ts'
import { counted, grouped, Quantity } from '../parts/quantity.tsx'
import { states } from './states.ts'

type Groups = components['schemas']['FleetSummary']['groups']

/** Sites that are shown; the rest is counted. */
const rowsMax = 6

type Props = {
  groups: Groups
  /** What leads to the devices of a site; null: those without one. */
  leadTo: (site: string | null, name: string) => ComponentChildren
  /** A state that the words beside a bar leave out. */
  but?: DeviceState
}

export function SiteBars({ groups, leadTo, but }: Props) {
  const shown = groups.slice(0, rowsMax)
  const most = Math.max(1, ...shown.map(({ total }) => total))
  const more = groups.length - shown.length
  return (
    <>
      <ul class="bars">
        {shown.map(({ value, total, states: counts }) => (
          <li key={value ?? ''}>
            {leadTo(value, value ?? 'without a site')}
            <span class="bar" title={described(counts)}>
              {deviceStates
                .filter((state) => (counts[state] ?? 0) > 0)
                .map((state) => (
                  <span
                    key={state}
                    class={states[state].tone}
                    style={{ width: `${(100 * (counts[state] ?? 0)) / most}%` }}
                  />
                ))}
            </span>
            <Quantity value={total} />
            <small class="quiet">{described(counts, but)}</small>
          </li>
        ))}
      </ul>
      {more > 0 && <p class="quiet">and {counted(more, 'more site')}</p>}
    </>
  )
}

/** `4 connected, 2 offline`. */
const described = (counts: Groups[number]['states'], but?: DeviceState): string =>
  deviceStates
    .filter((state) => state !== but && (counts[state] ?? 0) > 0)
    .map((state) => `${grouped(counts[state] ?? 0)} ${states[state].title.toLowerCase()}`)
    .join(', ')
