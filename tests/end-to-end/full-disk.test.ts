// P9 and P10 on a disk that is full: the agent serves on, also after a kill, loses no state, installs nothing half, and goes on
// with everything as soon as there is room.

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { aFleet, countsOf, okByVersion, ready, register, shown, untilRuns, untilShipped, wish } from './a-fleet.ts'
import { aSmallDisk } from './a-small-disk.ts'
import { startApplication } from './an-application.ts'
import { aVersion, chunkBytes } from './versions.ts'
import { until } from './waiting.ts'

/** What the agent leaves free for others when it downloads, and some more. */
const diskBytes = 64 * 1_048_576

test('an agent on a full disk serves on, keeps its state, and catches up when there is room', async () => {
  await using disk = await aSmallDisk(diskBytes)
  await using fleet = await aFleet()
  const operator = fleet.operator()
  const gateway = await fleet.enrol('gateway', { folder: join(disk.folder, 'agent') })
  const { nodeArgs, environment } = disk.start
  const start = { nodeArgs, environment: { ...environment, ROOST_AGENT_HELLO_SECONDS: '2' } }
  const agent = await ready(gateway.start(start))
  const metadata = { window: { seconds: 3600, rows: 20 } }
  const first = await register(operator, aVersion(1), { metadata })
  const second = await register(operator, aVersion(2, 8 * chunkBytes), { metadata })
  await wish(operator, gateway.name, first.version)
  await untilRuns(operator, gateway.name, first.version)

  await using application = startApplication({ url: gateway.servingUrl, connections: 1 })
  await until('it answers', () => application.answers.length > 50)
  await disk.fill()
  const isFailing = () => agent.lines().some(({ msg }) => msg.startsWith('outbox cannot write'))
  await until('the outbox has noticed', isFailing, agent.output)
  await wish(operator, gateway.name, second.version)
  const refused = () => agent.lines().some(({ msg }) => msg === 'an assignment could not be kept')
  await until('it cannot keep what is wished', refused, agent.output)
  const answers = application.answers.length
  await until('it serves on', () => application.answers.length > answers + 100)
  expect(application.byVersion()[second.version]).toBeUndefined()

  await disk.clear()
  await untilRuns(operator, gateway.name, second.version)
  await until('v2 answers', () => (application.byVersion()[second.version] ?? 0) > 50)
  await application.stop()
  expect(application.failures).toEqual([])
  await operator.send('POST', `/v1/devices/${gateway.name}/commands`, { kind: 'report-now' }, z.unknown())
  const isCounted = async () => (await countsOf(operator, gateway.name)).totals.ok >= application.answers.length
  await until('all is counted', isCounted, () => countsOf(operator, gateway.name))
  expect(await okByVersion(operator, gateway.name)).toEqual(application.byVersion())

  // killed and started on a disk without a byte to spare
  await untilShipped(gateway, Date.now())
  await disk.fill()
  const before = await gateway.slots()
  await agent.kill()
  const restarted = await ready(gateway.start(start))
  await using later = startApplication({ url: gateway.servingUrl, connections: 1 })
  await until('it serves the same', () => (later.byVersion()[second.version] ?? 0) > 50, restarted.output)
  expect((await gateway.slots()).current).toEqual(before.current)
  await disk.clear()
  await later.stop()
  expect(await restarted.stop()).toBe(0)
  await ready(gateway.start(start))
  await untilShipped(gateway, Date.now())
  const total = application.answers.length + later.answers.length
  expect((await countsOf(operator, gateway.name)).totals).toMatchObject({ ok: total, error: 0, refused: 0 })
  expect((await shown(operator, gateway.name)).reported.filter(({ reason }) => reason !== null)).toEqual([])
}, 300_000)
