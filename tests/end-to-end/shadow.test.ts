// A candidate in shadow through a real hub, broker and agent: killed and started again on either side of it, counted
// pair by pair, gone when it is withdrawn, and when it crashes not one request of the application fails.

import { join } from 'node:path'
import { realDisk } from '@roost/agent/outbox/disk.ts'
import { DoubleSlot } from '@roost/agent/outbox/double-slot.ts'
import { WindowReport } from '@roost/shared/protocol/records.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { DeviceDetail } from '../../hub/fleet/documents.ts'
import { aModelThatCrashes } from '../builders/onnx.ts'
import {
  aFleet,
  type Gateway,
  ready,
  register,
  shown,
  untilRuns,
  untilShippedAfterStop,
  windowsOf,
  wish,
} from './a-fleet.ts'
import { startApplication } from './an-application.ts'
import { aVersion } from './versions.ts'
import { until } from './waiting.ts'

test('a shadow survives the kill of its agent, and its crash costs nothing', async () => {
  await using fleet = await aFleet()
  const operator = fleet.operator()
  const gateway = await fleet.enrol('gateway-1')
  await register(operator, aVersion(1))
  await register(operator, aVersion(2))
  await register(operator, aModelThatCrashes())
  let agent = await ready(gateway.start())
  await wish(operator, 'gateway-1', 1)
  await untilRuns(operator, 'gateway-1', 1)

  let loud = false
  const application = startApplication({ url: gateway.servingUrl, ask: (n) => (loud ? [1, 2] : [-(n % 10), -1]) })
  await using _ = application
  const path = '/v1/devices/gateway-1/desired/scale'
  const shadow = (version: number) =>
    operator.send('PUT', path, { model: 'scale', version, role: 'shadow', sample: 0.5 }, DeviceDetail)
  const untilReported = (version: number, state: string) =>
    until(`the hub knows that version ${version} is ${state}`, async () =>
      (await shown(operator, 'gateway-1')).reported.some((row) => row.version === version && row.state === state),
    )
  /** A dead agent's last status stays on disk: only what was written after `sinceMs` counts. */
  const untilCompared = (version: number, count: number, sinceMs = 0) =>
    until(
      `version ${version} compared ${count} inputs`,
      async () => {
        const status = await gateway.status()
        if (status === undefined || Date.parse(status.at) <= sinceMs) return false
        const [beside] = status.shadows
        return beside?.version === version && beside.state === 'shadowing' && beside.compared >= count
      },
      gateway.status,
    )

  await shadow(2)
  await untilReported(2, 'shadowing')
  await untilCompared(2, 50)
  // what is in no checkpoint yet dies with it
  await until('its window is in a checkpoint', () => isCheckpointed(gateway, 2))
  const killedAtMs = Date.now()
  await agent.kill()
  agent = await ready(gateway.start())
  // the dead agent's runtime may have answered for a moment more, and the new one begins when it is ready
  const readyAtMs = Date.now()
  await untilCompared(2, 50, readyAtMs)
  const backAtMs = application.answers.find(({ atMs }) => atMs > readyAtMs)?.atMs ?? 0

  await shadow(3)
  await untilReported(3, 'shadowing')
  await untilCompared(3, 20)
  loud = true
  await untilReported(3, 'failed')
  const { desired, reported } = await shown(operator, 'gateway-1')
  expect(desired).toMatchObject([{ role: 'primary' }, { role: 'shadow', sample: 0.5 }])
  expect(reported.find(({ version }) => version === 3)).toMatchObject({
    state: 'failed',
    reason: 'crash',
    running: false,
  })
  expect(reported.find(({ version }) => version === 1)).toMatchObject({ state: 'succeeded', running: true })
  const answered = application.answers.length
  await until('the primary goes on', () => application.answers.length > answered + 50)
  const untilAlone = () =>
    until('no shadow runs', async () => (await gateway.status())?.shadows.length === 0, gateway.status)
  await untilAlone()

  // Withdrawn and wished anew, with a version that is well.
  await operator.send('DELETE', `${path}?role=shadow`, undefined, DeviceDetail)
  loud = false
  await shadow(2)
  await untilCompared(2, 50)
  await operator.send('DELETE', `${path}?role=shadow`, undefined, DeviceDetail)
  await untilAlone()
  await application.stop()
  await agent.stop()
  await untilShippedAfterStop(gateway)

  // While the agent was dead nobody could be answered; no other request failed, and none was answered wrongly.
  const failures = application.failures.filter(({ atMs }) => atMs < killedAtMs || atMs > backAtMs)
  expect(failures).toEqual([])
  expect(application.byVersion()).toEqual({ 1: application.answers.length })
  const windows = await windowsOf(operator, 'gateway-1')
  const shadows = windows.filter(({ role }) => role === 'shadow')
  const { manifest: primary } = windows.find(({ role }) => role === 'primary') ?? {}
  for (const { version, counts, agreement, interrupted, outputs } of shadows) {
    expect(agreement).toMatchObject({ pairs: counts.ok, primary })
    expect(version === 2 || interrupted).toBe(true)
    expect(outputs).toEqual({})
  }
  // Version 2 makes 3x where the primary makes 2x: what differs is x itself, never 0 in its second element.
  const pairs = shadows.filter(({ version }) => version === 2)
  expect(pairs.length).toBeGreaterThanOrEqual(3)
  for (const { agreement } of pairs) {
    expect(agreement?.agreed).toBe(0)
    expect(agreement?.outputs['y[1]']).toMatchObject({ count: agreement?.pairs, sum: -(agreement?.pairs ?? 0) })
  }
}, 240_000)

/** Whether the disk holds an open window of the shadow. */
async function isCheckpointed({ folder }: Gateway, version: number): Promise<boolean> {
  const { found } = await DoubleSlot.open(join(folder, 'outbox'), 'open-windows', realDisk)
  const checkpoint = found && decode(z.object({ open: z.array(WindowReport) }), found)
  if (!checkpoint?.ok) return false
  return checkpoint.message.open.some((one) => one.role === 'shadow' && one.version === version && one.counts.ok > 0)
}
