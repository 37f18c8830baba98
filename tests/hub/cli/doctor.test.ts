// `roost doctor` finds each misconfiguration where it has really been made: ports taken, disks full, certificates expired.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Finding } from '@roost/shared/diagnosis/finding.ts'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { checkConnection } from '../../../hub/cli/doctor/connection-checks.ts'
import { exitCodeOfFindings } from '../../../hub/cli/doctor/finding.ts'
import { checkHub } from '../../../hub/cli/doctor/hub-checks.ts'
import { openKeys, rootLifetimeMs } from '../../../hub/keys.ts'
import hubPackage from '../../../hub/package.json' with { type: 'json' }
import { inherited } from '../../builders/inherited.ts'
import { aPerson } from './a-person.ts'
import { aRunningHub, type RunningHub } from './a-running-hub.ts'

const fixtures = fileURLToPath(new URL('../../fixtures/tls/', import.meta.url))
const profiles: ReadonlySet<string> = new Set(['generic-x64'])
const freePorts = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
let hub: RunningHub
let folder: string

beforeAll(async () => {
  hub = await aRunningHub()
  folder = mkdtempSync(join(tmpdir(), 'roost-doctor-'))
})
afterAll(async () => {
  await hub[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** The finding on `check`, as one text. */
const said = (findings: readonly Finding[], check: string): string =>
  findings
    .filter((finding) => finding.check === check)
    .map(({ verdict, says, next }) => `${verdict}: ${says} -> ${next}`)
    .join('\n')

const fromHere = (url: string, token = hub.token, clock: () => number = Date.now) =>
  checkConnection({ url, token }, profiles, clock)
const onItsMachine = (environment: Record<string, string>, nowMs = Date.now()) =>
  checkHub({ ROOST_DATA_DIR: join(folder, 'new'), ...freePorts, ...environment }, nowMs)

const main = fileURLToPath(new URL('../../../hub/cli/main.ts', import.meta.url))
const doctorHere = [process.execPath, main, 'doctor', '--hub', '--json']
const eightMebibytesFree = new URL('eight-mebibytes-free.ts', import.meta.url).href
const Report = z.object({ findings: z.array(z.custom<Finding>()) })

async function reportOf(file: string, args: string[], environment: Record<string, string>, uid?: number) {
  const env = { ...inherited(), ...freePorts, ...environment }
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'inherit'], ...(uid === undefined ? {} : { uid }) })
  let text = ''
  child.stdout.on('data', (piece) => {
    text += String(piece)
  })
  const [code] = await once(child, 'close')
  return { code, ...Report.parse(JSON.parse(text)) }
}

/** Modes hold back everybody but root, and root where it has no capabilities. */
const onItsMachineAsAnybody = (environment: Record<string, string>) => {
  const [node = '', ...args] = doctorHere
  const powerless = ['--bounding-set=-all', '--inh-caps=-all']
  if (process.getuid?.() !== 0) return reportOf(node, args, environment)
  return spawnSync('setpriv', [...powerless, 'true']).status === 0
    ? reportOf('setpriv', [...powerless, ...doctorHere], environment)
    : reportOf(node, args, environment, 65_534)
}

async function listening<S extends Server | ReturnType<typeof createHttpsServer>>(
  server: S,
): Promise<S & { port: number }> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return Object.assign(server, { port: typeof address === 'object' && address !== null ? address.port : 0 })
}

/** Answers as a hub would, but for `headers`. */
const aHubThatSays =
  (headers: Record<string, string>): RequestListener =>
  (request, response) => {
    const body = { '/healthz': 'ok', '/v1/models?limit=1': '{"models":[]}' }[request.url ?? ''] ?? '{"devices":[]}'
    response.writeHead(200, { 'roost-version': hubPackage.version, ...headers }).end(body)
  }

test('nothing is found where nothing is wrong, from here and on its machine', async () => {
  const findings = [...(await fromHere(hub.url)), ...(await onItsMachine({}))]
  expect(findings.filter(({ verdict }) => verdict !== 'ok')).toEqual([])
  expect(exitCodeOfFindings(findings)).toBe(0)
  const running = await onItsMachine({ ROOST_DATA_DIR: join(hub.folder, 'hub') })
  expect(said(running, 'port')).toContain('ok: the hub runs')
  expect(said(running, 'keys')).toMatch(/^warning: .*root\.pem is still here/)
  expect(exitCodeOfFindings(running)).toBe(0)
})

