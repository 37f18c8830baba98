// What can be told of a device's way to its hub: whether it answers over HTTP, at what time, as which version, and whether
// the broker takes the device.

import { type Finding, fault, ok, warning } from '@roost/shared/diagnosis/finding.ts'
import { errorCodeOf, type TlsFault, tlsFaultOf, tlsFaultWords } from '@roost/shared/diagnosis/tls-fault.ts'
import { connect as connectMqtt } from 'mqtt'
import { Agent, request } from 'undici'
import type { Status } from '../control/status.ts'
import { brokerAuthority, type Identity } from '../identity/device.ts'

const answerMsMax = 5_000
/** Beyond this, freshness and windows are told wrongly, and certificates may not hold. */
const skewMsMax = 60_000
/** No blob has it: what is asked for is who asks. */
const noBlob = '0'.repeat(64)

type Answer = { status: number; headers: Record<string, string | string[] | undefined>; text: string }

/** @param version the agent's own */
export async function checkHub(
  { device, secret, certificateAuthority }: Identity,
  hubUrl: string,
  version: string,
  clock: () => number,
): Promise<Finding[]> {
  const dispatcher = new Agent({
    headersTimeout: answerMsMax,
    bodyTimeout: answerMsMax,
    maxResponseSize: 65_536,
    connect: { timeout: answerMsMax, ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority }) },
  })
  const ask = async (path: string, headers: Record<string, string> = {}): Promise<Answer> => {
    const answer = await request(`${hubUrl}${path}`, { dispatcher, headers })
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() }
  }
  try {
    const askedMs = clock()
    const health = await ask('/healthz')
    const answeredMs = clock()
    if (health.status !== 200 || health.text !== 'ok') {
      const says = `${hubUrl} answers ${health.status}, but not as a hub does`
      return [fault('hub', says, 'give the address of the hub itself: --hub, ROOST_AGENT_HUB')]
    }
    const authorization = `Basic ${Buffer.from(`${device}:${secret}`).toString('base64')}`
    const known = await ask(`/v1/blobs/${noBlob}`, { authorization })
    return [
      ok('hub', `a hub answers at ${hubUrl}`),
      encryption('TLS', hubUrl),
      clockFinding(health.headers.date, askedMs, answeredMs),
      ...(known.status === 401 ? [revoked] : [versionFinding(known.headers['roost-version'], version)]),
    ]
  } catch (error) {
    return [away('hub', hubUrl, error, '--hub, ROOST_AGENT_HUB')]
  } finally {
    await dispatcher.destroy()
  }
}

const revoked = fault(
  'device',
  'the hub does not take this device or its secret: it was revoked, or enrolled anew elsewhere',
  'roost device show DEVICE at the hub; to come back: a new folder, and roost-agent enrol',
)

/** Where the agent runs, what it says of its connection: a second one of the same device would cut its own. */
export async function checkBroker(
  identity: Identity,
  mqttUrl: string,
  running: Status | undefined,
): Promise<Finding[]> {
  if (running?.connected === true)
    return [ok('broker', `the agent that runs is connected to ${mqttUrl}`), encryption('broker TLS', mqttUrl)]
  if (running?.refused === true) return [revoked]
  return new Promise((resolve) => {
    const { device, secret } = identity
    const ca = brokerAuthority(identity)
    const client = connectMqtt(mqttUrl, {
      clientId: device,
      username: device,
      password: secret,
      clean: true,
      protocolVersion: 4,
      reconnectPeriod: 0,
      connectTimeout: answerMsMax,
      ...(ca === undefined ? {} : { ca }),
    })
    const end = (...findings: Finding[]) => {
      clearTimeout(timer)
      client.end(true)
      resolve(findings)
    }
    const timer = setTimeout(() => end(away('broker', mqttUrl, timedOut(), 'ROOST_AGENT_MQTT_URL')), answerMsMax)
    client.on('connect', () => end(ok('broker', `${mqttUrl} takes this device`), encryption('broker TLS', mqttUrl)))
    client.on('error', (error) => {
      const isRefused = 'code' in error && (error.code === 4 || error.code === 5)
      end(isRefused ? revoked : away('broker', mqttUrl, error, '--mqtt-url, ROOST_AGENT_MQTT_URL'))
    })
    client.on('close', () =>
      end(away('broker', mqttUrl, new Error('it closes the connection at once'), '--mqtt-url, ROOST_AGENT_MQTT_URL')),
    )
  })
}

