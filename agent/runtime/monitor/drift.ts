// Drift as the device sees it: one verdict after every window, an event when it turns; and, for whoever asks on the
// device, the same measures that the hub shows, by the same code.
// The evidence starts anew with each runtime process; a new version has a baseline of its own anyway.

import type { Baseline } from '@roost/shared/drift/baseline.ts'
import { prepareCharts } from '@roost/shared/drift/charts.ts'
import { type Measures, measureColumn } from '@roost/shared/drift/measures.ts'
import { type DriftVerdict, initialDrift, stepDrift } from '@roost/shared/drift/verdict.ts'
import type { DeviceEvent, WindowReport } from '@roost/shared/protocol/records.ts'
import type { ColumnCounts } from '@roost/shared/sketch/column.ts'
import { mergeColumnRecords } from '@roost/shared/sketch/window.ts'

/** The windows measured on demand are the newest ones; older ones are with the hub. */
export const windowsMeasured = 20

export type DriftPage = {
  /** Undefined before the first window has closed. */
  verdict: DriftVerdict | undefined
  windows: number
  columns: ({ column: string; kind: 'feature' | 'output' } & Measures)[]
}

export type DriftJudge = {
  /** The verdict after one more closed window. */
  judge: (window: WindowReport) => DriftVerdict
  page: () => DriftPage
}

/** `tell`: where drift begins and where it has ended. */
export function createDriftJudge(baseline: Baseline, tell: (event: DeviceEvent) => void): DriftJudge {
  const charts = prepareCharts(baseline)
  let state = initialDrift(charts)
  let latest: DriftVerdict | undefined
  let newest: Record<string, ColumnCounts>[] = []

  function judge(window: WindowReport): DriftVerdict {
    const columns = { ...window.features, ...window.outputs }
    const step = stepDrift(charts, state, columns, window.from)
    const turned = (step.verdict.state === 'drifted') !== (latest?.state === 'drifted')
    state = step.state
    latest = step.verdict
    newest = [...newest, columns].slice(-windowsMeasured)
    if (turned) {
      const { deployment, manifest, to: at } = window
      tell({ kind: 'event', event: 'drift', at, deployment, manifest, verdict: latest })
    }
    return latest
  }

  function page(): DriftPage {
    const sums = newest.reduce(mergeColumnRecords, {})
    return {
      verdict: latest,
      windows: newest.length,
      columns: Object.entries(baseline.columns).flatMap(([column, known]) => {
        const counts = sums[column]
        return counts === undefined ? [] : [{ column, kind: known.kind, ...measureColumn(known, counts) }]
      }),
    }
  }

  return { judge, page }
}
