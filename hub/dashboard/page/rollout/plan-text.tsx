// The plan of a rollout as text, as one writes it; what writes it is loaded with the first that is shown.

import { useEffect, useState } from 'preact/hooks'
import { EmptyState } from '../parts/empty-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { useMay } from '../session.ts'
import type { RolloutDetail } from './words.ts'

export function PlanText({ rollout: { plan } }: { rollout: RolloutDetail }) {
  const [text, setText] = useState<string>()
  const mayStart = useMay()('operator', 'rollouts')
  useEffect(() => {
    let isGone = false
    if (plan !== null)
      void import('../../../rollouts/plan/written-plan.ts').then(({ planText }) => {
        if (!isGone) setText(planText(plan))
      })
    return () => {
      isGone = true
    }
  }, [plan])
  if (plan === null)
    return (
      <EmptyState title="The plan cannot be read">
        <p>
          Another version of Roost has written it. The rollout can be aborted, rolled back as a whole, or taken over.
        </p>
      </EmptyState>
    )
  if (text === undefined) return <Loading rows={6} what="The plan is loading" />
  return (
    <section class="card stack" aria-label="Plan">
      <pre class="plan">{text}</pre>
      <p class="quiet">
        What is a default is left out.
        {mayStart && ' A file with it starts the next one: roost rollout start … --plan FILE'}
      </p>
    </section>
  )
}
