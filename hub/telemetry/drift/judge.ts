// Windows judged one after the other, those of several devices pooled: the evidence starts anew with every question.

import type { Charts } from '@roost/shared/drift/charts.ts'
import { type DriftVerdict, initialDrift, stepDrift } from '@roost/shared/drift/verdict.ts'
import type { CountedWindow } from './read-windows.ts'
import { cutStretches } from './stretches.ts'
import { pooled } from './time-steps.ts'

/** Where no window told anything. */
export const notJudged: DriftVerdict = { state: 'healthy', at: 0, evidence: 0, since: null, movements: [] }

/** The verdict after each stretch, in their order, with the start of the stretch. */
export function judgeStretches(
  charts: Charts,
  windows: readonly CountedWindow[],
): { fromMs: number; verdict: DriftVerdict }[] {
  let state = initialDrift(charts)
  return cutStretches(windows.filter(({ columns }) => Object.keys(columns).length > 0)).map((stretch) => {
    const fromMs = stretch[0]?.fromMs ?? 0
    const stepped = stepDrift(charts, state, Object.fromEntries(pooled(stretch)), fromMs)
    state = stepped.state
    return { fromMs, verdict: stepped.verdict }
  })
}
