// The hub's settings: ROOST_* variables of the environment, checked once at start.
// An error names the variable and what it may be; an unknown one is an error too, because a typo that is ignored
// is a setting that silently does not hold.

import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { fileBytesMax } from '@roost/shared/bundle/manifest.ts'
import { z } from 'zod'
import { nearestWord } from './nearest-word.ts'

const Port = z.coerce.number().int().min(0).max(65_535)
const Bytes = z.coerce.number().int().positive()
const Days = z.coerce.number().positive()
const Folder = z.string().min(1)
const File = z.string().min(1)

const hasNoCredentials = (url: string): boolean => {
  const { username, password } = new URL(url)
  return username === '' && password === ''
}

type Setting = { schema: z.ZodType; may: string; what: string; secret?: true }

/** Every variable: what it may be and what it does. The table of the documentation is this one. */
export const settings = {
  ROOST_DATA_DIR: { schema: Folder.default('.roost'), may: 'a folder', what: 'database, blobs and keys (.roost)' },
  ROOST_HTTP_HOST: {
    schema: z.string().min(1).default('127.0.0.1'),
    may: 'an address to listen on',
    what: 'API (127.0.0.1)',
  },
  ROOST_HTTP_PORT: { schema: Port.default(7070), may: 'a port, 0 for any free one', what: 'API (7070)' },
  ROOST_MQTT_HOST: {
    schema: z.string().min(1).default('127.0.0.1'),
    may: 'an address to listen on',
    what: 'broker (127.0.0.1)',
  },
  ROOST_MQTT_PORT: { schema: Port.default(1883), may: 'a port, 0 for any free one', what: 'MQTT over TCP (1883)' },
  ROOST_MQTT_WS_PORT: {
    schema: Port.default(8083),
    may: 'a port, 0 for any free one',
    what: 'MQTT over WebSocket (8083)',
  },
  ROOST_MQTT_URL: {
    schema: z
      .url({ protocol: /^(mqtts?|wss?)$/ })
      .refine(hasNoCredentials)
      .optional(),
    may: 'an mqtt://, mqtts://, ws:// or wss:// address without user and password',
    what: 'Mosquitto as the broker, where the hub reaches it; with ROOST_MQTT_FILES_DIR (the hub is the broker)',
    secret: true,
  },
  ROOST_MQTT_FILES_DIR: {
    schema: Folder.optional(),
    may: 'a folder',
    what: 'where Mosquitto reads passwd and acl; with ROOST_MQTT_URL',
  },
  ROOST_MQTT_PID_FILE: {
    schema: File.optional(),
    may: 'a file',
    what: 'process id of a Mosquitto that the hub may signal (none: it sees new files by itself)',
  },
  ROOST_MQTT_CA_FILE: {
    schema: File.optional(),
    may: 'a PEM file',
    what: 'authority that signed the certificate of that Mosquitto; devices are told it at enrolment (a public one)',
  },
  ROOST_PUBLIC_URL: {
    schema: z.url({ protocol: /^https?$/ }).optional(),
    may: 'an http:// or https:// address',
    what: 'where devices and people reach the API (from host and port)',
  },
  ROOST_PUBLIC_MQTT_URL: {
    schema: z.url({ protocol: /^(mqtts?|wss?)$/ }).optional(),
    may: 'an mqtt://, mqtts://, ws:// or wss:// address',
    what: 'where devices reach the broker (from host and port)',
  },
  ROOST_TLS_CERT_FILE: {
    schema: File.optional(),
    may: 'a PEM file',
    what: 'certificate for HTTP and MQTT; with ROOST_TLS_KEY_FILE',
  },
  ROOST_TLS_KEY_FILE: { schema: File.optional(), may: 'a PEM file', what: 'its private key; with ROOST_TLS_CERT_FILE' },
  ROOST_UPLOAD_BYTES_MAX: {
    schema: Bytes.max(fileBytesMax).default(fileBytesMax),
    may: `a number of bytes, at most ${fileBytesMax}`,
    what: 'largest model file (536870912)',
  },
  ROOST_LOG_LEVEL: {
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
    may: 'trace, debug, info, warn, error or fatal',
    what: 'log (info)',
  },
  ROOST_WINDOWS_KEPT_DAYS: { schema: Days.default(30), may: 'a number of days', what: 'window reports are kept (30)' },
  ROOST_EVENTS_KEPT_DAYS: { schema: Days.default(365), may: 'a number of days', what: 'device events are kept (365)' },
  ROOST_OPENLINEAGE_URL: {
    schema: z
      .url({ protocol: /^https?$/ })
      .refine(hasNoCredentials)
      .optional(),
    may: 'an http:// or https:// address without user and password',
    what: 'where OpenLineage events are sent (nowhere)',
    // what is refused may be a password, what is taken may have one in its query
    secret: true,
  },
  ROOST_OPENLINEAGE_TOKEN: {
    schema: z.string().min(1).max(4096).optional(),
    may: 'a bearer token',
    what: 'secret: sent with them',
    secret: true,
  },
  ROOST_OPENLINEAGE_NAMESPACE: {
    schema: z.string().min(1).max(200).default('roost'),
    may: 'a text',
    what: 'namespace of jobs and datasets in them (roost)',
  },
} satisfies Record<`ROOST_${string}`, Setting>

