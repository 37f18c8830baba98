// What the parts of the form share: the plan as the text has it now, how to change it, and what the hub says of it.

import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Document } from 'yaml'
import type { PlanPath } from '../../../rollouts/plan/plan-text.ts'
import type { LabelValues } from '../parts/label-query.tsx'
import type { Edit } from './plan-edits.ts'

/** Of the hub, about a field of the plan. */
export type PlanFault = { path: PlanPath; detail: string }

export type PlanView = {
  plan: object
  document: Document
  edit: (...edits: Edit[]) => void
  faults: readonly PlanFault[]
  labels: LabelValues
}

export const PlanContext = createContext<PlanView | undefined>(undefined)

/** @throws outside of the form */
export function usePlan(): PlanView {
  const view = useContext(PlanContext)
  if (view === undefined) throw new Error('there is no plan here')
  return view
}

export type Fields = Readonly<Record<string, unknown>>
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const valueAt = (plan: object, path: PlanPath): unknown =>
  path.reduce<unknown>((at, step) => {
    if (Array.isArray(at)) return at[Number(step)]
    return isFields(at) ? at[step] : undefined
  }, plan)

/** The name under which a field is written: `bake` as well as `bakeMs`, `bake` where it is not written yet. */
export function writtenName(plan: object, parent: PlanPath, name: string): string {
  const short = name.replace(/Ms$/, '')
  if (short === name) return name
  const fields = valueAt(plan, parent)
  return isFields(fields) && Object.hasOwn(fields, name) ? name : short
}

/** `plan.stages.0.percent` as the hub names it, within the plan; undefined of anything else. */
export function planPath(field: string): PlanPath | undefined {
  const [first, ...rest] = field.split('.')
  if (first !== 'plan') return undefined
  return rest.map((step) => (/^\d+$/.test(step) ? Number(step) : step))
}

const plain = (path: PlanPath): string => path.map((step) => String(step).replace(/Ms$/, '')).join('.')

/** What the hub says of just this field. */
export const faultOf = (faults: readonly PlanFault[], path: PlanPath): string | undefined =>
  faults.find((fault) => plain(fault.path) === plain(path))?.detail
