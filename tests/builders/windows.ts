// Window reports for tests: small, valid, changed where a test cares.

import type { OutboxRecord } from '@roost/shared/protocol/messages.ts'
import type { RecordBody, WindowReport } from '@roost/shared/protocol/records.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { createLatencyRecorder } from '@roost/shared/sketch/latency.ts'

export function aWindow(over: Partial<WindowReport> = {}): WindowReport {
  const latency = createLatencyRecorder()
  const ok = over.counts?.ok ?? 100
  for (let i = 0; over.latency === undefined && i < ok; i++) latency.record(50 + (i % 10))
  return {
    kind: 'window',
    deployment: 'vibration',
    role: 'primary',
    manifest: 'ab'.repeat(32),
    model: 'vibration',
    version: 1,
    generation: 1,
    from: 1_000,
    to: 2_000,
    windows: 1,
    interrupted: false,
    counts: { ok, error: 0, refused: 0 },
    latency: latency.snapshot(),
    features: {},
    outputs: {},
    ...over,
  }
}

export const aRecord = (seq: number, body: RecordBody, from = seq): OutboxRecord => ({ seq, from, body: encode(body) })
