// What `npm run pack` makes, in empty folders with nothing of the checkout. The npm packages install, their types hold, and
// from the hub's start to a device's prediction all runs, each process that hub and agent start included. A gateway's
// archive holds what its agent needs and nothing else, and is installed only where its checksum holds.

import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { readConfig } from '../../hub/config.ts'
import { startAgentProcess } from '../builders/agent-process.ts'
import { aHubProcess } from '../builders/hub-process.ts'
import { inherited } from '../builders/inherited.ts'
import { aScaleModel } from '../builders/onnx.ts'
import { roost } from '../hub/cli/roost.ts'

const root = join(import.meta.dirname, '../..')
const packages = join(root, 'packages')
const Package = z.object({ dependencies: z.record(z.string(), z.string()) })
const dependenciesOf = (workspace: string) =>
  Object.keys(Package.parse(JSON.parse(readFileSync(join(root, workspace, 'package.json'), 'utf8'))).dependencies)
const Action = z.object({
  runs: z.object({ steps: z.array(z.object({ id: z.string().optional(), run: z.string().optional() })) }),
})
const Template = z.object({ '.roost-push': z.object({ script: z.array(z.string()) }) })
const SourceMap = z.object({ sources: z.array(z.string()).length(1), sourcesContent: z.array(z.string()).length(1) })

let folder: string
let scope: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-packages-'))
  scope = join(folder, 'node_modules/@roost')
  execFileSync('npm', ['run', 'pack'], { cwd: root, stdio: 'pipe' })
  const tarballs = ['shared', 'hub', 'agent'].map((name) => join(packages, `roost-${name}-0.1.0.tgz`))
  writeFileSync(join(folder, 'package.json'), '{"private": true, "type": "module"}')
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...tarballs], {
    cwd: folder,
    stdio: 'pipe',
  })
}, 600_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What the push of the GitHub action runs, and of the GitLab template. */
function ofGitHub(): string {
  const { runs } = Action.parse(parse(readFileSync(join(root, 'scripts/ci/action.yml'), 'utf8')))
  return runs.steps.find(({ id }) => id === 'push')?.run ?? ''
}
function ofGitLab(): string {
  const { '.roost-push': job } = Template.parse(parse(readFileSync(join(root, 'scripts/ci/gitlab.yml'), 'utf8')))
  return job.script.join('\n')
}

test('every module is compiled, with its types and a map that holds its source', () => {
  const modules = globSync('*/**/*.js', { cwd: scope, exclude: ['hub/dashboard/built/**'] })
  expect(modules.length).toBeGreaterThan(400)
  for (const path of modules) {
    const file = join(scope, path)
    expect(existsSync(file.replace(/\.js$/, '.d.ts')), path).toBe(true)
    SourceMap.parse(JSON.parse(readFileSync(`${file}.map`, 'utf8')))
  }
  expect(globSync('*/**/*.ts', { cwd: scope }).filter((path) => !path.endsWith('.d.ts'))).toEqual([])
})

test('what a module starts or loads by its address is in its package', () => {
  const asked = globSync('*/**/*.js', { cwd: scope, exclude: ['hub/dashboard/built/**'] }).flatMap((path) =>
    [...readFileSync(join(scope, path), 'utf8').matchAll(/new URL\('([^'$]+)', import\.meta\.url\)/g)].map(
      ([, address = '']) => join(dirname(path), address),
    ),
  )
  // four processes, two workers and more, the migrations, the profiles
  expect(asked.length).toBeGreaterThan(7)
  expect(asked.filter((path) => !existsSync(join(scope, path)))).toEqual([])
})

test('a program in TypeScript sees the types, and what does not fit them', () => {
  const program = `import { DeviceId } from '@roost/shared/protocol/names.js'
import { readConfig } from '@roost/hub/config.js'
const device: string = DeviceId.parse('gateway-1')
const port: number = readConfig({}).httpPort
export const wrong: number = DeviceId.parse(device + port)
`
  writeFileSync(join(folder, 'program.ts'), program)
  const flags = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', 'node']
  const typeRoots = ['--typeRoots', join(root, 'node_modules/@types')]
  const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), [...flags, ...typeRoots, 'program.ts'], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect(tsc.stdout.trim().split('\n')).toEqual([expect.stringMatching(/^program\.ts\(5,14\): error TS2322/)])
})

