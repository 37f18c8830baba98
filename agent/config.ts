// The settings of `roost-agent run`: a flag, or the variable of the same name in the environment; the flag wins.
// An error names the setting and what it may be; an unknown one is an error too.

import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { DeploymentName } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import type { ReplayPace, ReplaySource } from './runtime/messages.ts'

const Port = z.coerce.number().int().min(0).max(65_535)
const Positive = z.coerce.number().positive()

type Setting = { schema: z.ZodType; may: string; what: string }

/** Every setting by its flag; the variable of `--serve-port` is ROOST_AGENT_SERVE_PORT. The default stands in brackets. */
export const settings = {
  dir: {
    schema: z.string().min(1).default('.roost-agent'),
    may: 'a folder',
    what: 'identity, bundles, reports (.roost-agent)',
  },
  'serve-host': {
    schema: z
      .string()
      .refine((host) => isIP(host) !== 0)
      .default('127.0.0.1'),
    may: 'an IP address of this machine',
    what: 'where predictions are served (127.0.0.1)',
  },
  'serve-port': { schema: Port.default(8500), may: 'a port, 0 for any free one', what: 'the same (8500)' },
  'body-bytes-max': {
    schema: z.coerce.number().int().positive().default(8_388_608),
    may: 'a number of bytes',
    what: 'longest body of a request (8388608)',
  },
  threads: {
    schema: z.coerce.number().int().min(1).max(64).default(1),
    may: 'a number from 1 to 64',
    what: 'threads of one inference (1)',
  },
  replay: {
    schema: z.string().optional(),
    may: 'DEPLOYMENT=FILE, FILE a .csv with a header line or .jsonl; several in the variable with commas between',
    what: 'feed recorded rows to a deployment; may be given several times',
  },
  'replay-pace': {
    schema: z
      .string()
      .regex(/^(unpaced|recorded:\d+(\.\d+)?|every:\d+(\.\d+)?)$/)
      .default('unpaced'),
    may: 'unpaced, recorded:SPEED or every:MILLISECONDS',
    what: 'as fast as answered, by the rows’ own time, or steadily (unpaced)',
  },
  'replay-repeat': {
    schema: z.stringbool().default(false),
    may: 'true or false',
    what: 'begin anew at the end (false)',
  },
  download: {
    schema: z.enum(['auto', 'mqtt', 'http']).optional(),
    may: 'auto, mqtt or http',
    what: "how bundles are fetched; auto: over MQTT, and over HTTP what that did not bring (the profile's, else auto)",
  },
  hub: {
    schema: z.url({ protocol: /^https?$/ }).optional(),
    may: 'an http:// or https:// address',
    what: 'the hub, where it has moved since enrolment',
  },
  'mqtt-url': {
    schema: z.url({ protocol: /^(mqtts?|wss?)$/ }).optional(),
    may: 'an mqtt://, mqtts://, ws:// or wss:// address',
    what: 'its broker, where that has moved since enrolment',
  },
  'hello-seconds': { schema: Positive.default(14_400), may: 'a number of seconds', what: 'between two hellos (14400)' },
  'stale-seconds': {
    schema: Positive.default(86_400),
    may: 'a number of seconds',
    what: 'without a fresh answer of the hub for so long, it is said aloud (86400)',
  },
  'reconnect-seconds': {
    schema: Positive.default(120),
    may: 'a number of seconds',
    what: 'longest pause between two tries to reach the broker (120)',
  },
  'probation-ms': {
    schema: z.coerce.number().int().positive().optional(),
    may: 'a number of milliseconds',
    what: 'probation of a new version, where shorter than the profile says',
  },
  'log-level': {
    schema: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
    may: 'debug, info, warn or error',
    what: 'log (info)',
  },
} satisfies Record<string, Setting>

export type SettingName = keyof typeof settings

export type AgentConfig = {
  dir: string
  serve: { host: string; port: number; bodyBytesMax: number; threads: number }
  replay: ReplaySource[]
  /** Undefined: as the profile says. */
  download: 'auto' | 'mqtt' | 'http' | undefined
  hubUrl: string | undefined
  mqttUrl: string | undefined
  helloIntervalMs: number
  staleAfterMs: number
  reconnectMaxMs: number
  probationMs: number | undefined
  logLevel: 'debug' | 'info' | 'warn' | 'error'
}

