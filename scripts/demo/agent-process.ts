// An agent of the demo as a process of its own: enrolled with a claim token, then run in its folder on a free port.

import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Crew, Member } from './crew.ts'
import { model } from './versions.ts'
import { DemoError, until } from './waiting.ts'

const script = fileURLToPath(new URL('../../agent/main.ts', import.meta.url))
const readyMsMax = 60_000
/** Where the profile asks for 30 s: a demo is in a hurry. */
const probationMs = 2_000
/** So is this: a gateway that was cut off tries again at least so often. */
const reconnectSeconds = 3

const Ready = z.object({ msg: z.literal('agent ready'), servingUrl: z.string() })

export type AgentProcess = { member: Member; servingUrl: string }

/** Where the agent of a gateway is and what it talks to. */
export type AgentPlace = {
  name: string
  folder: string
  /** HTTP and MQTT of the hub, or of a link in between. */
  hubUrl: string
  mqttUrl: string
}

export type Replay = { file: string; everyMs: number }

/** @throws DemoError where the hub does not take it */
export async function enrolAgent(crew: Crew, { name, folder, hubUrl }: AgentPlace, token: string): Promise<void> {
  const lines = await crew.run(name, script, [
    'enrol',
    ...['--hub', hubUrl, '--token', token, '--dir', folder, '--device', name, '--profile', 'generic-x64'],
  ])
  if (!lines.includes(`enrolled as ${name}`)) throw new DemoError(`${name} did not say that it is enrolled`, name)
}

/** Starts it and waits until it serves. Without `replay` its sensors are silent.
 *  @throws DemoError */
export async function startAgent(
  crew: Crew,
  { name, folder, hubUrl, mqttUrl }: AgentPlace,
  replay: Replay | undefined,
  signal: AbortSignal,
): Promise<AgentProcess> {
  const readings =
    replay === undefined
      ? []
      : ['--replay', `${model}=${replay.file}`, '--replay-pace', `every:${replay.everyMs}`, '--replay-repeat']
  const member = crew.start(
    name,
    script,
    ['run', '--dir', folder, '--serve-port', '0', '--hub', hubUrl, '--mqtt-url', mqttUrl, ...readings],
    { ROOST_AGENT_PROBATION_MS: String(probationMs), ROOST_AGENT_RECONNECT_SECONDS: String(reconnectSeconds) },
  )
  const what = `the agent of ${name} says that it is ready`
  const { servingUrl } = await until({ what, timeoutMs: readyMsMax, signal, logOf: name }, () =>
    readyOf(member.lines()),
  )
  return { member, servingUrl }
}

function readyOf(lines: readonly string[]): z.infer<typeof Ready> | undefined {
  for (const line of lines) {
    const parsed = line.includes('"agent ready"') ? Ready.safeParse(JSON.parse(line)) : undefined
    if (parsed?.success) return parsed.data
  }
  return undefined
}