test('a hub that cannot be reached: exit code 3, and JSON for those who read that', async () => {
  const gone = await listening(createServer())
  const { port } = gone
  gone.close()
  await once(gone, 'close')
  using person = aPerson()
  const env = { ROOST_URL: `http://127.0.0.1:${port}`, ROOST_TOKEN: 'roost_x' }
  const ran = await person.runs('doctor', { env })
  expect([ran.code, ran.stdout]).toEqual([
    3,
    expect.stringMatching(/fault +hub +nothing listens at .*\n +-> start it there/),
  ])
  expect(JSON.parse((await person.runs('doctor --json', { env })).stdout)).toMatchObject({
    findings: [{ check: 'contexts' }, { check: 'hub', verdict: 'fault', next: expect.any(String) }],
  })
  // no name server need be asked: no part of a name is that long
  expect(said(await fromHere(`http://${'x'.repeat(64)}.invalid`), 'hub')).toContain('leads nowhere')
  const page = await listening(createServer((_request, response) => response.end('<html>')))
  expect(said(await fromHere(`http://127.0.0.1:${page.port}`), 'hub')).toMatch(/^fault: .*not as a hub does/)
  page.close()
})

test('a hub that is up and then hangs: which check got no answer is said, and the others go on', async () => {
  const all = ['/v1/models?limit=1', '/v1/devices?limit=200']
  const [models = '', devices = ''] = all
  const told = async (unanswered: readonly string[], how: 'hangs' | 'hangs up') => {
    const answer = aHubThatSays({})
    const server = await listening(
      createServer((request, response) => {
        if (!unanswered.includes(request.url ?? '')) answer(request, response)
        else if (how === 'hangs up') request.socket.destroy()
        // half an answer is none
        else if (request.url === devices) response.writeHead(200).write('{"devi')
      }),
    )
    const findings = await fromHere(`http://127.0.0.1:${server.port}`)
    server.closeAllConnections()
    server.close()
    expect(exitCodeOfFindings(findings)).toBe(1)
    expect(said(findings, 'hub')).toMatch(/^ok/)
    expect(said(findings, 'clock')).toMatch(/^ok/)
    return ['token', 'version', 'agents', 'profile'].map((check) => said(findings, check))
  }
  const hung = /^fault: not known: .*\/v1\/\w+ has not answered within 5 s -> .*roost doctor --hub/
  const cut = /^fault: not known: .*\/v1\/\w+ does not answer \(.+\) -> .*roost doctor --hub/
  const ok = /^ok/
  const answers = await Promise.all([told([models], 'hangs'), told([devices], 'hangs'), told(all, 'hangs up')])
  expect(answers).toEqual(
    [
      [hung, ok, ok, ok],
      [ok, ok, hung, hung],
      [cut, cut, cut, cut],
    ].map((checks) => checks.map((pattern) => expect.stringMatching(pattern))),
  )
})

