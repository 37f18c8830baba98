// What can be told of a hub on its own machine, out of its settings and its folder, whether it runs or not. Nothing is
// changed, and nothing made.

import { X509Certificate } from 'node:crypto'
import { constants } from 'node:fs'
import { access, readdir, stat, statfs } from 'node:fs/promises'
import { isIP } from 'node:net'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { type Finding, fault, ok, warning } from '@roost/shared/diagnosis/finding.ts'
import { isExpired } from '@roost/shared/trust/root.ts'
import { type Config, ConfigError, publicMqttUrl, publicUrl, readConfig } from '../../config.ts'
import { readKey, readRoots } from '../../keys.ts'
import { unlessMissing } from '../../storage/files.ts'
import { isFolderHeld } from '../../storage/lock.ts'
import { readTls } from '../../tls.ts'
import { brokerTlsFindings } from './broker-tls.ts'
import { certificateDays, dayMs, greetBroker, isLocal, whyNotListen } from './ports.ts'

/** Less, and the database cannot take what a fleet reports in a night. */
const freeBytesMin = 268_435_456
/** To change keys everywhere takes as long as a device may be away. */
const rootDays = 90
const aheadMsMax = 60_000

type Environment = Readonly<Record<string, string | undefined>>

export async function checkHub(environment: Environment, nowMs: number): Promise<Finding[]> {
  let config: Config
  try {
    config = readConfig(environment)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message
      .split('\n')
      .map((line) => fault('settings', line, 'correct or unset it; README.md lists all settings'))
  }
  const there = await unlessMissing(stat(config.dataDir), undefined)
  const permissions = await folderFindings(config.dataDir)
  const readable = permissions.every(({ verdict }) => verdict !== 'fault')
  const running = there !== undefined && readable && (await isFolderHeld(config.dataDir))
  return [
    ok('settings', 'every ROOST_ variable is one that the hub knows'),
    ...permissions,
    await diskFinding(config, there === undefined),
    ...(there !== undefined && readable
      ? [await timeFinding(config.dataDir, nowMs), ...(await keyFindings(config.dataDir, nowMs))]
      : []),
    await tlsFinding(config, nowMs),
    ...(running ? [ok('port', 'the hub runs, and has its ports')] : await portFindings(config)),
    await brokerFinding(config, running),
    ...(config.broker === undefined ? [] : await brokerTlsFindings(config, config.broker, nowMs)),
  ]
}

async function folderFindings(folder: string): Promise<Finding[]> {
  const found = await unlessMissing(stat(folder), undefined)
  const who = userInfo().username
  if (found === undefined) {
    const parent = dirname(folder)
    return (await may(parent, constants.W_OK | constants.X_OK))
      ? [ok('permissions', `${folder} will be made at the first start`)]
      : [
          fault(
            'permissions',
            `${who} cannot make ${folder}`,
            'make it and give it to that user, or set ROOST_DATA_DIR',
          ),
        ]
  }
  if (!found.isDirectory()) return [fault('permissions', `${folder} is not a folder`, 'set ROOST_DATA_DIR to a folder')]
  const keys = join(folder, 'keys')
  const names = (await unlessMissing(readdir(keys), []).catch(() => [])).filter((name) => /\.(pem|key)$/.test(name))
  const paths = [folder, join(folder, 'hub.db'), ...names.map((name) => join(keys, name))]
  const closed: string[] = []
  const open: string[] = []
  for (const path of paths) {
    const stats = await unlessMissing(stat(path).catch(denied), undefined)
    if (stats === undefined) continue
    const wanted = stats === 'denied' || !path.endsWith('.pem') ? constants.R_OK | constants.W_OK : constants.R_OK
    if (stats === 'denied' || !(await may(path, wanted))) closed.push(path)
    else if ((stats.mode & 0o077) !== 0 && path !== folder) open.push(path)
  }
  if (closed.length > 0) {
    return [
      fault(
        'permissions',
        `${who} may not read and write ${closed.join(', ')}: the hub does not start`,
        `chown -R ${who} ${folder}`,
      ),
    ]
  }
  if (open.length > 0) {
    const says = `others on this machine may read ${open.join(', ')}`
    return [warning('permissions', says, `chmod -R go= ${folder}; if somebody could have copied a key, make new ones`)]
  }
  return [ok('permissions', `${folder} is the hub's alone`)]
}

const may = (path: string, mode: number): Promise<boolean> =>
  access(path, mode).then(
    () => true,
    () => false,
  )

function denied(error: unknown): 'denied' {
  if (error instanceof Error && 'code' in error && error.code === 'EACCES') return 'denied'
  throw error
}

