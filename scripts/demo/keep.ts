// npm run demo -- --keep: everything goes on after the story, for a look around, until Ctrl-C.

import { once } from 'node:events'
import { z } from 'zod'
import { createClient } from '../../hub/cli/client.ts'
import { startAsking } from './asking.ts'
import { type Fleet, startAgents, untilConnected } from './fleet.ts'
import { applicationGateway, gateways } from './gateways.ts'
import type { Scene } from './story.ts'
import { model } from './versions.ts'

/** Starts the gateways again, as after a night, says where to look, and goes on until the demo is over.
 *  @throws InterruptedError, or DemoError where a process ends by itself */
export async function keepRunning(scene: Scene, fleet: Fleet): Promise<void> {
  const { hub, narration, folder, signal } = scene
  narration.step('everything goes on until Ctrl-C')
  await startAgents(scene, fleet)
  await untilConnected(scene)
  startAsking(scene, fleet, applicationGateway)
  narration.say(
    'The gateways started again from their folders and serve what they served. The dashboard, by a link that is',
  )
  narration.say('good for ten minutes and one sign-in; afterwards the token below signs in as often as you like:')
  narration.code([`${hub.url}/sign-in#${await aSignInCode(scene)}`])
  narration.say('In another terminal, here:')
  narration.code([
    `export ROOST_URL=${hub.url} ROOST_TOKEN=${hub.adminToken}`,
    'npx roost status',
    'npx roost drift group outdoor',
    `npx roost telemetry model ${model}`,
    `curl -s ${fleet.agents.get(applicationGateway)?.servingUrl}/v2/models/${model}`,
  ])
  narration.table(
    ['gateway', 'site', 'mote', 'serves at'],
    gateways.map(({ name, site, mote }) => [name, site, mote, fleet.agents.get(name)?.servingUrl]),
  )
  narration.say(`Folders and logs, until then: ${folder}`)
  if (!signal.aborted) await once(signal, 'abort')
  signal.throwIfAborted()
}

/** Behind the # of an address it reaches no log. */
async function aSignInCode({ hub }: Scene): Promise<string> {
  const admin = createClient(hub.url, hub.adminToken)
  return (await admin.send('POST', '/v1/session/codes', {}, z.object({ code: z.string() }))).code
}
