// The plan as a form.

import { GateList } from './gate-list.tsx'
import { Options } from './options.tsx'
import { isFields, usePlan } from './plan-context.ts'
import { StageList } from './stage-list.tsx'

export function PlanForm() {
  const { plan } = usePlan()
  const stages = isFields(plan) && Array.isArray(plan.stages) ? plan.stages : []
  return (
    <>
      <StageList stages={stages} />
      <GateList path={['gates']} />
      <Options />
    </>
  )
}
