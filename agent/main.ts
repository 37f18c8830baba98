#!/usr/bin/env node
// The `roost-agent` command: enrol, run, status, doctor.

import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { findingLines } from '@roost/shared/diagnosis/finding.ts'
import { Profile } from '@roost/shared/profiles/profile.ts'
import { DeviceId } from '@roost/shared/protocol/names.ts'
import { TrustError } from '@roost/shared/trust/error.ts'
import { pino } from 'pino'
import { z } from 'zod'
import { readConfig, settings, UsageError, variableOf } from './config.ts'
import { startAgent } from './control/agent.ts'
import { FolderInUseError } from './control/lock.ts'
import { readStatus, type Status } from './control/status.ts'
import { signOfLife, watchdogPauseMs } from './control/watchdog.ts'
import { examine, exitCodeOf } from './doctor/doctor.ts'
import { systemCode } from './durable-file.ts'
import { IdentityError } from './identity/device.ts'
import { enrol } from './identity/enrol.ts'
import { PinnedStateError } from './identity/pinned-state.ts'
import agent from './package.json' with { type: 'json' }
import { ServingSocketError } from './reconcile/serving-socket.ts'

const random = (size: number) => new Uint8Array(randomBytes(size))
const settingLines = Object.entries(settings).map(([name, { what }]) => `  --${name.padEnd(16)} ${what}`)

const usage = `roost-agent ${agent.version}: runs models on a gateway, as its hub wishes

  roost-agent enrol --hub URL --token TOKEN [--dir DIR] [--device ID] [--profile NAME|FILE] [--ca FILE]
      makes this device's keys, pins the hub's root of trust, gets its secret. TOKEN may stand in ROOST_AGENT_TOKEN.
      --profile: one of firmware-profiles, or a file of that form (generic-x64)
      --ca: PEM file of the authority that signed the hub's certificate, where it is not a public one
  roost-agent run [settings]
      runs until SIGTERM
  roost-agent status [--dir DIR] [--json]
      what the agent that runs in DIR last said of itself
  roost-agent doctor [--dir DIR] [--hub URL] [--mqtt-url URL] [--json]
      finds what keeps this device from working: folder, disk, clock, hub, broker; changes nothing.
      Exit code 1 where something is broken, 3 where only hub or broker cannot be reached.

Examples:
  roost-agent enrol --hub https://hub.example:7070 --token TOKEN --profile raspberry-pi-5
  roost-agent run --dir /var/lib/roost-agent --serve-port 8500
  roost-agent doctor --dir /var/lib/roost-agent

Settings of run, also as variables (--serve-port is ${variableOf('serve-port')}):
${settingLines.join('\n')}
`

const commands: Record<string, (args: string[]) => Promise<void>> = { enrol: runEnrol, run, status, doctor }

async function main([name, ...args]: string[]): Promise<void> {
  // identity and reports are nobody else's
  process.umask(0o077)
  if (name === undefined || args.includes('--help') || ['--help', '-h', 'help'].includes(name)) {
    process.stdout.write(usage)
    return
  }
  if (name === '--version') {
    process.stdout.write(`${agent.version}\n`)
    return
  }
  const command = commands[name]
  if (command === undefined)
    throw new UsageError(`there is no command ${name}; there are enrol, run, status and doctor`)
  await command(args)
}

const EnrolFlags = z.object({
  hub: z.url({ protocol: /^https?$/, error: '--hub must be an http:// or https:// address' }),
  token: z.string({ error: '--token TOKEN is needed: an operator makes one with `roost claim create`' }).min(1),
  dir: z.string().min(1).default('.roost-agent'),
  device: DeviceId.optional(),
  profile: z.string().min(1).default('generic-x64'),
  ca: z.string().optional(),
})

async function runEnrol(args: string[]): Promise<void> {
  const text = { type: 'string' } as const
  const options = { hub: text, token: text, dir: text, device: text, profile: text, ca: text }
  const given = flagsOf(() => parseArgs({ args, options }).values)
  const dir = given.dir ?? process.env[variableOf('dir')]
  const flags = EnrolFlags.safeParse({ ...given, dir, token: given.token ?? process.env.ROOST_AGENT_TOKEN })
  if (!flags.success) {
    throw new UsageError(flags.error.issues.map(({ path, message }) => withFlag(path, message)).join('\n'))
  }
  const { hub, token, device, profile, ca } = flags.data
  if (isReadableByOthers(hub))
    process.stderr.write(`roost-agent: ${hub} is not encrypted: the secret can be read on the way\n`)
  const folder = resolve(flags.data.dir)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const identity = await enrol({
    folder,
    hubUrl: hub.replace(/\/+$/, ''),
    token,
    device,
    profile: await readProfile(profile),
    certificateAuthority: ca === undefined ? undefined : await readFile(ca, 'utf8'),
    random,
  })
  process.stdout.write(`enrolled as ${identity.device}\n`)
}

