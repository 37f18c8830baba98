// What can be told of a hub from where it is used: whether it answers, over what, at what time, and to whom.

import { type Finding, fault, ok, warning } from '@roost/shared/diagnosis/finding.ts'
import { errorCodeOf, type TlsFault, tlsFaultOf, tlsFaultWords } from '@roost/shared/diagnosis/tls-fault.ts'
import { z } from 'zod'
import { versionHeader } from '../../governance/access.ts'
import hub from '../../package.json' with { type: 'json' }
import { named } from '../../wording.ts'
import type { HubAddress } from '../contexts/choose.ts'
import { hubAway } from './finding.ts'

const answerMsMax = 5_000
/** Beyond this, tokens and claims expire early or late, and windows are told apart wrongly. */
const skewMsMax = 60_000
/** Devices that are looked at: a page. */
const devicesMax = 200

/** @param profiles the names of those that come with this version */
export async function checkConnection(
  { url, token }: HubAddress,
  profiles: ReadonlySet<string>,
  clock: () => number,
): Promise<Finding[]> {
  const ask = async (path: string): Promise<Answer> => {
    const response = await fetch(new URL(path, url), {
      headers: path === '/healthz' ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(answerMsMax),
      redirect: 'manual',
    })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  let health: Answer
  const askedMs = clock()
  try {
    health = await ask('/healthz')
  } catch (error) {
    return [whyAway(url, error)]
  }
  const answeredMs = clock()
  if (health.status !== 200 || health.text !== 'ok') {
    const says = `${url} answers ${health.status}, but not as a hub does`
    return [fault(hubAway, says, 'give the address of the hub itself: --url, ROOST_URL, or roost login')]
  }
  const found = [
    ok(hubAway, `a hub answers at ${url}`),
    encryption(url),
    clockFinding(health.headers.get('date'), askedMs, answeredMs),
  ]
  const askOrSay = (path: string) => ask(path).catch((error: unknown) => whyUnanswered(new URL(path, url), error))
  const models = await askOrSay('/v1/models?limit=1')
  if (typeof models !== 'string' && models.status === 401) return [...found, tokenFinding(models.status)]
  const devices = await askOrSay(`/v1/devices?limit=${devicesMax}`)
  const either = typeof models === 'string' ? devices : models
  return [
    ...found,
    typeof models === 'string' ? notKnown('token', models) : tokenFinding(models.status),
    ...(typeof either === 'string' ? [notKnown('version', either)] : versionFindings(either)),
    ...(typeof devices === 'string'
      ? [notKnown('agents', devices), notKnown('profile', devices)]
      : devicesFindings(devices, profiles)),
  ]
}

type Answer = Pick<Response, 'status' | 'headers'> & { text: string }

/** Of a hub that is there. */
const notKnown = (check: string, why: string): Finding =>
  fault(check, `not known: ${why}`, 'look at the log of the hub, and at its load; roost doctor --hub on its machine')

const whyUnanswered = ({ origin, pathname }: URL, error: unknown): string =>
  isTimeout(error)
    ? `${origin}${pathname} has not answered within ${answerMsMax / 1000} s`
    : `${origin}${pathname} does not answer (${reasonOf(error)})`

/** For whoever uses the hub. */
const tlsSteps: Readonly<Record<TlsFault, string>> = {
  expired: 'renew the file of ROOST_TLS_CERT_FILE and restart the hub',
  'not-yet-valid': 'look at the clock of this machine, and at the certificate',
  'other-name': 'use a name that stands in the certificate',
  'unknown-authority': 'set NODE_EXTRA_CA_CERTS to the PEM file of that authority',
  'no-tls': 'write http:// or set ROOST_TLS_CERT_FILE at the hub',
}

function whyAway(url: string, error: unknown): Finding {
  const tls = tlsFaultOf(error)
  if (tls !== undefined) return fault('TLS', `${url}: ${tlsFaultWords[tls]}`, tlsSteps[tls])
  const code = errorCodeOf(error)
  if (code === 'ECONNREFUSED') {
    return fault(
      hubAway,
      `nothing listens at ${url}`,
      'start it there (roost hub), or give its address: --url, ROOST_URL',
    )
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return fault(
      hubAway,
      `the name in ${url} leads nowhere`,
      'look at the spelling, and at the name server of this machine',
    )
  }
  if (isTimeout(error)) {
    const says = `${url} has not answered within ${answerMsMax / 1000} s`
    return fault(hubAway, says, 'look whether a firewall lets this machine through, and at the log of the hub')
  }
  const says = `${url} does not answer (${reasonOf(error)})`
  return fault(hubAway, says, 'look at the address, and whether it should be https://')
}

const isTimeout = (error: unknown): boolean => error instanceof Error && error.name === 'TimeoutError'

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return cause instanceof Error ? cause.message : String(cause)
}

