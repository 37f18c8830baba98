// The story from the start of the hub to the last counted inference, one act after the other.

import { join } from 'node:path'
import { z } from 'zod'
import { type Client, createClient } from '../../hub/cli/client.ts'
import { GroupDocument } from '../../hub/fleet/documents.ts'
import type { Crew } from './crew.ts'
import { outdoorsDrifts } from './drift-act.ts'
import { type Fleet, startFleet } from './fleet.ts'
import { type HubProcess, startHub } from './hub-process.ts'
import type { Narration } from './narration.ts'
import { countOnce } from './reckoning.ts'
import { v1ToAll, v2ByCanary, v3IsTakenBack } from './rollout-acts.ts'
import type { Trained } from './training-act.ts'

export type Stage = {
  folder: string
  crew: Crew
  narration: Narration
  /** Aborted when the demo is over; everything that waits stops waiting. */
  signal: AbortSignal
  /** Closed when the demo is over, whichever way; last opened, first closed. */
  opened: AsyncDisposableStack
}

export type Scene = Stage &
  Trained & {
    hub: HubProcess
    operator: Client
    ci: Client
  }

/** @throws DemoError, or what a step failed of */
export async function tellStory(stage: Stage, trained: Trained): Promise<{ scene: Scene; fleet: Fleet }> {
  const { narration } = stage
  narration.step('start a hub')
  const scene = { ...stage, ...trained, ...(await openHub(stage)) }

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