test('a clock that is off: the Date header of the hub, and what the hub has written', async () => {
  // both clocks stand, at a whole second as the header has it
  const nowMs = Math.floor(Date.now() / 1000) * 1000
  const off = async (ms: number) => {
    const server = await listening(createServer(aHubThatSays({ date: new Date(nowMs + ms).toUTCString() })))
    const findings = await fromHere(`http://127.0.0.1:${server.port}`, hub.token, () => nowMs)
    server.close()
    return said(findings, 'clock')
  }
  expect(await off(0)).toMatch(/^ok/)
  expect(await off(600_000)).toMatch(/^fault: the hub's clock is 600 s ahead of/)
  // its second may be nearly over
  expect(await off(-600_000)).toMatch(/^fault: the hub's clock is 599 s behind/)
  const data = join(folder, 'ahead')
  mkdirSync(data, { mode: 0o700 })
  writeFileSync(join(data, 'hub.db'), '', { mode: 0o600 })
  const later = new Date(Date.now() + 3_600_000)
  utimesSync(join(data, 'hub.db'), later, later)
  expect(said(await onItsMachine({ ROOST_DATA_DIR: data }), 'clock')).toMatch(/^fault: the clock is 3\d\d\d s behind/)
})

test('a port that is taken, given twice, or on an address of another machine', async () => {
  const taken = await listening(createServer())
  const port = String(taken.port)
  expect(said(await onItsMachine({ ROOST_HTTP_PORT: port }), 'port')).toMatch(
    new RegExp(`^fault: 127.0.0.1:${port} is taken by another process.*or set ROOST_HTTP_PORT$`),
  )
  taken.close()
  await once(taken, 'close')
  const twice = await onItsMachine({ ROOST_HTTP_PORT: port, ROOST_MQTT_PORT: port })
  expect(said(twice, 'port')).toContain(`fault: ROOST_MQTT_PORT and ROOST_HTTP_PORT are both ${port}`)
  expect(said(await onItsMachine({ ROOST_HTTP_HOST: '203.0.113.7' }), 'port')).toContain(
    'is no address of this machine',
  )
})

test('a disk that is full', async () => {
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  const environment = { ROOST_DATA_DIR: join(disk, 'hub') }
  // a mount that ends with the process
  const mount = `mount -t tmpfs -o size=8m none ${disk}`
  const mounted = (...command: string[]) => ['-rm', 'sh', '-c', `${mount} && exec "$@"`, '-', ...command]
  const [node = '', ...args] = doctorHere
  const { code, findings } =
    spawnSync('unshare', mounted('true')).status === 0
      ? await reportOf('unshare', mounted(...doctorHere), environment)
      : await reportOf(node, ['--import', eightMebibytesFree, ...args], environment)
  expect([code, said(findings, 'disk')]).toEqual([1, expect.stringMatching(/^fault: only 8 MiB are free/)])
})

test('folders that cannot be written, and secrets that others can read', async () => {
  const data = join(folder, 'mine')
  await openKeys(
    join(data, 'keys'),
    () => crypto.getRandomValues(new Uint8Array(32)),
    Date.now,
    pino({ level: 'silent' }),
  )
  chmodSync(join(data, 'keys/release.pem'), 0o644)
  const open = said(await onItsMachine({ ROOST_DATA_DIR: data }), 'permissions')
  expect(open).toMatch(/^warning: others on this machine may read .*release\.pem -> chmod/)

  writeFileSync(join(folder, 'file'), '')
  expect(said(await onItsMachine({ ROOST_DATA_DIR: join(folder, 'file') }), 'permissions')).toContain('is not a folder')

  const locked = join(folder, 'locked')
  mkdirSync(join(locked, 'hub'), { recursive: true })
  chmodSync(join(locked, 'hub'), 0o500)
  chmodSync(locked, 0o555)
  chmodSync(folder, 0o755)
  const closed = await onItsMachineAsAnybody({ ROOST_DATA_DIR: join(locked, 'hub') })
  expect([closed.code, said(closed.findings, 'permissions')]).toEqual([
    1,
    expect.stringMatching(/^fault: \S+ may not read and write/),
  ])
  const unmade = await onItsMachineAsAnybody({ ROOST_DATA_DIR: join(locked, 'new') })
  expect([unmade.code, said(unmade.findings, 'permissions')]).toEqual([
    1,
    expect.stringMatching(/^fault: \S+ cannot make/),
  ])

  using person = aPerson()
  const env = { ROOST_URL: hub.url, ROOST_TOKEN: hub.token }
  await person.runs(`login --url ${hub.url}`, { input: hub.token })
  chmodSync(person.contexts, 0o644)
  const ran = await person.runs('doctor', { env })
  expect([ran.code, ran.stdout]).toEqual([
    0,
    expect.stringMatching(/warning +contexts +others on this machine may read the tokens/),
  ])
})

test('a certificate that has expired, that is for another name, that nobody here trusts', async () => {
  const key = join(folder, 'key.pem')
  const request = join(folder, 'request.pem')
  const cert = join(folder, 'cert.pem')
  const openssl = (line: string) => execFileSync('openssl', line.split(' '), { stdio: 'pipe' })
  openssl(`req -new -newkey rsa:2048 -nodes -keyout ${key} -out ${request} -subj /CN=localhost`)
  openssl(`x509 -req -in ${request} -signkey ${key} -out ${cert} -days -1`)
  const expired = { ROOST_TLS_CERT_FILE: cert, ROOST_TLS_KEY_FILE: key }
  expect(said(await onItsMachine(expired), 'TLS')).toMatch(/^fault: the certificate has expired/)

  const good = { ROOST_TLS_CERT_FILE: join(fixtures, 'cert.pem'), ROOST_TLS_KEY_FILE: join(fixtures, 'key.pem') }
  expect(said(await onItsMachine(good), 'TLS')).toMatch(/^ok/)
  const named = await onItsMachine({
    ...good,
    ROOST_PUBLIC_URL: 'https://hub.example.com',
    ROOST_PUBLIC_MQTT_URL: 'mqtts://hub.example.com',
  })
  expect(said(named, 'TLS')).toContain('fault: the certificate is not for hub.example.com')
  const mixed = await onItsMachine({ ...good, ROOST_TLS_KEY_FILE: key })
  expect(said(mixed, 'TLS')).toContain('fault: ROOST_TLS_KEY_FILE: this is not the key')
  expect(said(await onItsMachine({ ROOST_HTTP_HOST: '0.0.0.0', ROOST_MQTT_HOST: '0.0.0.0' }), 'TLS')).toMatch(
    /^warning: none/,
  )

  const server = await listening(
    createHttpsServer({ cert: readFileSync(cert), key: readFileSync(key) }, aHubThatSays({})),
  )
  using person = aPerson()
  const env = { ROOST_URL: `https://localhost:${server.port}`, ROOST_TOKEN: 'roost_x', NODE_EXTRA_CA_CERTS: cert }
  const ran = await person.runs('doctor', { env })
  expect([ran.code, ran.stdout]).toEqual([1, expect.stringMatching(/fault +TLS +\S+: its certificate has expired/)])
  server.close()
  const unknown = await listening(
    createHttpsServer(
      { cert: readFileSync(good.ROOST_TLS_CERT_FILE), key: readFileSync(good.ROOST_TLS_KEY_FILE) },
      aHubThatSays({}),
    ),
  )
  expect(said(await fromHere(`https://127.0.0.1:${unknown.port}`), 'TLS')).toContain('NODE_EXTRA_CA_CERTS')
  unknown.close()
  expect(said(await fromHere(hub.url.replace('http:', 'https:')), 'TLS')).toContain('does not speak TLS')
})

test('a broker that devices are told to find where none is', async () => {
  const running = { ROOST_DATA_DIR: join(hub.folder, 'hub') }
  const told = async (url: string) => said(await onItsMachine({ ...running, ROOST_PUBLIC_MQTT_URL: url }), 'broker')
  const page = await listening(createServer((_request, response) => response.end('<html>')))
  expect(await told(`mqtt://127.0.0.1:${page.port}`)).toMatch(/^fault: no broker answers at .*does not speak MQTT/)
  page.close()
  await once(page, 'close')
  expect(await told(`mqtt://127.0.0.1:${page.port}`)).toMatch(/^fault: .*ECONNREFUSED/)
  expect(await told(`mqtt://127.0.0.1:${hub.mqttPort}`)).toMatch(/^ok: answers/)
  const away = await onItsMachine({ ROOST_HTTP_HOST: '0.0.0.0' })
  expect(said(away, 'broker')).toMatch(/^fault: devices are told to find the broker at .*each device itself/)
})

test('a broker of one’s own that is not there, lets in whoever comes, or cannot be told who may', async () => {
  const files = join(folder, 'broker')
  const told = async (port: number, over: Record<string, string> = {}) => {
    const url = `mqtt://127.0.0.1:${port}`
    return said(await onItsMachine({ ROOST_MQTT_URL: url, ROOST_MQTT_FILES_DIR: files, ...over }), 'broker')
  }
  /** CONNACK with this return code, whoever comes. */
  const answering = async (code: number) => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(Buffer.from([0x20, 2, 0, code])))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return { port: address.port, server }
  }
  const strict = await answering(5)
  expect(await told(strict.port)).toMatch(/^ok: answers at .* turns strangers away/)
  mkdirSync(files, { mode: 0o750 })
  expect(await told(strict.port)).toMatch(/^ok: answers/)
  // its ports are the broker's
  const both = { ROOST_MQTT_URL: `mqtt://127.0.0.1:${strict.port}`, ROOST_MQTT_FILES_DIR: files }
  expect(said(await onItsMachine({ ...both, ROOST_MQTT_PORT: String(strict.port) }), 'port')).toMatch(/^ok/)
  const open = await answering(0)
  expect(await told(open.port)).toMatch(/^fault: .*lets in whoever comes -> set allow_anonymous false/)
  open.server.close()
  await once(open.server, 'close')
  expect(await told(open.port)).toMatch(/^fault: no broker answers at .*ECONNREFUSED/)
  chmodSync(files, 0o755)
  expect(await told(strict.port)).toMatch(/^warning: others on this machine may look into/)
  const file = join(folder, 'no-folder')
  writeFileSync(file, '')
  expect(await told(strict.port, { ROOST_MQTT_FILES_DIR: file })).toMatch(/^fault: .* cannot write .*no-folder/)
  strict.server.close()
  const half = await onItsMachine({ ROOST_MQTT_URL: 'mqtt://127.0.0.1' })
  expect(said(half, 'settings')).toContain('ROOST_MQTT_FILES_DIR: missing')
})