function encryption(url: string): Finding {
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:') return ok('TLS', 'its certificate is good for this address')
  if (['127.0.0.1', 'localhost', '[::1]'].includes(hostname))
    return ok('TLS', 'none, and none is needed on this machine')
  const next = 'set ROOST_TLS_CERT_FILE and ROOST_TLS_KEY_FILE at the hub, or put a proxy with TLS in front'
  return warning('TLS', `${url} is not encrypted: tokens can be read on the way`, next)
}

/** The hub's second, against the time between question and answer. */
function clockFinding(date: string | null, askedMs: number, answeredMs: number): Finding {
  const theirsMs = Date.parse(date ?? '')
  if (Number.isNaN(theirsMs))
    return warning('clock', 'the hub does not say what time it is', 'look whether a proxy cuts the Date header')
  const skewMs = theirsMs + 999 < askedMs ? theirsMs + 999 - askedMs : Math.max(0, theirsMs - answeredMs)
  const seconds = Math.round(Math.abs(skewMs) / 1000)
  if (Math.abs(skewMs) <= skewMsMax) return ok('clock', `hub and this machine agree within ${Math.max(1, seconds)} s`)
  const says = `the hub's clock is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} this machine's: tokens, claims and time limits end at the wrong time`
  return fault('clock', says, 'let both keep time by NTP (timedatectl set-ntp true)')
}

function tokenFinding(status: number): Finding {
  if (status === 401)
    return fault('token', 'the hub does not know the token: it is wrong, expired or revoked', 'roost login')
  if (status >= 500)
    return fault('token', `the hub answers ${status}`, 'look at its log; roost doctor --hub on its machine')
  return ok('token', 'the hub knows the token')
}

/** 0.x versions may differ in any minor one (semver 2.0.0, 4). */
const series = (version: string): string => version.split('.').slice(0, 2).join('.')

/** Nothing where the hub does not know the token: strangers are not told. */
function versionFindings({ status, headers }: Answer): Finding[] {
  if (status === 401) return []
  const theirs = headers.get(versionHeader)
  if (theirs !== null && series(theirs) === series(hub.version))
    return [ok('version', `the hub is ${theirs}, roost ${hub.version}`)]
  const says = `the hub is ${theirs ?? 'of another version'}, roost is ${hub.version}: they may not understand each other`
  return [warning('version', says, 'install the same version on both')]
}

const Devices = z.object({
  devices: z.array(
    z.object({ id: z.string(), profile: z.string(), agent: z.string().nullable(), revokedAt: z.string().nullable() }),
  ),
})

/** Nothing where the token may not see devices. */
function devicesFindings({ status, text }: Answer, profiles: ReadonlySet<string>): Finding[] {
  if (status !== 200) return []
  const devices = Devices.parse(JSON.parse(text)).devices.filter(({ revokedAt }) => revokedAt === null)
  const other = devices.filter(({ agent }) => agent !== null && series(agent) !== series(hub.version))
  const foreign = devices.filter(({ profile }) => !profiles.has(profile))
  return [
    other.length === 0
      ? ok('agents', 'all agents are of this version')
      : warning(
          'agents',
          `${named(other.map(({ id, agent }) => `${id} (${agent})`))}: another version than ${hub.version}`,
          'bring agents and hub to the same version, the hub first',
        ),
    foreign.length === 0
      ? ok('profile', 'every device has a profile that this version comes with')
      : warning(
          'profile',
          `${named(foreign.map(({ id, profile }) => `${id} (${profile})`))}: a profile that does not come with this version: the hub cannot tell which models fit`,
          'enrol it with one of firmware-profiles/, or name the profile in the metadata of models that are for it',
        ),
  ]
}