export type SettingName = keyof typeof settings

export type Config = {
  dataDir: string
  httpHost: string
  httpPort: number
  mqttHost: string
  mqttPort: number
  mqttWsPort: number
  /** Mosquitto in the embedded broker's place. */
  broker: { url: string; folder: string; pidFile: string | undefined; caFile: string | undefined } | undefined
  publicUrl: string | undefined
  publicMqttUrl: string | undefined
  tls: { certFile: string; keyFile: string } | undefined
  uploadBytesMax: number
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  windowsKeptMs: number
  eventsKeptMs: number
  openLineage: { url: string | undefined; token: string | undefined; namespace: string }
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const dayMs = 86_400_000

/** Reads the settings out of `environment`. An empty variable counts as unset.
 *  @throws ConfigError with a line for each variable that is wrong */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const wrong = unknownVariables(environment)
  const read = <S extends z.ZodType>(
    name: SettingName,
    { schema, may, secret }: { schema: S; may: string; secret?: true },
  ): z.output<S> | undefined => {
    const text = environment[name] === '' ? undefined : environment[name]
    const result = schema.safeParse(text)
    if (result.success) return result.data
    wrong.push(`${name}: ${secret === true ? 'what it says' : JSON.stringify(text)} is not possible; it may be ${may}`)
    return undefined
  }
  const need = <S extends z.ZodType>(name: SettingName, setting: { schema: S; may: string }): z.output<S> => {
    const value = read(name, setting)
    // a placeholder that is never seen: `wrong` is not empty
    return value === undefined ? setting.schema.parse(undefined) : value
  }
  const certFile = read('ROOST_TLS_CERT_FILE', settings.ROOST_TLS_CERT_FILE)
  const keyFile = read('ROOST_TLS_KEY_FILE', settings.ROOST_TLS_KEY_FILE)
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const missing = certFile === undefined ? 'ROOST_TLS_CERT_FILE' : 'ROOST_TLS_KEY_FILE'
    wrong.push(`${missing}: missing; TLS needs both files, the certificate and its key`)
  }
  const brokerUrl = read('ROOST_MQTT_URL', settings.ROOST_MQTT_URL)
  const brokerFolder = read('ROOST_MQTT_FILES_DIR', settings.ROOST_MQTT_FILES_DIR)
  const brokerPidFile = read('ROOST_MQTT_PID_FILE', settings.ROOST_MQTT_PID_FILE)
  const brokerCaFile = read('ROOST_MQTT_CA_FILE', settings.ROOST_MQTT_CA_FILE)
  if (brokerUrl !== undefined && brokerFolder === undefined) {
    wrong.push('ROOST_MQTT_FILES_DIR: missing; the broker at ROOST_MQTT_URL has to be told who may come in')
  }
  if (brokerUrl === undefined && (brokerFolder ?? brokerPidFile ?? brokerCaFile) !== undefined) {
    const others = 'ROOST_MQTT_FILES_DIR, ROOST_MQTT_PID_FILE and ROOST_MQTT_CA_FILE'
    wrong.push(`ROOST_MQTT_URL: missing; ${others} are of the broker that it names`)
  }
  const config: Config = {
    // whole: processes that work elsewhere are given paths in it
    dataDir: resolve(need('ROOST_DATA_DIR', settings.ROOST_DATA_DIR)),
    httpHost: need('ROOST_HTTP_HOST', settings.ROOST_HTTP_HOST),
    httpPort: need('ROOST_HTTP_PORT', settings.ROOST_HTTP_PORT),
    mqttHost: need('ROOST_MQTT_HOST', settings.ROOST_MQTT_HOST),
    mqttPort: need('ROOST_MQTT_PORT', settings.ROOST_MQTT_PORT),
    mqttWsPort: need('ROOST_MQTT_WS_PORT', settings.ROOST_MQTT_WS_PORT),
    broker:
      brokerUrl === undefined || brokerFolder === undefined
        ? undefined
        : { url: brokerUrl, folder: resolve(brokerFolder), pidFile: brokerPidFile, caFile: brokerCaFile },
    publicUrl: read('ROOST_PUBLIC_URL', settings.ROOST_PUBLIC_URL),
    publicMqttUrl: read('ROOST_PUBLIC_MQTT_URL', settings.ROOST_PUBLIC_MQTT_URL),
    tls: certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile },
    uploadBytesMax: need('ROOST_UPLOAD_BYTES_MAX', settings.ROOST_UPLOAD_BYTES_MAX),
    logLevel: need('ROOST_LOG_LEVEL', settings.ROOST_LOG_LEVEL),
    windowsKeptMs: need('ROOST_WINDOWS_KEPT_DAYS', settings.ROOST_WINDOWS_KEPT_DAYS) * dayMs,
    eventsKeptMs: need('ROOST_EVENTS_KEPT_DAYS', settings.ROOST_EVENTS_KEPT_DAYS) * dayMs,
    openLineage: {
      url: read('ROOST_OPENLINEAGE_URL', settings.ROOST_OPENLINEAGE_URL),
      token: read('ROOST_OPENLINEAGE_TOKEN', settings.ROOST_OPENLINEAGE_TOKEN),
      namespace: need('ROOST_OPENLINEAGE_NAMESPACE', settings.ROOST_OPENLINEAGE_NAMESPACE),
    },
  }
  if (wrong.length > 0) throw new ConfigError(wrong.join('\n'))
  return config
}

