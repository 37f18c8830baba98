// Whoever starts an agent wrongly is told how to do it right, in one sentence; and two agents never share a folder.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runAgentCommand } from '../builders/agent-process.ts'
import { aFleet, ready } from './a-fleet.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-wrong-start-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const cases: { what: string; args: string[]; environment?: Record<string, string>; code: number; says: RegExp }[] = [
  { what: 'no enrolment', args: ['run'], code: 1, says: /is not enrolled: first run roost-agent enrol --hub URL/ },
  {
    what: 'a port that is none',
    args: ['run', '--serve-port', '99999'],
    code: 2,
    says: /--serve-port: "99999" is not possible; it may be a port, 0 for any free one/,
  },
  {
    what: 'a variable that is none',
    args: ['run'],
    environment: { ROOST_AGENT_SERVE_PROT: '8500' },
    code: 2,
    says: /ROOST_AGENT_SERVE_PROT: there is no such setting/,
  },
  {
    what: 'a broker that speaks HTTP',
    args: ['run'],
    environment: { ROOST_AGENT_MQTT_URL: 'http://hub' },
    code: 2,
    says: /ROOST_AGENT_MQTT_URL: "http:\/\/hub" is not possible; it may be an mqtt:\/\//,
  },
  { what: 'a flag that is none', args: ['run', '--sevre-port', '1'], code: 2, says: /--sevre-port/ },
  {
    what: 'a command that is none',
    args: ['rnu'],
    code: 2,
    says: /there is no command rnu; there are enrol, run, status and doctor/,
  },
  { what: 'no token', args: ['enrol', '--hub', 'http://127.0.0.1:1'], code: 2, says: /--token TOKEN is needed/ },
  {
    what: 'no hub where one is said to be',
    args: ['enrol', '--hub', 'http://127.0.0.1:1', '--token', 'x'],
    code: 1,
    says: /http:\/\/127\.0\.0\.1:1\/v1\/enrol cannot be reached: /,
  },
  {
    what: 'a profile that is none',
    args: ['enrol', '--hub', 'http://127.0.0.1:1', '--token', 'x', '--profile', 'toaster'],
    code: 2,
    says: /--profile toaster cannot be read/,
  },
  { what: 'the status of nobody', args: ['status'], code: 2, says: /no agent has run in .+ yet/ },
]

test.concurrent.each(cases)(
  '$what',
  async ({ what, args, environment = {}, code, says }) => {
    const dir = join(folder, what.replaceAll(' ', '-'))
    const ended = await runAgentCommand({ args, environment: { ROOST_AGENT_DIR: dir, ...environment } })
    expect(ended.output).toMatch(says)
    expect(ended.output.trimEnd().split('\n')).toHaveLength(1)
    expect(ended.output).toMatch(/^roost-agent: /)
    expect(ended.code).toBe(code)
  },
  120_000,
)

test('a claim token is good for one device, a folder for one enrolment and one agent', async () => {
  await using fleet = await aFleet()
  const gateway = await fleet.enrol('gateway')
  const hub = ['--hub', fleet.hub().url]
  const again = await runAgentCommand({ args: ['enrol', ...hub, '--token', 'x', '--dir', gateway.folder] })
  expect(again.code).toBe(1)
  expect(again.output).toMatch(/^roost-agent: .+ is already enrolled as gateway at .+\n$/)
  const unknown = await runAgentCommand({ args: ['enrol', ...hub, '--token', 'x', '--dir', join(folder, 'unknown')] })
  expect(unknown.code).toBe(1)
  expect(unknown.output).toMatch(/^roost-agent: the hub refuses: .+\n$/)

  const agent = await ready(gateway.start())
  const second = await runAgentCommand({ args: ['run', '--dir', gateway.folder, '--serve-port', '0'] })
  expect(second.code).toBe(1)
  expect(second.output).toMatch(/^roost-agent: .+ is in use by another agent: .+\n$/)
  const port = new URL(gateway.servingUrl).port
  const other = await fleet.enrol('other')
  const taken = await runAgentCommand({ args: ['run', '--dir', other.folder, '--serve-port', port] })
  expect(taken.code).toBe(1)
  expect(taken.output).toMatch(/^roost-agent: .+ cannot be bound .+: is another agent running\?\n$/)
  expect(agent.isRunning()).toBe(true)
  expect(await agent.stop()).toBe(0)
}, 240_000)