/** What whoever called the command can put right; the message says how. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export const variableOf = (name: string) => `ROOST_AGENT_${name.toUpperCase().replaceAll('-', '_')}`

/** @throws UsageError with a line for each setting that is wrong */
export function readConfig(args: string[], environment: Readonly<Record<string, string | undefined>>): AgentConfig {
  const flags = parseFlags(args)
  const wrong = unknownVariables(environment)
  const read = <S extends z.ZodType>(name: SettingName, { schema, may }: { schema: S; may: string }): z.output<S> => {
    const text = flags[name]?.at(-1) ?? (environment[variableOf(name)] || undefined)
    const result = schema.safeParse(text)
    if (result.success) return result.data
    const where = flags[name] === undefined ? variableOf(name) : `--${name}`
    wrong.push(`${where}: ${JSON.stringify(text)} is not possible; it may be ${may}`)
    // a placeholder that is never seen: `wrong` is not empty
    return schema.parse(undefined)
  }
  const pace = readPace(read('replay-pace', settings['replay-pace']))
  const repeat = read('replay-repeat', settings['replay-repeat'])
  const replays = flags.replay ?? environment[variableOf('replay')]?.split(',').filter((text) => text !== '') ?? []
  const config: AgentConfig = {
    dir: resolve(read('dir', settings.dir)),
    serve: {
      host: read('serve-host', settings['serve-host']),
      port: read('serve-port', settings['serve-port']),
      bodyBytesMax: read('body-bytes-max', settings['body-bytes-max']),
      threads: read('threads', settings.threads),
    },
    replay: replays.flatMap((text) => readReplay(text, { pace, repeat }, wrong)),
    download: read('download', settings.download),
    hubUrl: read('hub', settings.hub)?.replace(/\/+$/, ''),
    mqttUrl: read('mqtt-url', settings['mqtt-url']),
    helloIntervalMs: read('hello-seconds', settings['hello-seconds']) * 1000,
    staleAfterMs: read('stale-seconds', settings['stale-seconds']) * 1000,
    reconnectMaxMs: read('reconnect-seconds', settings['reconnect-seconds']) * 1000,
    probationMs: read('probation-ms', settings['probation-ms']),
    logLevel: read('log-level', settings['log-level']),
  }
  if (wrong.length > 0) throw new UsageError(wrong.join('\n'))
  return config
}

function parseFlags(args: string[]): Partial<Record<SettingName, string[]>> {
  const options = Object.fromEntries(
    Object.keys(settings).map((name) => [name, { type: 'string' as const, multiple: true }]),
  )
  // the one flag that needs no value
  const spelled = args.map((arg) => (arg === '--replay-repeat' ? '--replay-repeat=true' : arg))
  try {
    return parseArgs({ args: spelled, options }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function unknownVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set([...Object.keys(settings), 'token'].map(variableOf))
  return Object.keys(environment)
    .filter((name) => name.startsWith('ROOST_AGENT_') && !known.has(name))
    .map((name) => `${name}: there is no such setting; there are ${[...known].join(', ')}`)
}

function readPace(text: string): ReplayPace {
  const [kind, number] = text.split(':')
  if (kind === 'recorded') return { kind, speed: Number(number) }
  if (kind === 'every') return { kind, intervalMs: Number(number) }
  return { kind: 'unpaced' }
}

function readReplay(text: string, how: Pick<ReplaySource, 'pace' | 'repeat'>, wrong: string[]): ReplaySource[] {
  const [, deployment, path] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (path !== undefined && DeploymentName.safeParse(deployment).success && /\.(csv|jsonl)$/.test(path)) {
    return [{ deployment: DeploymentName.parse(deployment), path: resolve(path), ...how }]
  }
  wrong.push(`--replay: ${JSON.stringify(text)} is not possible; it may be ${settings.replay.may}`)
  return []
}
