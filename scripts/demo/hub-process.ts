// The hub of the demo as a process of its own, on free ports.

import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Crew, Member } from './crew.ts'
import { DemoError, until } from './waiting.ts'

const script = fileURLToPath(new URL('../../hub/main.ts', import.meta.url))
const readyMsMax = 60_000

const Ready = z.object({
  msg: z.literal('hub ready'),
  url: z.string(),
  ports: z.object({ http: z.number(), mqtt: z.number() }),
})

export type HubProcess = {
  member: Member
  url: string
  mqttPort: number
  /** Printed once, at the first start in a folder. */
  adminToken: string
}

/** Starts it in `folder` and waits until it says that it is ready.
 *  @throws DemoError */
export async function startHub(crew: Crew, folder: string, signal: AbortSignal): Promise<HubProcess> {
  const member = crew.start('hub', script, [], {
    ROOST_DATA_DIR: folder,
    ROOST_HTTP_PORT: '0',
    ROOST_MQTT_PORT: '0',
    ROOST_MQTT_WS_PORT: '0',
  })
  const what = 'the hub says that it is ready'
  const ready = await until({ what, timeoutMs: readyMsMax, signal, logOf: 'hub' }, () => readyOf(member.lines()))
  const adminToken = member.lines().flatMap((line) => /roost_[0-9A-Za-z]+/.exec(line)?.[0] ?? [])[0]
  if (adminToken === undefined) throw new DemoError('the hub printed no admin token at its first start', 'hub')
  return { member, url: ready.url, mqttPort: ready.ports.mqtt, adminToken }
}

function readyOf(lines: readonly string[]): z.infer<typeof Ready> | undefined {
  for (const line of lines) {
    const parsed = line.includes('"hub ready"') ? Ready.safeParse(JSON.parse(line)) : undefined
    if (parsed?.success) return parsed.data
  }
  return undefined
}
