// `roost-agent doctor` finds each fault where it has really been made, and leaves a device that works alone.

import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Finding } from '@roost/shared/diagnosis/finding.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { readStatus, Status } from '../../agent/control/status.ts'
import { checkBroker, checkHub } from '../../agent/doctor/connection-checks.ts'
import { examine, exitCodeOf } from '../../agent/doctor/doctor.ts'
import { checkAgent, checkFolder, checkProfile } from '../../agent/doctor/machine-checks.ts'
import { Identity } from '../../agent/identity/device.ts'
import agentPackage from '../../agent/package.json' with { type: 'json' }
import { runAgentCommand, startAgentProcess } from '../builders/agent-process.ts'
import { aHubProcess, type HubProcess } from '../builders/hub-process.ts'

const fixtures = fileURLToPath(new URL('../fixtures/tls/', import.meta.url))
const eightMebibytesFree = new URL('../hub/cli/eight-mebibytes-free.ts', import.meta.url).href
const { version } = agentPackage

let hub: HubProcess
let home: string
let folder: string
let identity: Identity
beforeAll(async () => {
  hub = await aHubProcess()
  home = mkdtempSync(join(tmpdir(), 'roost-agent-doctor-'))
  folder = join(home, 'device')
  const claimed = await ask('POST', '/v1/claims', { uses: 1, labels: {} })
  const { token } = z.object({ token: z.string() }).parse(claimed)
  const enrolled = await runAgentCommand({ args: ['enrol', '--hub', hub.url, '--token', token, '--dir', folder] })
  expect(enrolled.code, enrolled.output).toBe(0)
  identity = Identity.parse(JSON.parse(readFileSync(join(folder, 'identity/device.json'), 'utf8')))
})
afterAll(async () => {
  await hub[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${hub.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${hub.adminToken}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  return text === '' ? undefined : JSON.parse(text)
}

const Report = z.object({ findings: z.array(z.custom<Finding>()) })
async function doctor(args: string[] = [], nodeArgs: string[] = []) {
  const { code, output } = await runAgentCommand({ args: ['doctor', '--dir', folder, '--json', ...args], nodeArgs })
  return { code, ...Report.parse(JSON.parse(output)) }
}
/** The finding on `check`, as one text. */
const said = (findings: readonly Finding[], check: string): string =>
  findings
    .filter((finding) => finding.check === check)
    .map(({ verdict, says, next }) => `${verdict}: ${says} -> ${next}`)
    .join('\n')
const overHttp = (hubUrl: string, clock = Date.now, of = identity) => checkHub(of, hubUrl, version, clock)
const overMqtt = (mqttUrl: string, of = identity) => checkBroker(of, mqttUrl, undefined)

async function listening<S extends Server>(server: S): Promise<S & { port: number }> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return Object.assign(server, { port })
}
const like =
  (answers: Record<string, [status: number, text: string, headers?: Record<string, string>]>): RequestListener =>
  ({ url = '' }, response) => {
    const [status, text, headers] = answers[url.slice(0, 9)] ?? [404, '']
    response.writeHead(status, headers).end(text)
  }

test('a device that is well, whether its agent runs or not; one that runs is not disturbed', async () => {
  const before = await doctor()
  expect([before.code, before.findings.filter(({ verdict }) => verdict === 'fault')]).toEqual([0, []])
  expect(said(before.findings, 'enrolment')).toContain(`ok: enrolled as ${identity.device}`)
  expect(said(before.findings, 'permissions')).toContain('ok: ')
  expect(said(before.findings, 'agent')).toContain('warning: no agent runs in this folder -> systemctl start')
  expect(said(before.findings, 'hub')).toBe(`ok: a hub answers at ${hub.url} -> null`)
  expect(said(before.findings, 'broker')).toBe(`ok: ${identity.mqttUrl} takes this device -> null`)
  expect(said(before.findings, 'version')).toContain('ok: the hub is 0.')

  await using agent = startAgentProcess({ args: ['run', '--dir', folder, '--serve-port', '0'] })
  const connected = async () => (await readStatus(folder))?.connected
  await expect.poll(connected, { timeout: 100_000 }).toBe(true)
  const during = await doctor()
  expect(said(during.findings, 'broker')).toContain('ok: the agent that runs is connected')
  expect([during.code, said(during.findings, 'agent')]).toEqual([
    0,
    expect.stringContaining(`ok: agent ${version} runs`),
  ])
  expect(agent.lines().filter(({ msg }) => /connection failed|turned away/.test(msg))).toEqual([])
  expect(await agent.stop()).toBe(0)
  const lines = await runAgentCommand({ args: ['doctor', '--dir', folder] })
  expect(lines.output).toMatch(/^ok {7}enrolment .*\n[\s\S]*\n\d+ checks, 0 faults, \d warnings?\n$/)
})

test('no folder, no device in it, a damaged one', async () => {
  const nowhere = await runAgentCommand({ args: ['doctor', '--dir', join(home, 'nowhere'), '--json'] })
  expect(nowhere.code).toBe(1)
  const report = Report.parse(JSON.parse(nowhere.output))
  expect(said(report.findings, 'enrolment')).toMatch(/fault: there is no folder .*nowhere.* -> roost-agent enrol/)
  const empty = mkdtempSync(join(home, 'empty-'))
  const { findings } = await checkFolder(empty)
  expect(said(findings, 'enrolment')).toContain('fault: no device is enrolled')
  const damaged = join(home, 'damaged')
  execFileSync('cp', ['-r', folder, damaged])
  writeFileSync(join(damaged, 'identity/device.json'), '{"formatVersion":1,')
  expect(said((await checkFolder(damaged)).findings, 'enrolment')).toMatch(/fault: .*device\.json is damaged/)
})

test('a folder that this user may not use, and keys that others may read', async () => {
  const open = join(home, 'open')
  execFileSync('cp', ['-r', folder, open])
  chmodSync(join(open, 'identity/sign.pem'), 0o644)
  const { findings } = await checkFolder(open)
  expect(said(findings, 'permissions')).toMatch(/warning: others on this machine may read .*sign\.pem -> chmod -R go=/)
  rmSync(join(open, 'identity/seal.pem'))
  expect(said((await checkFolder(open)).findings, 'enrolment')).toContain('its key for sealed bundles is missing')

  // modes hold back everybody but root, and root where it has no capabilities
  chmodSync(open, 0o000)
  const command = [
    process.execPath,
    fileURLToPath(new URL('../../agent/main.ts', import.meta.url)),
    'doctor',
    '--dir',
    open,
    '--json',
  ]
  const powerless = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all'] : []
  const [file = '', ...args] = [...powerless, ...command]
  const { status, stdout } = spawnSync(file, args, { encoding: 'utf8' })
  chmodSync(open, 0o700)
  expect([status, said(Report.parse(JSON.parse(stdout)).findings, 'permissions')]).toEqual([
    1,
    expect.stringMatching(/fault: .* cannot be read and written by this user -> run it as the agent's user/),
  ])
})

test('a full disk, and a profile that is too much for the machine', async () => {
  const { code, findings } = await doctor([], ['--import', eightMebibytesFree])
  expect([code, said(findings, 'disk')]).toEqual([1, expect.stringContaining('fault: 8 MiB are free')])
  const { profile } = identity
  expect(checkProfile(profile, 1_000 * profile.memoryBytes).verdict).toBe('ok')
  expect(checkProfile(profile, 2 * profile.memoryBytes)).toMatchObject({
    verdict: 'warning',
    says: expect.stringContaining('twice while a version is exchanged, and this machine has'),
  })
})

test('an agent that was upgraded and not restarted, cannot write, or has heard nothing', async () => {
  const status = Status.parse(JSON.parse(readFileSync(join(folder, 'status.json'), 'utf8')))
  const running = { ...status, running: true }
  expect(checkAgent({ ...running, agent: '0.0.9' }, true, version).says).toBe(
    `the agent that runs is 0.0.9, and ${version} is installed`,
  )
  const failing = { ...running, outbox: { ...status.outbox, failing: 'ENOSPC' } }
  expect(checkAgent(failing, true, version)).toMatchObject({
    verdict: 'fault',
    says: 'reports cannot be written: ENOSPC',
  })
  expect(checkAgent({ ...running, stale: true }, true, version).says).toContain('no fresh answer of the hub')
  expect(checkAgent(running, false, version).verdict).toBe('warning')
})

test('a clock that is wrong, and a hub of another version', async () => {
  for (const [skewMs, word] of [
    [120_000, 'ahead of'],
    [-120_000, 'behind'],
  ] as const) {
    const findings = await overHttp(hub.url, () => Date.now() + skewMs)
    expect(said(findings, 'clock')).toMatch(new RegExp(`fault: this device's clock is 1\\d\\d s ${word} the hub's`))
  }
  expect(said(await overHttp(hub.url), 'clock')).toContain('ok: ')
  const other = await listening(
    createServer(like({ '/healthz': [200, 'ok'], '/v1/blobs': [404, '', { 'roost-version': '9.1.0' }] })),
  )
  const findings = await overHttp(`http://127.0.0.1:${other.port}`)
  expect(said(findings, 'version')).toContain(`warning: the hub is 9.1.0, the agent ${version}`)
  other.close()
})

test('a hub and a broker that are away, or something else', async () => {
  const closed = await listening(createTcpServer())
  closed.close()
  await once(closed, 'close')
  const http = `http://127.0.0.1:${closed.port}`
  const mqtt = `mqtt://127.0.0.1:${closed.port}`
  const report = await doctor(['--hub', http, '--mqtt-url', mqtt])
  expect(report.code).toBe(3)
  expect(said(report.findings, 'hub')).toBe(
    `fault: nothing listens at ${http} -> start it, or give its address: --hub, ROOST_AGENT_HUB`,
  )
  expect(said(report.findings, 'broker')).toMatch(/^fault: nothing listens at mqtt:.*--mqtt-url, ROOST_AGENT_MQTT_URL$/)
  expect(said(await overHttp('http://nowhere.invalid'), 'hub')).toContain('leads nowhere')
  expect(said(await overMqtt('mqtt://nowhere.invalid'), 'broker')).toContain('leads nowhere')

  const page = await listening(createServer(like({ '/healthz': [200, '<html>'] })))
  expect(said(await overHttp(`http://127.0.0.1:${page.port}`), 'hub')).toContain('but not as a hub does')
  page.close()
  const curt = await listening(createTcpServer((socket) => socket.destroy()))
  const [finding] = await overMqtt(`mqtt://127.0.0.1:${curt.port}`)
  expect([finding?.check, finding?.verdict]).toEqual(['broker', 'fault'])
  curt.close()
})

test('TLS: an authority nobody knows, the one that is known, another name, and none at all', async () => {
  const cert = readFileSync(join(fixtures, 'cert.pem'), 'utf8')
  const tls = { cert, key: readFileSync(join(fixtures, 'key.pem')) }
  const answers = {
    '/healthz': [200, 'ok'],
    '/v1/blobs': [404, '', { 'roost-version': version }],
  } satisfies Parameters<typeof like>[0]
  const secure = await listening(createHttpsServer(tls, like(answers)))
  const url = `https://localhost:${secure.port}`
  expect(said(await overHttp(url), 'hub TLS')).toMatch(/no authority that is trusted here .* -> enrol with --ca FILE/)
  const trusting = { ...identity, certificateAuthority: cert }
  expect(said(await overHttp(url, Date.now, trusting), 'TLS')).toContain('ok: its certificate is good')
  expect(said(await overHttp(`https://127.0.0.2:${secure.port}`, Date.now, trusting), 'hub')).toContain(
    'nothing listens',
  )
  const broker = `mqtts://localhost:${secure.port}`
  expect(said(await overMqtt(broker), 'broker TLS')).toMatch(/no authority .* -> set ROOST_MQTT_CA_FILE at the hub/)
  // the broker's own authority counts there, and no other
  const another = execFileSync(
    'openssl',
    'req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=x'.split(' '),
    {
      encoding: 'utf8',
      stdio: 'pipe',
    },
  )
  const told = { ...trusting, mqttAuthority: another }
  expect(said(await overMqtt(broker, told), 'broker TLS')).toContain('no authority')
  secure.close()
  const { port } = new URL(hub.url)
  expect(said(await overHttp(`https://127.0.0.1:${port}`), 'hub TLS')).toContain('does not speak TLS')
  expect(said(await overMqtt(`mqtts://127.0.0.1:${hub.ports.mqtt}`), 'broker TLS')).toContain('does not speak TLS')
})

test('a device that was revoked', async () => {
  await ask('DELETE', `/v1/devices/${identity.device}`)
  const findings = await examine({ dir: folder, hubUrl: undefined, mqttUrl: undefined }, version, Date.now, () => false)
  const lines = said(findings, 'device').split('\n')
  expect(lines.length).toBe(2)
  for (const line of lines) expect(line).toMatch(/^fault: the hub does not take this device or its secret/)
  expect(exitCodeOf(findings)).toBe(1)
})