async function run(args: string[]): Promise<void> {
  const config = readConfig(args, process.env)
  const log = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime })
  const pauseMs = watchdogPauseMs(process.env, process.pid)
  if (pauseMs !== undefined) {
    signOfLife(pauseMs, (err) => log.warn({ err }, "systemd's watchdog could not be told that the agent lives"))
  }
  const running = await startAgent(config, {
    version: agent.version,
    log,
    random,
    now: () => performance.now(),
    wallClock: () => Date.now(),
    onFailure: (error) => {
      log.fatal({ err: error }, 'this should never happen; the agent cannot go on')
      process.exit(1)
    },
  })
  log.info({ device: running.device, servingUrl: running.servingUrl }, 'agent ready')
  const signal = await nextSignal()
  log.info({ signal }, 'agent stops')
  await running.close()
  log.info('agent stopped')
}

async function status(args: string[]): Promise<void> {
  const options = { dir: { type: 'string' }, json: { type: 'boolean', default: false } } as const
  const given = flagsOf(() => parseArgs({ args, options }).values)
  const dir = resolve(given.dir ?? process.env[variableOf('dir')] ?? '.roost-agent')
  const found = await readStatus(dir)
  if (found === undefined) throw new UsageError(`no agent has run in ${dir} yet`)
  const current = { ...found, running: found.running && isAlive(found.pid) }
  process.stdout.write(given.json ? `${JSON.stringify(current)}\n` : describe(current))
}

async function doctor(args: string[]): Promise<void> {
  const text = { type: 'string' } as const
  const options = { dir: text, hub: text, 'mqtt-url': text, json: { type: 'boolean', default: false } } as const
  const { json, ...given } = flagsOf(() => parseArgs({ args, options }).values)
  const flags = Object.entries(given).flatMap(([name, value]) => [`--${name}`, value])
  const findings = await examine(readConfig(flags, process.env), agent.version, Date.now, isAlive)
  process.stdout.write(json ? `${JSON.stringify({ findings })}\n` : `${findingLines(findings).join('\n')}\n`)
  process.exitCode = exitCodeOf(findings)
}

function describe(status: Status): string {
  const {
    device,
    agent: version,
    running,
    connected,
    refused,
    stale,
    servingUrl,
    hub,
    deployments,
    progress,
    outbox,
  } = status
  const replayed = Object.entries(status.replayed).map(([name, rows]) => `  ${name}: ${rows} rows replayed`)
  const shadows = status.shadows.map(
    ({ deployment, model, version, state, sample, compared }) =>
      `  ${deployment}: ${model} ${version} beside it, ${state === 'trial' ? 'on trial' : `${compared} inputs compared`} (${Math.round(sample * 100)} % of them)`,
  )
  const away = refused ? `turned away by ${hub} (revoked?)` : `not connected to ${hub}`
  const link = connected ? `connected to ${hub}` : away
  const stalled = stale ? ', without a fresh answer of it for too long' : ''
  const failed = progress.flatMap(({ deployment, role, state, reason }) =>
    reason === undefined ? [] : [`  ${deployment}: wished ${role ?? 'version'} ${state}, ${reason}`],
  )
  return [
    `${device}, agent ${version}: ${running ? `${link}${stalled}` : 'not running'} (${status.at})`,
    `serves at ${servingUrl}:${deployments.length === 0 ? ' no model yet' : ''}`,
    ...deployments.map(
      ({ deployment, model, version, state, serving }) =>
        `  ${deployment}: ${model} ${version}, ${state}${serving ? '' : ', not serving now'}`,
    ),
    ...shadows,
    ...replayed,
    ...failed,
    `reports: ${outbox.head - outbox.tail} wait for the hub, ${outbox.sizeBytes} bytes on disk${outbox.failing === undefined ? '' : `, cannot write: ${outbox.failing}`}`,
    '',
  ].join('\n')
}

async function readProfile(nameOrFile: string): Promise<Profile> {
  const path = nameOrFile.endsWith('.json')
    ? resolve(nameOrFile)
    : new URL(`../firmware-profiles/${encodeURIComponent(nameOrFile)}.json`, import.meta.url)
  try {
    return Profile.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    throw new UsageError(`--profile ${nameOrFile} cannot be read: ${sentenceOf(error)}`, { cause: error })
  }
}

function flagsOf<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new UsageError(sentenceOf(error), { cause: error })
  }
}

const withFlag = (path: PropertyKey[], message: string) =>
  message.startsWith('--') ? message : `--${String(path[0])}: ${message}`

const sentenceOf = (error: unknown): string => {
  if (error instanceof z.ZodError) return z.prettifyError(error)
  return error instanceof Error ? error.message : String(error)
}

/** Plain HTTP that leaves this machine. */
const isReadableByOthers = (url: string) =>
  url.startsWith('http:') && !['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname)

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}

/** The second signal ends the process at once: the handlers are gone by then. */
function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolveSignal) => {
    const take = (signal: NodeJS.Signals) => {
      process.off('SIGTERM', take)
      process.off('SIGINT', take)
      resolveSignal(signal)
    }
    process.on('SIGTERM', take)
    process.on('SIGINT', take)
  })
}

/** What has a sentence for the user; anything else crashes with its stack. */
const expected = [UsageError, IdentityError, PinnedStateError, FolderInUseError, ServingSocketError, TrustError]

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!expected.some((kind) => error instanceof kind) && systemCode(error) === undefined) throw error
  process.stderr.write(`roost-agent: ${sentenceOf(error)}\n`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
