// A hub that comes back as an older backup of itself, while devices have gone on: they are ahead of it, and go back behind
// nothing. Real hub, real agents, a real copy of the folder.

import { cpSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { aFleet, ready, register, shown, untilRuns, wish } from './a-fleet.ts'
import { aVersion } from './versions.ts'

const Serving = z.object({ versions: z.array(z.string()) })

const served = async (servingUrl: string): Promise<string[]> =>
  Serving.parse(await (await fetch(`${servingUrl}/v2/models/scale`)).json()).versions

test('devices that are ahead of a restored hub come to what it wants of them', async () => {
  await using fleet = await aFleet()
  const operator = fleet.operator()
  const [far, level] = [await fleet.enrol('far'), await fleet.enrol('level')]
  for (const version of [1, 2, 3]) await register(operator, aVersion(version))
  const agents = { far: await ready(far.start()), level: await ready(level.start()) }
  for (const device of ['far', 'level']) await wish(operator, device, 1)
  for (const device of ['far', 'level']) await untilRuns(operator, device, 1)

  const [hub, backup] = [fleet.hub().folder, join(fleet.folder, 'backup')]
  await fleet.hub().stop()
  cpSync(hub, backup, { recursive: true })
  await fleet.startHub()

  // of what follows the backup knows nothing
  await wish(fleet.operator(), 'far', 2)
  await untilRuns(fleet.operator(), 'far', 2)
  await wish(fleet.operator(), 'far', 3)
  await untilRuns(fleet.operator(), 'far', 3)
  await wish(fleet.operator(), 'level', 2)
  await untilRuns(fleet.operator(), 'level', 2)
  const ahead = (await shown(fleet.operator(), 'far')).generation
  await agents.level.stop()
  await fleet.hub().stop()

  renameSync(hub, `${hub}-lost`)
  cpSync(backup, hub, { recursive: true })
  await fleet.startHub()
  // as many wishes as `level` has had, and another one: the same number for two things
  await wish(fleet.operator(), 'level', 3)
  await ready(level.start())

  await untilRuns(fleet.operator(), 'far', 1)
  await untilRuns(fleet.operator(), 'level', 3)
  expect((await shown(fleet.operator(), 'far')).generation).toBeGreaterThan(ahead)
  expect(await served(far.servingUrl)).toEqual(['1'])
  expect(await served(level.servingUrl)).toEqual(['3'])
  expect(agents.far.isRunning()).toBe(true)

  // and what is wanted from now on reaches them as ever
  await wish(fleet.operator(), 'far', 2)
  await untilRuns(fleet.operator(), 'far', 2)
})
