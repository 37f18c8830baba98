// P9 and P10: a device whose hub is gone serves on, also after its own restarts, keeps its reports, and tells everything once
// when the hub is back.

import { expect, test } from 'vitest'
import { aFleet, countsOf, eventsOf, okByVersion, ready, register, untilRuns, untilShipped, wish } from './a-fleet.ts'
import { startApplication } from './an-application.ts'
import { aVersion } from './versions.ts'
import { until } from './waiting.ts'

const answersEach = 150
const restarts = 3

test('with the hub gone a device serves and keeps its reports over restarts; later all is counted once', async () => {
  await using fleet = await aFleet()
  const gateway = await fleet.enrol('gateway')
  let agent = await ready(gateway.start())
  const { version } = await register(fleet.operator(), aVersion(1), {
    metadata: { window: { seconds: 3600, rows: 25 } },
  })
  await wish(fleet.operator(), gateway.name, version)
  await untilRuns(fleet.operator(), gateway.name, version)
  await fleet.hub().stop()

  let answered = 0
  for (let restart = 0; restart < restarts; restart++) {
    await using application = startApplication({ url: gateway.servingUrl })
    await until('it answers', () => application.answers.length >= answersEach, agent.output)
    await application.stop()
    // before the first runtime listens nobody is there; afterwards nobody is turned away
    expect(application.failures.filter(({ kind }) => kind !== 'refused')).toEqual([])
    answered += application.answers.length
    expect(await agent.stop()).toBe(0)
    agent = await ready(gateway.start())
  }
  const kept = await until('it says what it keeps', async () => {
    const status = await gateway.status()
    return status?.running === true ? status : undefined
  })
  expect(kept.connected).toBe(false)
  expect(kept.outbox.head - kept.outbox.tail).toBeGreaterThan((restarts * answersEach) / 25)
  expect(agent.logged('connected')).toEqual([])

  await fleet.startHub()
  await until('it is back', () => agent.logged('connected').length > 0, agent.output)
  await untilShipped(gateway, Date.now())
  expect(await okByVersion(fleet.operator(), gateway.name)).toEqual({ [version]: answered })
  const { totals } = await countsOf(fleet.operator(), gateway.name)
  expect(totals).toMatchObject({ error: 0, refused: 0, interrupted: 0 })
  const starts = (await eventsOf(fleet.operator(), gateway.name)).filter(({ event }) => event === 'started')
  expect(starts).toHaveLength(restarts + 1)
}, 240_000)