test('keys that are gone, expired or not the ones of the root', async () => {
  const made = async (name: string, nowMs: number) => {
    const data = join(folder, name)
    mkdirSync(data, { mode: 0o700 })
    await openKeys(
      join(data, 'keys'),
      () => crypto.getRandomValues(new Uint8Array(32)),
      () => nowMs,
      pino({ level: 'silent' }),
    )
    return data
  }
  const keys = async (data: string, nowMs?: number) => said(await onItsMachine({ ROOST_DATA_DIR: data }, nowMs), 'keys')
  const now = Date.now()
  const old = await made('old', now - rootLifetimeMs - 1)
  expect(await keys(old, now)).toMatch(/^fault: the root has expired/)
  expect(await keys(await made('soon', now - rootLifetimeMs + 86_400_000), now)).toMatch(/^warning: the root expires/)
  const data = await made('whole', now)
  rmSync(join(data, 'keys/root.pem'))
  expect(await keys(data)).toMatch(/^ok: root 1/)
  cpSync(join(old, 'keys/assignment.pem'), join(data, 'keys/assignment.pem'))
  expect(await keys(data)).toMatch(
    /^fault: the keys cannot be used: .*assignment\.pem is not a key that root version 1 names/,
  )
  rmSync(join(data, 'keys/assignment.pem'))
  expect(await keys(data)).toMatch(/^fault: .*assignment\.pem is missing/)
  rmSync(join(data, 'keys/1.root.json'))
  writeFileSync(join(data, 'hub.db'), '', { mode: 0o600 })
  expect(await keys(data)).toMatch(/^fault: there is a database but no/)
})

