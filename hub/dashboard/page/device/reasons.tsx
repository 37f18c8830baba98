// Why the device runs what it runs: the hub's own sentence for each deployment.

import type { components } from '../api-types.d.ts'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { Sentence } from '../parts/sentence.tsx'
import type { Resource } from '../resource.ts'

type Told = { reasons: components['schemas']['DeviceReason'][] }

export function Reasons({ reasons }: { reasons: Resource<Told> & { refresh: () => void } }) {
  const { value, error } = reasons
  return (
    <section class="card" aria-labelledby="why">
      <h2 id="why">Why is it running this?</h2>
      {value === undefined ? (
        error === undefined ? (
          <Loading rows={1} />
        ) : (
          <ErrorState error={error} retry={reasons.refresh} />
        )
      ) : value.reasons.length === 0 ? (
        <p class="quiet">Nothing is wanted on it, and nothing serves.</p>
      ) : (
        <ul class="reasons">
          {value.reasons.map(({ deployment, parts }) => (
            <li key={deployment}>
              <span class="mono quiet">{deployment}</span>
              <p>
                <Sentence parts={parts} />
              </p>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