async function diskFinding({ dataDir, uploadBytesMax }: Config, isNew: boolean): Promise<Finding> {
  const { bavail, bsize } = await statfs(isNew ? dirname(dataDir) : dataDir)
  const free = bavail * bsize
  const words = `${Math.floor(free / 1_048_576)} MiB are free at ${dataDir}`
  const next = 'free some, give the folder a larger disk, or keep reports for less long (ROOST_WINDOWS_KEPT_DAYS)'
  if (free < freeBytesMin) return fault('disk', `only ${words}: the hub soon cannot store what devices report`, next)
  if (free < 2 * uploadBytesMax)
    return warning('disk', `${words}: not enough for a model of the size that is allowed`, next)
  return ok('disk', words)
}

/** A clock that went back: what was written bears a time that is still to come. */
async function timeFinding(folder: string, nowMs: number): Promise<Finding> {
  const written = await Promise.all(
    ['hub.db', 'hub.db-wal'].map((name) => unlessMissing(stat(join(folder, name)), undefined)),
  )
  const aheadMs = Math.max(0, ...written.map((found) => (found?.mtimeMs ?? 0) - nowMs))
  if (aheadMs <= aheadMsMax) return ok('clock', 'not behind what the hub has written')
  const says = `the clock is ${Math.round(aheadMs / 1000)} s behind what the hub has written: new entries would be older than old ones`
  return fault('clock', says, 'set the clock (timedatectl set-ntp true) before the hub starts')
}

async function keyFindings(folder: string, nowMs: number): Promise<Finding[]> {
  const keys = join(folder, 'keys')
  if ((await unlessMissing(stat(join(keys, '1.root.json')), undefined)) === undefined) {
    if ((await unlessMissing(stat(join(folder, 'hub.db')), undefined)) === undefined) {
      return [ok('keys', 'will be made at the first start')]
    }
    const says = `there is a database but no ${join(keys, '1.root.json')}: the hub would make new keys, which no device trusts`
    return [fault('keys', says, 'bring the folder keys/ back from the backup before the hub starts')]
  }
  try {
    const { root } = await readRoots(keys)
    if ((await readKey(keys, 'assignment', root)) === undefined) {
      return [
        fault('keys', `${join(keys, 'assignment.pem')} is missing: no hub without it`, 'bring it back from the backup'),
      ]
    }
    const next = 'make a new root, signed by the root key, before devices refuse new versions'
    if (isExpired(root, nowMs))
      return [fault('keys', `the root has expired (${root.expires}): devices refuse new versions`, next)]
    if (Date.parse(root.expires) - nowMs < rootDays * dayMs)
      return [warning('keys', `the root expires ${root.expires}`, next)]
    const rootKey = await unlessMissing(stat(join(keys, 'root.pem')), undefined)
    if (rootKey === undefined) return [ok('keys', `root ${root.version}, good until ${root.expires}`)]
    const says = `${join(keys, 'root.pem')} is still here: whoever takes this machine takes the fleet`
    return [warning('keys', says, 'move it to a safe place that is not online; it is needed only to change keys')]
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return [fault('keys', `the keys cannot be used: ${error.message}`, 'bring the folder keys/ back from the backup')]
  }
}

async function tlsFinding(config: Config, nowMs: number): Promise<Finding> {
  try {
    const files = await readTls(config)
    if (files === undefined) {
      if (isLocal(config.httpHost) && isLocal(config.mqttHost))
        return ok('TLS', 'none, and the hub listens on this machine only')
      const next = 'set ROOST_TLS_CERT_FILE and ROOST_TLS_KEY_FILE, or put a proxy with TLS in front'
      return warning('TLS', 'none: tokens and the secrets of devices can be read on the way', next)
    }
    const certificate = new X509Certificate(files.cert)
    const untilMs = Date.parse(certificate.validTo)
    const next = 'put a new one into the file of ROOST_TLS_CERT_FILE and restart the hub'
    if (untilMs < nowMs)
      return fault('TLS', `the certificate has expired (${certificate.validTo}): nobody can connect`, next)
    if (Date.parse(certificate.validFrom) > nowMs)
      return fault('TLS', `the certificate is not valid before ${certificate.validFrom}`, next)
    const name = new URL(publicUrl(config, config.httpPort)).hostname.replaceAll(/[[\]]/g, '')
    const fits = isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)
    if (fits === undefined) {
      return fault(
        'TLS',
        `the certificate is not for ${name}: devices turn away`,
        'use one with that name, or set ROOST_PUBLIC_URL to a name it has',
      )
    }
    if (untilMs - nowMs < certificateDays * dayMs)
      return warning('TLS', `the certificate expires ${certificate.validTo}`, next)
    return ok('TLS', `the certificate is good until ${certificate.validTo}`)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return fault('TLS', error.message, 'give a certificate and its key, both in PEM form')
  }
}

