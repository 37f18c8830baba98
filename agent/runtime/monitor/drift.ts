// Drift as the device sees it: one verdict after every window, an event when it turns.
// The evidence starts anew with each runtime process; a new version has a baseline of its own anyway.

import type { Baseline } from '@roost/shared/drift/baseline.ts'
import { prepareCharts } from '@roost/shared/drift/charts.ts'
import { type DriftVerdict, initialDrift, stepDrift } from '@roost/shared/drift/verdict.ts'
import type { DeviceEvent, WindowReport } from '@roost/shared/protocol/records.ts'

/** The verdict after each closed window. `tell`: where drift begins and where it has ended. */
export function createDriftJudge(
  baseline: Baseline,
  tell: (event: DeviceEvent) => void,
): (window: WindowReport) => DriftVerdict {
  const charts = prepareCharts(baseline)
  let state = initialDrift(charts)
  let drifted = false
  return (window) => {
    const step = stepDrift(charts, state, { ...window.features, ...window.outputs }, window.from)
    state = step.state
    const { verdict } = step
    if ((verdict.state === 'drifted') !== drifted) {
      drifted = !drifted
      const { deployment, manifest, to: at } = window
      tell({ kind: 'event', event: 'drift', at, deployment, manifest, verdict })
    }
    return verdict
  }
}