test('an error tells the line of the source', () => {
  const script = `import { parseStrictJson } from '@roost/shared/trust/strict-json.js'
    import { z } from 'zod'
    parseStrictJson(new TextEncoder().encode('{'), z.unknown())`
  const ran = spawnSync(process.execPath, ['--enable-source-maps', '--input-type=module', '--eval', script], {
    cwd: folder,
    encoding: 'utf8',
  })
  const lines = readFileSync(join(root, 'shared/trust/strict-json.ts'), 'utf8').split('\n')
  const [, line] = /strict-json\.ts:(\d+):\d+\)/.exec(ran.stderr) ?? []
  expect(lines[Number(line) - 1], ran.stderr).toContain('throw new TrustError')
})

test('from the start of the hub to the prediction of a device', async () => {
  const file = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const command = (name: string) => join(folder, 'node_modules/.bin', name)
  const data = join(folder, 'hub-data')
  mkdirSync(data)
  await using process = await aHubProcess({ folder: data, main: command('roost'), args: ['hub'] })
  const hub = { url: process.url, token: process.adminToken ?? '', main: command('roost') }
  const said = async (...args: string[]) => {
    const ran = await roost(hub, ...args)
    expect(ran, ran.stderr).toMatchObject({ code: 0 })
    return ran.stdout
  }
  const modelFile = file('scale.onnx', aScaleModel({ factor: 3, width: 1 }))
  await said('model', 'push', 'scale', modelFile)
  const page = await (await fetch(hub.url)).text()
  const [, script = ''] = /src="(\/assets\/[^"]+\.js)"/.exec(page) ?? []
  expect((await fetch(new URL(script, hub.url))).headers.get('content-type')).toMatch(/^text\/javascript/)
  // read by a process of its own, then scored by another, measured in a worker
  await said('datasets', 'push', 'held-out', file('rows.csv', 'x,label\n1,3\n2,6\n3,9\n4,12\n'))
  const measured = ['--task', 'regression', '--column', 'x=x', '--label', 'label', '--no-importance', '--wait']
  await said('evaluate', 'scale', '1', '--dataset', 'held-out/1', ...measured)
  await said('simulate', '--devices', '24', '--runs', '2', '--no-threshold')

  const dir = join(folder, 'gateway')
  const token = (await said('claim', 'create')).trim()
  const enrol = { main: command('roost-agent'), args: ['enrol', '--hub', hub.url, '--token', token, '--dir', dir] }
  await using enrolling = startAgentProcess(enrol)
  expect(await enrolling.ended, enrolling.output()).toBe(0)
  // what systemd brings, and writes down what it is asked
  const programs = join(folder, 'programs')
  mkdirSync(programs)
  const signs = join(folder, 'signs-of-life')
  writeFileSync(join(programs, 'systemd-notify'), `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >>${signs}\n`, { mode: 0o755 })
  await using agent = startAgentProcess({
    main: command('roost-agent'),
    environment: {
      PATH: `${programs}:${inherited().PATH}`,
      NOTIFY_SOCKET: '/run/systemd/notify',
      WATCHDOG_USEC: '1500000',
    },
    args: ['run', '--dir', dir, '--serve-port', '0', '--probation-ms', '500'],
  })
  await said('group', 'create', 'everywhere', 'all')
  const plan = file('plan.json', readFileSync(join(root, 'scripts/demo/plans/at-once.json')))
  const narrowed = ['--role', 'admin', '--scope', 'viewer', '--scope', 'ci', '--scope', 'operator', '--model', 'scale']
  const Token = z.object({ token: z.string() })
  const { token: pipeline } = Token.parse(JSON.parse(await said('token', 'create', 'pipeline', ...narrowed, '--json')))
  const job = (step: string, environment: Record<string, string>) =>
    spawnSync('bash', ['-e', '-c', step], {
      cwd: folder,
      encoding: 'utf8',
      env: {
        PATH: `${join(folder, 'node_modules/.bin')}:${dirname(globalThis.process.execPath)}:${inherited().PATH}`,
        GITHUB_OUTPUT: join(folder, 'github-output'),
        ROOST_URL: hub.url,
        ROOST_TOKEN: pipeline,
        MODEL: 'scale',
        METADATA: '',
        GROUP: 'everywhere',
        PLAN: plan,
        ...environment,
      },
    })
  // the version that was pushed by hand, not another
  const github = job(ofGitHub(), { MODEL_FILE: modelFile })
  expect(github, github.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining('completed') })
  expect(readFileSync(join(folder, 'github-output'), 'utf8')).toBe('version=1\n')
  // refused, and nothing started
  expect(job(ofGitHub(), { MODEL_FILE: file('no.onnx', 'no model') })).toMatchObject({ status: 1 })
  expect(job(ofGitLab(), { MODEL_FILE: modelFile, GROUP: 'nobody' })).toMatchObject({ status: 1 })
  const next = file('next.onnx', aScaleModel({ factor: 4, width: 1 }))
  const gitlab = job(ofGitLab(), { MODEL_FILE: next, METADATA: file('next.json', '{"description": "a job\'s"}') })
  expect(gitlab, gitlab.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining('scale 2') })
  expect(gitlab.stdout).toContain('completed')
  const Ready = z.object({ servingUrl: z.string() })
  const { servingUrl } = Ready.parse(agent.lines().find(({ msg }) => msg === 'agent ready'))
  const input = { name: 'x', datatype: 'FP32', shape: [1, 1], data: [14] }
  const answer = await fetch(`${servingUrl}/v2/models/scale/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs: [input] }),
  })
  expect(await answer.json()).toMatchObject({ outputs: [{ name: 'y', data: [56] }] })
  expect(await agent.stop()).toBe(0)
  const told = readFileSync(signs, 'utf8').trim().split('\n')
  expect(told.length).toBeGreaterThan(1)
  expect(new Set(told)).toEqual(new Set(['/run/systemd/notify WATCHDOG=1']))
  expect(await process.stop()).toBe(0)
})

describe('the archive for a gateway', () => {
  const name = (architecture: string) => `roost-agent-0.1.0-linux-${architecture}`
  const contentsOf = (architecture: string) =>
    execFileSync('tar', ['tzf', join(packages, `${name(architecture)}.tar.gz`)], {
      encoding: 'utf8',
      maxBuffer: 64 * 2 ** 20,
    }).split('\n')
  const install = (archive: string, into: string) =>
    spawnSync('sh', [join(packages, 'install.sh'), archive], {
      encoding: 'utf8',
      env: { ...inherited(), ROOST_ROOT: into },
    })

  test.each(['x64', 'arm64'])('for %s holds what the agent needs, for that processor, and no more', (architecture) => {
    const contents = contentsOf(architecture)
    const inside = `${name(architecture)}/node_modules/`
    const libraries = contents.filter((path) => /\.(node|so|so\.\d+|dll|dylib)$/.test(path))
    expect(libraries.map((path) => path.split('/').slice(-3, -1).join('/'))).toEqual(
      Array.from({ length: 2 }, () => `linux/${architecture}`),
    )
    for (const needed of [...dependenciesOf('agent'), '@roost/agent']) {
      expect(contents).toContain(`${inside}${needed}/package.json`)
    }
    const agents = new Set([...dependenciesOf('agent'), ...dependenciesOf('shared')])
    // ws comes with mqtt
    const foreign = dependenciesOf('hub').filter((one) => !agents.has(one) && one !== 'ws')
    expect(foreign.length).toBeGreaterThan(5)
    for (const one of [...foreign, '@roost/hub', 'typescript', 'vitest', 'node', '@biomejs/biome']) {
      expect(contents).not.toContain(`${inside}${one}/package.json`)
    }
  })

  test('the agent names few dependencies of its own', () => {
    expect(dependenciesOf('agent').sort()).toEqual(
      ['@roost/shared', 'mqtt', 'onnxruntime-node', 'pino', 'tweetnacl', 'undici', 'zod'].sort(),
    )
  })

  test('is installed where its checksum holds, and starts by what the unit names', () => {
    const into = join(folder, 'image')
    const ran = install(join(packages, `${name('x64')}.tar.gz`), into)
    expect(ran, ran.stderr).toMatchObject({ status: 0, stdout: `installed ${name('x64')}\n` })
    const unit = readFileSync(join(into, 'etc/systemd/system/roost-agent.service'), 'utf8')
    const [, main = ''] = /^ExecStart=\/usr\/bin\/node (\S+) run$/m.exec(unit) ?? []
    const help = execFileSync(process.execPath, [join(into, main), '--help'], { encoding: 'utf8' })
    expect(help).toMatch(/roost-agent enrol/)
    expect(readdirSync(join(into, 'opt/roost-agent')).sort()).toEqual(['current', name('x64')])
  })

  test('the release before is kept to go back to, an older one is not', () => {
    const into = join(folder, 'upgraded')
    const releases = join(into, 'opt/roost-agent')
    for (const old of ['roost-agent-0.0.1-linux-x64', 'roost-agent-0.0.2-linux-x64']) {
      mkdirSync(join(releases, old), { recursive: true })
    }
    symlinkSync('roost-agent-0.0.2-linux-x64', join(releases, 'current'))
    expect(install(join(packages, `${name('arm64')}.tar.gz`), into).status).toBe(0)
    expect(readdirSync(releases).sort()).toEqual(['current', 'roost-agent-0.0.2-linux-x64', name('arm64')])
    expect(readlinkSync(join(releases, 'current'))).toBe(name('arm64'))
  })

  test('one changed byte, a name that is not vouched for, no checksums at all: nothing is installed', () => {
    const at = join(folder, 'received')
    const archive = join(at, `${name('x64')}.tar.gz`)
    mkdirSync(at)
    const into = join(folder, 'untouched')
    const refused = (expected: RegExp) => {
      const ran = install(archive, into)
      expect(ran.status).toBe(1)
      expect(ran.stderr).toMatch(expected)
      expect(existsSync(into)).toBe(false)
    }
    const bytes = readFileSync(join(packages, `${name('x64')}.tar.gz`))
    writeFileSync(archive, bytes)
    refused(/SHA256SUMS is missing/)
    const sums = readFileSync(join(packages, 'SHA256SUMS'), 'utf8')
    writeFileSync(join(at, 'SHA256SUMS'), sums.replaceAll('x64', 'riscv'))
    refused(/does not name .* once/)
    writeFileSync(join(at, 'SHA256SUMS'), sums)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    writeFileSync(archive, bytes)
    refused(/damaged or replaced/)
  })
})

test('the compose file sets what the hub knows, opens where it listens, and leads hub and broker to one folder', () => {
  const Service = z.object({ ports: z.array(z.string()), volumes: z.array(z.string()) })
  const Compose = z.object({
    services: z.object({
      hub: Service.extend({ environment: z.record(z.string(), z.string()) }),
      broker: Service.extend({ user: z.string(), entrypoint: z.array(z.string()) }),
    }),
  })
  const { hub, broker } = Compose.parse(parse(readFileSync(join(root, 'compose.yaml'), 'utf8'))).services
  const image = readFileSync(join(root, 'Dockerfile'), 'utf8')
  const inImage = [...image.matchAll(/(ROOST_\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value])
  const defaults = Object.entries(hub.environment).map(([name, value]) => [name, /:-(.*)\}/.exec(value)?.[1] ?? value])
  const config = readConfig(Object.fromEntries([...inImage, ...defaults]))
  expect(hub.ports).toEqual([`127.0.0.1:${config.httpPort}:${config.httpPort}`])
  expect(broker.ports).toEqual([`127.0.0.1:${config.mqttPort}:${config.mqttPort}`])
  expect(image).toContain(`EXPOSE ${config.httpPort} ${config.mqttPort} ${config.mqttWsPort}\n`)
  expect(image).toContain(`http://127.0.0.1:${config.httpPort}/healthz`)

  const settings = readFileSync(join(root, 'scripts/mosquitto/mosquitto.conf'), 'utf8')
  const folder = config.broker?.folder ?? ''
  expect(settings).toMatch(new RegExp(`^listener ${config.mqttPort}$`, 'm'))
  expect(config.broker?.url).toBe(`mqtt://broker:${config.mqttPort}`)
  for (const name of ['password_file', 'acl_file']) expect(settings).toMatch(new RegExp(`^${name} ${folder}/`, 'm'))
  expect(hub.volumes).toContain(`broker:${folder}`)
  expect(broker.volumes).toContain(`broker:${folder}:ro`)
  expect(image).toContain(` -m 750 ${folder}\n`)
  expect(broker.user.split(':')[0], 'the broker reads what the hub writes').toBe(/^USER (\d+)$/m.exec(image)?.[1])
  const [, script = '', given, configuration = ''] = broker.entrypoint
  expect(given).toBe(folder)
  for (const path of [script, configuration]) {
    expect(existsSync(join(root, path.replace('/roost/', 'scripts/mosquitto/'))), path).toBe(true)
  }
})