const portReasons: Readonly<Record<string, [says: string, next: string]>> = {
  EADDRINUSE: ['is taken by another process', 'end that process (ss -ltnp shows it)'],
  EACCES: ['may be listened on by root only', 'use one from 1024 on'],
  EADDRNOTAVAIL: ['is no address of this machine', 'give an address that it has, or 0.0.0.0'],
}

async function portFindings(config: Config): Promise<Finding[]> {
  const http = { setting: 'ROOST_HTTP_PORT', host: config.httpHost, port: config.httpPort }
  const mqtt = [
    { setting: 'ROOST_MQTT_PORT', host: config.mqttHost, port: config.mqttPort },
    { setting: 'ROOST_MQTT_WS_PORT', host: config.mqttHost, port: config.mqttWsPort },
  ]
  const wanted = config.broker === undefined ? [http, ...mqtt] : [http]
  const faults: Finding[] = []
  for (const [i, { setting, host, port }] of wanted.entries()) {
    const same = wanted.slice(0, i).find((other) => port !== 0 && other.port === port)
    const code = same === undefined ? await whyNotListen(host, port) : undefined
    if (same !== undefined)
      faults.push(fault('port', `${setting} and ${same.setting} are both ${port}`, 'give each a port of its own'))
    if (code === undefined) continue
    const [says, next] = portReasons[code] ?? [`cannot be listened on (${code})`, 'choose another']
    faults.push(fault('port', `${host}:${port} ${says}: the hub does not start`, `${next}, or set ${setting}`))
  }
  return faults.length > 0 ? faults : [ok('port', `${wanted.map(({ port }) => port).join(', ')} are free`)]
}

async function brokerFinding(config: Config, running: boolean): Promise<Finding> {
  const url = publicMqttUrl(config, config.mqttPort)
  const api = new URL(publicUrl(config, config.httpPort)).hostname
  const broker = new URL(url).hostname
  if (isLocal(broker) && !isLocal(api)) {
    const says = `devices are told to find the broker at ${url}, which is each device itself`
    return fault(
      'broker',
      says,
      `set ROOST_MQTT_HOST to 0.0.0.0, or ROOST_PUBLIC_MQTT_URL to mqtt(s)://${api}:${config.mqttPort}`,
    )
  }
  if (config.broker !== undefined) return ownBrokerFinding(config.broker)
  if (!running) return ok('broker', `devices will be told to find it at ${url}`)
  if (new URL(url).port === '0' || /^wss?:/.test(url)) return ok('broker', 'runs with the hub')
  const answer = await greetBroker(url)
  if ('greeting' in answer) return ok('broker', `answers at ${url}`)
  return fault(
    'broker',
    `no broker answers at ${url}, where devices are told to find it: ${answer.reason}`,
    'correct ROOST_PUBLIC_MQTT_URL, or what forwards to the hub',
  )
}

/** Of a broker of one's own, which is asked whether the hub runs or not. */
async function ownBrokerFinding({ url, folder }: NonNullable<Config['broker']>): Promise<Finding> {
  const there = await unlessMissing(stat(folder), undefined)
  const open = there === undefined ? dirname(folder) : folder
  if ((there !== undefined && !there.isDirectory()) || !(await may(open, constants.W_OK | constants.X_OK))) {
    const next = 'give it to the hub’s user, or set ROOST_MQTT_FILES_DIR'
    return fault('broker', `${userInfo().username} cannot write ${folder}, where it tells who may come in`, next)
  }
  if (there !== undefined && (there.mode & 0o007) !== 0) {
    return warning('broker', `others on this machine may look into ${folder}`, `chmod o= ${folder}`)
  }
  if (/^wss?:/.test(url)) return ok('broker', `the hub looks for it at ${url}`)
  const answer = await greetBroker(url)
  if ('reason' in answer) {
    const says = `no broker answers at ${url}: ${answer.reason}`
    return fault('broker', says, 'start it, or correct ROOST_MQTT_URL; it starts once the hub has written its files')
  }
  if (answer.greeting === 'let-in') {
    const next = 'set allow_anonymous false, password_file and acl_file there (scripts/mosquitto/mosquitto.conf)'
    return fault('broker', `the broker at ${url} lets in whoever comes`, next)
  }
  return ok('broker', `answers at ${url}, and turns strangers away`)
}
