// A deployment in this process, put together as the runtime process does it.

import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { openBundle } from '../../agent/runtime/bundle.ts'
import { createDeployment, type Deployment } from '../../agent/runtime/deployment.ts'
import type { LoadedBundle } from '../../agent/runtime/messages.ts'
import { createDriftJudge } from '../../agent/runtime/monitor/drift.ts'
import { createWindowRecorder } from '../../agent/runtime/monitor/recorder.ts'
import { createPulse } from '../../agent/runtime/pulse.ts'

/** @param report told of every window that closes, drift verdict included */
export async function deploy(bundle: LoadedBundle, report: (window: WindowReport) => void): Promise<Deployment> {
  const clock = () => performance.now()
  const open = await openBundle(bundle, { threads: 1, clock })
  const { features, baseline } = open
  const recorder = createWindowRecorder({
    bundle,
    generation: 1,
    features,
    baseline,
    clock: Date.now,
    resources: () => ({ rssBytes: process.memoryUsage.rss(), cpuMs: performance.now() }),
    judge: baseline && createDriftJudge(baseline, ignoreEvent).judge,
    report,
  })
  let made = 0
  const nextId = () => `bench-${(made++).toString(36)}`
  return createDeployment(open, { recorder, clock, nextId, pulse: createPulse(clock, () => Promise.resolve()) })
}

const ignoreEvent = (_event: unknown) => undefined