test('a hub of another version, agents of another version, a profile that nobody knows, a token that is not known', async () => {
  const server = await listening(createServer(aHubThatSays({ 'roost-version': '9.1.0' })))
  expect(said(await fromHere(`http://127.0.0.1:${server.port}`), 'version')).toMatch(
    /^warning: the hub is 9\.1\.0, roost is/,
  )
  server.close()
  const nothing = new Uint8Array(32)
  await hub.database.write([
    {
      sql: `INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
            VALUES ('c', ?, '{}', 1, 'test', 0, 0)`,
      args: [nothing],
    },
    {
      sql: `INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at, agent)
            VALUES ('d-1', '{}', 'toaster', ?, ?, ?, 'c', 0, '0.0.9')`,
      args: [nothing, nothing, nothing],
    },
  ])
  const findings = await fromHere(hub.url)
  expect(said(findings, 'agents')).toMatch(/^warning: d-1 \(0\.0\.9\): another version/)
  expect(said(findings, 'profile')).toMatch(/^warning: d-1 \(toaster\)/)
  const stranger = await fromHere(hub.url, 'roost_nobody')
  expect(said(stranger, 'token')).toMatch(/^fault: the hub does not know the token/)
  expect(said(stranger, 'version')).toBe('')
  expect(said(await onItsMachine({ ROOST_HTTP_PROT: '1' }), 'settings')).toMatch(
    /^fault: ROOST_HTTP_PROT.*did you mean ROOST_HTTP_PORT/,
  )
})
