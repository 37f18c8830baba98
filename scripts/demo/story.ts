// The story from the first trained detector to the last counted inference, one act after the other.

import { join } from 'node:path'
import { z } from 'zod'
import { type Client, createClient } from '../../hub/cli/client.ts'
import { GroupDocument } from '../../hub/fleet/documents.ts'
import type { Crew } from './crew.ts'
import { outdoorsDrifts } from './drift-act.ts'
import { type Fleet, startFleet } from './fleet.ts'
import { type HubProcess, startHub } from './hub-process.ts'
import { loadMotes, type Mote } from './motes.ts'
import { count, type Narration } from './narration.ts'
import { countOnce } from './reckoning.ts'
import { v1ToAll, v2ByCanary, v3IsTakenBack } from './rollout-acts.ts'
import { type TrainedModel, trainDetectors } from './train.ts'
import type { VersionName } from './versions.ts'

export type Stage = {
  folder: string
  crew: Crew
  narration: Narration
  /** Aborted when the demo is over; everything that waits stops waiting. */
  signal: AbortSignal
  /** Closed when the demo is over, whichever way; last opened, first closed. */
  opened: AsyncDisposableStack
}

export type Scene = Stage & {
  motes: readonly Mote[]
  detectors: Record<VersionName, TrainedModel>
  hub: HubProcess
  operator: Client
  ci: Client
}

/** @throws DemoError, or what a step failed of */
export async function tellStory(stage: Stage): Promise<{ scene: Scene; fleet: Fleet }> {
  const { narration } = stage
  narration.step('train three event detectors on the recorded motes')
  const motes = loadMotes()
  const detectors = trainDetectors(motes)
  tellTraining(narration, motes, detectors)

  narration.step('start a hub')
  const scene = { ...stage, motes, detectors, ...(await openHub(stage)) }

  narration.step('six gateways enrol and connect')
  const fleet = await startFleet(scene)

  narration.step('v1, trained indoors, goes to all six')
  await v1ToAll(scene, fleet)

  narration.step('outdoors the data is not what v1 was trained on')
  await outdoorsDrifts(scene)

  narration.step('v2 goes out by canary, and one gateway is cut off meanwhile')
  await v2ByCanary(scene, fleet)

  narration.step('v3 is slow, and its canary is taken back')
  await v3IsTakenBack(scene, fleet)

  narration.step('every inference is counted once')
  await countOnce(scene, fleet)
  return { scene, fleet }
}

function tellTraining({ say, table }: Narration, motes: readonly Mote[], detectors: Scene['detectors']): void {
  const names = ['v1', 'v2'] as const
  const readingsOf = (name: 'v1' | 'v2', mote: number) => detectors[name].confusions.filter((row) => row.mote === mote)
  const cells = (name: 'v1' | 'v2', mote: number) => {
    const rows = readingsOf(name, mote)
    const sum = (of: 'found' | 'missed' | 'falseAlarms') => rows.reduce((total, row) => total + row[of], 0)
    const events = sum('found') + sum('missed')
    return [events === 0 ? '-' : `${sum('found')} of ${events}`, count(sum('falseAlarms'))]
  }
  const readings = count(motes.reduce((sum, { rows }) => sum + rows.length, 0))
  say(
    `${readings} readings of temperature and humidity: two motes stood indoors, two outdoors, and at two of them events were introduced. Logistic regression on ten features of the last ten minutes; v1 has seen the indoor motes only, v2 all four, v3 answers as v2 and takes far longer. Readings of an event that each finds, and false alarms:`,
  )
  table(
    ['mote', ...names.flatMap((name) => [`${name} finds`, 'false alarms'])],
    [1, 2, 3, 4].map((mote) => [
      `${mote}, ${mote < 3 ? 'indoors' : 'outdoors'}`,
      ...names.flatMap((name) => cells(name, mote)),
    ]),
  )
}

/** The hub, and what an operator prepares: tokens for whoever shall do what, and a group. */
async function openHub({ crew, folder, signal, narration }: Stage): Promise<Pick<Scene, 'hub' | 'operator' | 'ci'>> {
  const hub = await startHub(crew, join(folder, 'hub'), signal)
  const admin = createClient(hub.url, hub.adminToken)
  const clientFor = async (role: string): Promise<Client> => {
    const made = await admin.send('POST', '/v1/tokens', { name: `demo ${role}`, role }, z.object({ token: z.string() }))
    return createClient(hub.url, made.token)
  }
  const [operator, ci] = await Promise.all([clientFor('operator'), clientFor('ci')])
  for (const [name, query] of Object.entries({
    everywhere: 'all',
    indoor: 'site = indoor',
    outdoor: 'site = outdoor',
  })) {
    await operator.send('POST', '/v1/groups', { name, query }, GroupDocument)
  }
  narration.say(
    `It listens at ${hub.url}, its broker at port ${hub.mqttPort}. Its keys were made at this first start. A token each for an operator and a CI pipeline, and three groups: everywhere, indoor, outdoor.`,
  )
  return { hub, operator, ci }
}