const timedOut = () => Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })

/** @param settings where the address can be set */
function away(check: 'hub' | 'broker', url: string, error: unknown, settings: string): Finding {
  const tls = tlsFaultOf(error)
  if (tls !== undefined) return fault(`${check} TLS`, `${url}: ${tlsFaultWords[tls]}`, tlsStep(tls, check, settings))
  const code = errorCodeOf(error)
  if (code === 'ECONNREFUSED')
    return fault(check, `nothing listens at ${url}`, `start it, or give its address: ${settings}`)
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return fault(
      check,
      `the name in ${url} leads nowhere`,
      'look at the spelling, and at the name server of this device',
    )
  }
  if (/TIMEOUT|ETIMEDOUT/.test(code)) {
    const says = `${url} has not answered within ${answerMsMax / 1000} s`
    return fault(check, says, 'look whether a firewall lets this device through')
  }
  const says = `${url} does not answer (${error instanceof Error ? error.message : String(error)})`
  return fault(check, says, `look at the address: ${settings}`)
}

function tlsStep(tls: TlsFault, check: 'hub' | 'broker', settings: string): string {
  const steps: Record<TlsFault, string> = {
    expired: `renew it at the ${check}; look at the clock of this device`,
    'not-yet-valid': 'look at the clock of this device',
    'other-name': `use a name that stands in the certificate: ${settings}`,
    'unknown-authority':
      check === 'hub'
        ? 'enrol with --ca FILE, or put its PEM into certificateAuthority of identity/device.json'
        : 'set ROOST_MQTT_CA_FILE at the hub and enrol, or put its PEM into mqttAuthority of identity/device.json',
    'no-tls': `write the address without TLS: ${settings}`,
  }
  return steps[tls]
}

function encryption(check: string, url: string): Finding {
  const { protocol, hostname } = new URL(url)
  if (/^(https|mqtts|wss):$/.test(protocol)) return ok(check, 'its certificate is good for this address')
  if (['127.0.0.1', 'localhost', '[::1]'].includes(hostname))
    return ok(check, 'none, and none is needed on this machine')
  return warning(
    check,
    `${url} is not encrypted: the device's secret can be read on the way`,
    'give hub and broker TLS (docs/operate.md), then enrol anew or set the addresses',
  )
}

/** The hub's second, against the time between question and answer. */
function clockFinding(date: string | string[] | undefined, askedMs: number, answeredMs: number): Finding {
  const theirsMs = Date.parse(String(date ?? ''))
  if (Number.isNaN(theirsMs))
    return warning('clock', 'the hub does not say what time it is', 'look whether a proxy cuts the Date header')
  const skewMs = theirsMs + 999 < askedMs ? theirsMs + 999 - askedMs : Math.max(0, theirsMs - answeredMs)
  const seconds = Math.round(Math.abs(skewMs) / 1000)
  if (Math.abs(skewMs) <= skewMsMax) return ok('clock', `hub and device agree within ${Math.max(1, seconds)} s`)
  const says = `this device's clock is ${seconds} s ${skewMs > 0 ? 'behind' : 'ahead of'} the hub's: its windows stand at the wrong time`
  return fault('clock', says, 'let it keep time by NTP (timedatectl set-ntp true)')
}

/** 0.x versions may differ in any minor one (semver 2.0.0, 4). */
const series = (version: string): string => version.split('.').slice(0, 2).join('.')

function versionFinding(theirs: string | string[] | undefined, ours: string): Finding {
  if (typeof theirs === 'string' && series(theirs) === series(ours))
    return ok('version', `the hub is ${theirs}, the agent ${ours}`)
  const says = `the hub is ${typeof theirs === 'string' ? theirs : 'of another version'}, the agent ${ours}: they may not understand each other`
  return warning('version', says, 'bring both to the same version, the hub first')
}