/** Set for the command line and the agent, and left alone when a hub is started from the same shell. */
const elsewhere = /^ROOST_(URL|TOKEN|AGENT_.*)$/

function unknownVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  const known = Object.keys(settings)
  return Object.keys(environment)
    .filter((name) => name.startsWith('ROOST_') && !known.includes(name) && !elsewhere.test(name))
    .map((name) => {
      const nearest = nearestWord(name, known, name.length)
      return `${name}: there is no such setting${nearest === undefined ? '' : `; did you mean ${nearest}?`}`
    })
}

/** Where the API is reached: as set, else where it listens. */
export function publicUrl(config: Config, port: number): string {
  return config.publicUrl ?? `${config.tls === undefined ? 'http' : 'https'}://${reachable(config.httpHost)}:${port}`
}

/** Where the broker is reached: as set, else where the hub reaches it, else where it listens for TCP. */
export function publicMqttUrl(config: Config, port: number): string {
  return (
    config.publicMqttUrl ??
    config.broker?.url ??
    `${config.tls === undefined ? 'mqtt' : 'mqtts'}://${reachable(config.mqttHost)}:${port}`
  )
}

/** An address that means "all of this machine's" is nothing others can connect to: its name is. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return hostname()
  return host.includes(':') ? `[${host}]` : host
}
