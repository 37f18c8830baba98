// Every setting as it holds, and the bounds that people run into. Of what is secret only whether it is set.

import type { components } from '../api-types.d.ts'
import { grouped, inBytes } from '../parts/quantity.tsx'
import { ScrollRegion } from '../parts/scroll-region.tsx'

type Settings = components['schemas']['Settings']

export function SettingsCard({ hub }: { hub: Settings }) {
  return (
    <section class="card stack" aria-labelledby="environment">
      <h2 id="environment">Configuration</h2>
      <p class="quiet">Variables of the hub's environment, read at its start. In brackets: where none is given.</p>
      <ScrollRegion label="Configuration">
        <table class="plain-table">
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col">Value</th>
              <th scope="col" class="wide-only">
                What it is
              </th>
            </tr>
          </thead>
          <tbody>
            {hub.settings.map(({ name, value, what, isSecret }) => (
              <tr key={name}>
                <th scope="row" class="mono">
                  {name}
                </th>
                <td class={isSecret ? undefined : 'mono'}>
                  {value === null ? <span class="quiet">not set</span> : isSecret ? 'set, not shown' : value}
                </td>
                <td class="quiet wide-only">{what}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </section>
  )
}

export function BoundsCard({ hub }: { hub: Settings }) {
  return (
    <section class="card stack" aria-labelledby="bounds">
      <h2 id="bounds">Bounds</h2>
      <dl class="facts">
        {hub.bounds.map(({ what, most, unit }) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>at most {unit === 'bytes' ? inBytes(most) : `${grouped(most)} ${unit}`}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}
